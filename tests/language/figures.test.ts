import { describe, expect, it } from 'vitest';
import { languageFigures } from '../../bench/language-figures.ts';

const text = (language: string, ...others: string[]) => ({
  text: '',
  language,
  accepted: new Set([language, ...others]),
});
const found = (language: string, score = 1) => ({ language, score });

describe('languageFigures', () => {
  it('counts English found, and others taken for English', () => {
    const texts = [text('en'), text('en'), text('de'), text('de'), text('fr'), text('fr')];
    const answers = ['en', 'und', 'de', 'en', 'fr', 'und'].map((language) => found(language));
    const figures = languageFigures(texts, answers);
    expect(figures.englishRecall).toBe(0.5);
    expect(figures.englishFalsePositives).toBe(0.25);
    expect(figures.macroTop1).toBeCloseTo((0.5 + 0.5 + 0.5) / 3, 9);
    expect(figures.coverage).toBeCloseTo(4 / 6, 9);
  });

  it('takes any language that has the text for right, and no English text for a false positive', () => {
    const texts = [text('en'), text('de', 'en'), text('fr', 'de'), text('de')];
    const figures = languageFigures(texts, [found('en'), found('en'), found('de'), found('de')]);
    expect(figures.macroTop1).toBe(1);
    expect(figures.englishFalsePositives).toBe(0);
  });

  it('takes precision where nine texts in ten are English', () => {
    // A tenth of English leaks; all of the others are found: 0.1 of genuine against 0.09 of leaked ones.
    const texts = [...Array.from({ length: 10 }, () => text('en')), text('de')];
    const answers = [found('de'), ...Array.from({ length: 9 }, () => found('en')), found('de')];
    expect(languageFigures(texts, answers).nonEnglishPrecision).toBeCloseTo(0.1 / 0.19, 9);
  });

  it('takes the calibration error over the texts that are given a language', () => {
    const texts = [text('en'), text('en'), text('de'), text('de')];
    const answers = [found('en', 0.8), found('de', 0.8), found('de', 1), found('und', 0.2)];
    expect(languageFigures(texts, answers).calibrationError).toBeCloseTo((2 * 0.3) / 3, 9);
  });

  it('is refused when an answer is missing', () => {
    expect(() => languageFigures([text('en')], [])).toThrow('text 0 has no answer');
  });
});
