import { eld } from 'eld/large';
import { type Member, memberCharacters, ourName } from './member.ts';

/** eld gives s = x / (x + 25) of a mean x of its n-grams' scores: the pool takes x / 25. */
const cap = 0.999;

/** What languages that eld does not know score: the pool's biases set them right. */
const unknown = 1;

/** eld, the efficient language detector (Nito T.M.), with its large table: 60 languages. Scores are of its n-grams. */
export function loadEld(languages: readonly string[]): Member {
  const known = Object.values(eld.info().Languages);
  const index = new Map(known.map((name) => [name, languages.indexOf(ourName(name))]));
  const ours = new Set(index.values());
  const knows = languages.map((_, l) => ours.has(l));
  const detect = (text: string) => eld.detect(text.slice(0, memberCharacters));
  return {
    name: 'eld',
    knows,
    score(text, scores) {
      for (let l = 0; l < scores.length; l += 1) scores[l] = knows[l] === true ? 0 : unknown;
      for (const [name, score] of Object.entries(detect(text).getScores())) {
        const l = index.get(name) ?? -1;
        const bounded = Math.min(score, cap);
        if (l >= 0) scores[l] = bounded / (1 - bounded);
      }
    },
    find(text) {
      const found = detect(text);
      const score = found.getScores()[found.language] ?? 0;
      return { language: found.language === '' ? 'und' : ourName(found.language), score };
    },
  };
}
