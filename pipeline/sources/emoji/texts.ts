import type { Random } from '../../../schemas/random.ts';
import type { EmojiNames } from './names.ts';

const englishTemplates = [
  (name: string) => name,
  (name: string) => name,
  (name: string) => `photo of a ${name}`,
  (name: string) => `${name} emoji sticker`,
  (name: string) => `A cute ${name} on a plain background`,
  (name: string) => `${name[0]?.toUpperCase() ?? ''}${name.slice(1)} icon`,
];

const boilerplate = [
  (random: Random) => `IMG_${1000 + random.integer(9000)}.JPG`,
  (random: Random) => `DSC0${1000 + random.integer(9000)}.jpg`,
  () => 'image',
  () => 'click to enlarge',
  (random: Random) =>
    `© ${2005 + random.integer(20)} Happy Shop. All rights reserved. Free shipping on all orders`,
  () => 'untitled',
];

/** The alt-texts of a single picture: 1 to 5, mostly 1 or 2. English is put in sentences, the rest listed. */
export function altTextsOf(names: EmojiNames, language: string, random: Random): string[] {
  const { name, keywords } = names;
  const texts = [language === 'en' ? random.pick(englishTemplates)(name) : name];
  const more = random.uniform() < 0.6 ? 0 : 1 + random.integer(3);
  const others = keywords.filter((keyword) => keyword !== name);
  for (let i = 0; i < more && others.length > 0; i += 1) {
    const some = Array.from({ length: 1 + random.integer(3) }, () => random.pick(others));
    const listed = [...new Set(some)].join(', ');
    texts.push(random.uniform() < 0.5 ? `${name}, ${listed}` : `${name}: ${listed}`);
  }
  return [...new Set(texts)].slice(0, 5);
}

/** The sentence of a canvas: its pictures' names, listed as the language lists. */
export function sentenceOf(names: readonly string[], language: string): string {
  if (language !== 'en') return new Intl.ListFormat(language, { type: 'conjunction' }).format(names);
  const articled = names.map((name) => `${/^[aeiou]/i.test(name) ? 'an' : 'a'} ${name}`);
  return new Intl.ListFormat('en', { type: 'conjunction' }).format(articled);
}

/** What pages put where an alt-text should be. */
export function boilerplateText(random: Random): string {
  return random.pick(boilerplate)(random);
}

/** The text as careless HTML carries it: entities, tags, doubled white space. */
export function withEntities(text: string, random: Random): string {
  const kinds = [
    () => `${text.replaceAll(' ', '&nbsp;')}`,
    () => `<b>${text}</b>`,
    () => `&quot;${text}&quot;`,
    () => `${text} &amp; more<br/>`,
  ];
  return random.pick(kinds)();
}
