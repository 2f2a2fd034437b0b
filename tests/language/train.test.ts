import { describe, expect, it } from 'vitest';
import { encodeLanguageModel, loadLanguageModel } from '../../models/language/model-file.ts';
import { measureLanguageModel, teach } from '../../pipeline/train-language.ts';
import {
  mostAnnotatedLanguages,
  partOf,
  readCorpus,
  readShares,
  withoutRepeats,
} from '../../pipeline/train-language-corpus.ts';

const codes = ['de', 'en', 'uk'];
const corpus = readCorpus(codes);
const model = teach(codes, corpus);
const heldOut = corpus.filter(({ part, kind }) => part === 'measure' && kind === 'name');
const undeclared = { wrongDeclarations: null, minScore: 0.5, shareWeight: 0 };

describe('the corpus', () => {
  it('holds out one emoji in five or so, with its skin tones', () => {
    const emoji = Array.from({ length: 1000 }, (_, i) => String.fromCodePoint(0x1f300 + i));
    const held = emoji.filter((one) => partOf(one) !== 'train').length / emoji.length;
    expect(held).toBeGreaterThan(0.15);
    expect(held).toBeLessThan(0.25);
    for (const one of emoji) expect(partOf(`${one}\u{1F3FD}`)).toBe(partOf(`${one}\uFE0F`));
  });

  it('measures on no text that trains or calibrates its language', () => {
    const seen = new Set<string>();
    for (const { language, text } of corpus) {
      const id = `${language} ${text.toLowerCase()}`;
      expect(seen.has(id)).toBe(false);
      seen.add(id);
    }
    expect(new Set(corpus.map(({ part }) => part)).size).toBe(3);
  });

  it('gives a text of several emoji to training, in whatever order they come', () => {
    const text = { language: 'en', kind: 'keyword' } as const;
    const train = { ...text, text: 'cat', part: 'train' } as const;
    const measure = { ...text, text: 'Cat', part: 'measure' } as const;
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

describe('teach', () => {
  it('teaches languages to a model that finds those of held-out emoji names', () => {
    const figures = measureLanguageModel(model, heldOut, undeclared);
    expect(figures.texts).toBeGreaterThan(300);
    expect(figures.englishRecall).toBeGreaterThan(0.9);
    expect(figures.englishFalsePositives).toBeLessThan(0.1);
    expect(figures.macroTop1).toBeGreaterThan(0.9);
  });

  it('gives the same bytes again', () => {
    expect(Buffer.from(encodeLanguageModel(teach(codes, corpus))).equals(encodeLanguageModel(model))).toBe(
      true,
    );
  });
});

describe('measureLanguageModel', () => {
  it('counts what is left und', () => {
    const figures = measureLanguageModel(model, heldOut, { ...undeclared, minScore: 1 });
    expect(figures.undetermined).toBeGreaterThan(0.2);
    expect(figures.macroTop1).toBeLessThan(measureLanguageModel(model, heldOut, undeclared).macroTop1);
  });

  it('finds every text wrong when every declaration is, and believed outright', () => {
    const texts = [{ language: 'de', text: 'xyz', kind: 'name', part: 'measure' }] as const;
    expect(measureLanguageModel(model, texts, { ...undeclared, wrongDeclarations: 0 }).macroTop1).toBe(1);
    expect(measureLanguageModel(model, texts, { ...undeclared, wrongDeclarations: 1 }).macroTop1).toBe(0);
  });
});

describe("the program's own model", () => {
  it('knows the languages that have most names', async () => {
    expect((await loadLanguageModel()).languages).toEqual(mostAnnotatedLanguages(109));
  });
});
