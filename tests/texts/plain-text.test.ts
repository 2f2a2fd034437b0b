import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanTextsOptionsSchema } from '../../stages/clean-texts.ts';
import { footerMarks, footerPhrases, placeholders } from '../../stages/texts/boilerplate.ts';
import { type JudgeOptions, judgeText } from '../../stages/texts/judge-text.ts';
import { createIsPlain } from '../../stages/texts/plain-text.ts';

const defaults = cleanTextsOptionsSchema.parse({});
const isPlain = (text: string, options: JudgeOptions = defaults) => {
  const bytes = Buffer.from(`..${text}..`);
  return createIsPlain(options)(bytes, 2, bytes.length - 2);
};

/** What texts are made of that are cleaned or filtered, and what they are made of that are not. */
const parts =
  `a |black cat|the |sofa|IMG_2041|DSC|photo |image|Picture |2 of 7|3|1234| |  |.|. |.jpg|.html?w=3|/|//|:|http://|www.|example.com|
@|a@b.de|&amp;|&|<b>|</b>|<|{{ alt }}|\${x}|%title%|[object Object]|javascript:|var x = |=|click here to |to enlarge|free shipping|free |read more|
login|log in|sign up|buy now|image not available|all rights reserved|Alle Rechte vorbehalten|in den Warenkorb|cliquez pour agrandir|
livraison gratuite|clique para ampliar|tutti i diritti riservati|darmowa dostawa|terms of use|powered by|_|-|(|)|(0x|HASH(0x3f)|untitled|logo|
whatsapp image |screen shot |captura de pantalla |é|ß|猫|\u00A0|\u200B|\uFFFD|\u0301|K|very |deadbeef00112233|p|\\t|ABC|!|?|...|'|"`
    .replaceAll('\n', '')
    .split('|');
const texts = fc.array(fc.constantFrom(...parts), { maxLength: 14 }).map((words) => words.join(''));

describe('createIsPlain', () => {
  it('never takes a text for plain that cleaning changes or a filter has anything against', () => {
    fc.assert(
      fc.property(
        texts,
        fc.record({
          minCharacters: fc.constantFrom(1, 2, 8),
          maxCharacters: fc.constantFrom(10, 40, 1000),
          minWords: fc.constantFrom(1, 3),
          maxRepetition: fc.constantFrom(0, 0.3, 0.65, 1),
          boilerplate: fc.constantFrom([], ['Black cat', 'the sofa']),
        }),
        (text, options) => {
          const given = { ...defaults, ...options };
          if (isPlain(text, given)) expect(judgeText(text, given)).toEqual({ text });
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('takes captions of a page for plain', () => {
    const captions = [
      'A black cat, asleep on a sofa',
      "St. Mary's church: the nave (1904)",
      'Two men and/or a dog',
      'black cat',
      'The band of the year 2016 - live in Rome',
    ];
    expect(captions.filter((caption) => !isPlain(caption))).toEqual([]);
  });

  it.each([...placeholders].filter((word) => /^[ -~]+$/u.test(word)))(
    'knows %j for a placeholder',
    (word) => {
      expect(isPlain(word)).toBe(false);
      expect(isPlain(`${word} 2 of 7`)).toBe(false);
    },
  );

  it('remembers nothing of the text before', () => {
    const one = createIsPlain(defaults);
    const bytes = Buffer.from('a black cat that is asleep on the old sofa');
    expect([one(bytes, 0, bytes.length), one(bytes, 0, bytes.length)]).toEqual([true, true]);
  });
});

describe('footerMarks', () => {
  const phrases =
    `all rights reserved|all right reserved|click here to enlarge|tap on the image for a larger view|hover image to zoom
touch to view|roll over photo to zoom|click image|click to zoom|click for larger|free shipping|free worldwide delivery|free returns
add to cart|add to basket|add to bag|add to wishlist|buy now|shop now|order now|view larger image|read more|learn more|sign up|login|log in
subscribe now|powered by|terms of use|terms and conditions|privacy policy|cookie policy|image not available|photo unavailable
picture coming soon|image could not be loaded|skip to content|skip to main content|this image has an empty alt attribute|its file name is
alle rechte vorbehalten|kostenloser versand|in den warenkorb|cliquez pour agrandir|livraison gratuite|ajouter au panier
todos los derechos reservados|haga clic para ampliar|hag cli para ampliar|todos os direitos reservados|clique para ampliar
tutti i diritti riservati|spedizione gratuita|alle rechten voorbehouden|gratis verzending|darmowa dostawa`.split(
      /[|\n]/u,
    );

  it.each(phrases)('has a part of %j', (phrase) => {
    expect(footerPhrases.test(phrase)).toBe(true);
    expect(footerMarks.filter((mark) => phrase.includes(mark))).not.toEqual([]);
  });

  it('has four ASCII characters each', () => {
    expect(footerMarks.filter((mark) => !/^[ -~]{4}$/u.test(mark))).toEqual([]);
  });
});
