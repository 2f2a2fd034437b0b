import { describe, expect, it } from 'vitest';
import { mostAnnotatedLanguages } from '../../pipeline/train-language/corpus.ts';
import { languages } from '../../schemas/languages.ts';

describe('the 109 languages', () => {
  it('are those that CLDR annotates most, so that the mix, the identifier and the data agree', () => {
    expect([...languages].sort()).toEqual([...mostAnnotatedLanguages(109)].sort());
    expect(new Set(languages).size).toBe(109);
  });
});
