import { describe, expect, it } from 'vitest';
import { languageFigures } from '../../bench/language-figures.ts';
import { identifierOf } from '../../models/language/identifier.ts';
import { identify, identifyOptionsSchema } from '../../models/language/identify.ts';
import {
  encodeLanguageModel,
  type LanguageModel,
  loadLanguageModel,
} from '../../models/language/model-file.ts';
import {
  type LabelledText,
  mostAnnotatedLanguages,
  partOf,
  readCorpus,
  readShares,
  withoutRepeats,
  wordsOf,
} from '../../pipeline/train-language/corpus.ts';
import { poolOptions } from '../../pipeline/train-language/pool.ts';
import { measuredWords, readShortTexts } from '../../pipeline/train-language/sources.ts';
import { tableOptions } from '../../pipeline/train-language/table.ts';
import { teach } from '../../pipeline/train-language.ts';

const codes = ['de', 'en', 'uk'];
const corpus = readCorpus(codes);
const options = { table: { ...tableOptions, buckets: 2 ** 14 }, pool: { ...poolOptions, epochs: 4 } };
const model = teach(codes, corpus, [], options);
const heldOut = corpus.filter(({ part, kind }) => part === 'measure' && kind === 'name');

function figuresOf(measured: LanguageModel, texts: readonly LabelledText[], minScore = 0.5) {
  const settings = { ...identifyOptionsSchema.parse({}), minScore, shareWeight: 0 };
  return languageFigures(
    texts.map(({ text, language }) => ({ text, language, accepted: new Set([language]) })),
    texts.map(({ text }) => identify(identifierOf(measured, []), [text], null, settings)),
  );
}

describe('the corpus', () => {
  it('holds out one emoji in five or so, with its variants', () => {
    const emoji = Array.from({ length: 1000 }, (_, i) => String.fromCodePoint(0x1f300 + i));
    const held = emoji.filter((one) => partOf(one) !== 'train').length / emoji.length;
    expect(held).toBeGreaterThan(0.15);
    expect(held).toBeLessThan(0.25);
    for (const one of emoji) {
      expect(partOf(`${one}\u{1F3FD}`)).toBe(partOf(`${one}\uFE0F`));
      expect(partOf(`${one}\u200D\u2642\uFE0F`)).toBe(partOf(one));
    }
    expect(partOf('\u{1F469}\u200D\u{1F680}')).toBe(partOf('\u{1F468}\u{1F3FD}\u200D\u{1F680}'));
  });

  it('measures on no flag, whose region training knows by name', () => {
    expect(partOf('🇺🇦')).toBe('train');
    expect(partOf('🏴󠁧󠁢󠁳󠁣󠁴󠁿')).toBe('train');
  });

  it('measures on no text that has the words of one that trains or calibrates its language', () => {
    const seen = new Set<string>();
    for (const { language, text } of corpus) {
      const id = `${language} ${wordsOf(text)}`;
      expect(seen.has(id)).toBe(false);
      seen.add(id);
    }
    expect(new Set(corpus.map(({ part }) => part)).size).toBe(3);
  });

  it('gives a text of several emoji to training, in whatever order they come', () => {
    const text = { language: 'en', kind: 'keyword' } as const;
    const train = { ...text, text: 'black cat', part: 'train' } as const;
    const measure = { ...text, text: 'Cat: black', part: 'measure' } as const;
    expect(withoutRepeats([measure, train])).toEqual([train]);
    expect(withoutRepeats([measure, { ...train, language: 'de' }])).toHaveLength(2);
  });

  it('knows the shares of the web, English first', () => {
    const [de = 0, en = 0, uk = 0] = readShares(codes);
    expect(de + en + uk).toBeCloseTo(1, 4);
    expect(en).toBeGreaterThan(de);
    expect(de).toBeGreaterThan(uk);
  });
});

describe('wordsOf', () => {
  it('sees neither case, signs, order nor which accent it is', () => {
    expect(wordsOf('Pâté, CHAUD!')).toBe(wordsOf('chaud pàtè'));
    expect(wordsOf('cat')).not.toBe(wordsOf('cats'));
    expect(wordsOf('→')).toBe('→');
  });
});

describe('readShortTexts', () => {
  const measured = measuredWords(corpus);
  const texts = readShortTexts(['de', 'uk'], measured);

  it('has short texts of every source but the English one, in both parts', () => {
    expect(new Set(texts.map(({ kind }) => kind))).toEqual(
      new Set(['map', 'message', 'display', 'interval']),
    );
    expect(new Set(texts.map(({ part }) => part))).toEqual(new Set(['train', 'calibrate']));
    expect(texts.length).toBeGreaterThan(10_000);
  });

  it('has none with the words of a text that is measured on', () => {
    expect(measured.size).toBeGreaterThan(1000);
    expect(texts.filter(({ text, language }) => measured.has(`${language}\u0000${wordsOf(text)}`))).toEqual(
      [],
    );
    const { text, language } = texts[0] as LabelledText;
    const without = readShortTexts(['de', 'uk'], new Set([`${language}\u0000${wordsOf(text)}`]));
    expect(without).toHaveLength(readShortTexts(['de', 'uk'], new Set()).length - 1);
  });
});

describe('teach', () => {
  it('teaches languages to a model that finds those of held-out emoji names', () => {
    const figures = figuresOf(model, heldOut);
    expect(figures.texts).toBeGreaterThan(300);
    expect(figures.englishRecall).toBeGreaterThan(0.9);
    expect(figures.englishFalsePositives).toBeLessThan(0.1);
    expect(figures.macroTop1).toBeGreaterThan(0.93);
  });

  it('calibrates: probabilities are near the share of right answers', () => {
    expect(figuresOf(model, heldOut, 0).calibrationError).toBeLessThan(0.06);
    const pools = model.pools.map((pool) => ({ ...pool, weights: [[9, 9, 9, 9, 9, 9]] }));
    const overconfident = figuresOf({ ...model, pools }, heldOut, 0).calibrationError;
    expect(overconfident).toBeGreaterThan(figuresOf(model, heldOut, 0).calibrationError);
  });

  it('gives the same bytes again', () => {
    const again = encodeLanguageModel(teach(codes, corpus, [], options));
    expect(Buffer.from(again).equals(encodeLanguageModel(model))).toBe(true);
  });
});

describe("the program's own model", () => {
  it('knows the languages that have most names, and a pool for each choice of members', async () => {
    const { languages, pools } = await loadLanguageModel();
    expect(languages).toEqual(mostAnnotatedLanguages(109));
    expect(pools.map(({ members }) => members.join())).toEqual(['', 'fasttext', 'eld', 'fasttext,eld']);
  });
});
