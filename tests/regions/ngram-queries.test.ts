import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ngramOptionsSchema, ngramQueries } from '../../stages/regions/ngram-queries.ts';

const defaults = ngramOptionsSchema.parse({});
const words = (count: number, name: string) =>
  Array.from({ length: count }, (_, i) => `${name}${i}x`).join(' ');

describe('ngramQueries', () => {
  it('takes the n-grams of each start word in turn', () => {
    expect(ngramQueries(['Red fox jumps'], 'en', defaults)).toEqual([
      'red',
      'red fox',
      'red fox jumps',
      'fox',
      'fox jumps',
      'jumps',
    ]);
  });

  it('takes at most maxWords words', () => {
    expect(ngramQueries(['red fox jumps'], 'en', { ...defaults, maxWords: 2 })).toEqual([
      'red',
      'red fox',
      'fox',
      'fox jumps',
      'jumps',
    ]);
    const longest = Math.max(
      ...ngramQueries([words(40, 'w')], 'en', defaults).map((query) => query.split(' ').length),
    );
    expect(longest).toBe(10);
  });

  it('ends an n-gram at punctuation', () => {
    expect(ngramQueries(['fox, dog. (cat)'], 'en', defaults)).toEqual(['fox', 'dog', 'cat']);
  });

  it('keeps hyphens, apostrophes and decimal points of words', () => {
    expect(ngramQueries(["fox's t-shirt"], 'en', defaults)).toEqual(["fox's", "fox's t-shirt", 't-shirt']);
    expect(ngramQueries(['3.5 ton'], 'en', defaults)).toEqual(['3.5 ton', 'ton']);
  });

  it('leaves out generic words of captions, joining what stood around them', () => {
    expect(ngramQueries(['Stock photo: fox image dog'], 'en', defaults)).toEqual(['fox', 'fox dog', 'dog']);
    expect(ngramQueries(['Foto Hund'], 'de', defaults)).toEqual(['hund']);
  });

  it('leaves out n-grams of stop words and numbers alone, not those that have one', () => {
    expect(ngramQueries(['on the sofa 2020'], 'en', defaults)).toEqual([
      'on the sofa',
      'on the sofa 2020',
      'the sofa',
      'the sofa 2020',
      'sofa',
      'sofa 2020',
    ]);
    expect(ngramQueries(['with you', '1 2 3', '!!'], 'en', defaults)).toEqual([]);
  });

  it('knows the stop words of the language', () => {
    expect(ngramQueries(['die Katze'], 'de', defaults)).toEqual(['die katze', 'katze']);
    expect(ngramQueries(['die Katze'], 'en', defaults)).toContain('die');
    expect(ngramQueries(['the cat'], 'und', defaults)).toEqual(['the cat', 'cat']);
    expect(ngramQueries(['the cat'], 'en-GB', defaults)).toEqual(['the cat', 'cat']);
  });

  it('gives each query once, in the order of its first occurrence', () => {
    expect(ngramQueries(['fox', 'dog fox', 'fox'], 'en', defaults)).toEqual(['fox', 'dog', 'dog fox']);
  });

  it.each([
    ['zh', '黑猫在沙发上睡觉的图片', ['猫', '黑猫', '沙发', '在沙发上睡觉'], ['的', '图片', '上']],
    ['ja', 'ソファで寝ている黒い猫の写真', ['ソファ', '黒い猫', '猫'], ['の', '写真', 'で']],
    ['th', 'แมวดำนอนบนโซฟา', ['แมว', 'แมวดำ', 'โซฟา'], ['บน', 'แมวดำนอนบนโซฟ']],
    ['km', 'ខ្មែរអង្គរវត្ត', ['ខ្មែរ', 'អង្គរវត្ត'], []],
    ['ar', 'صورة قطة سوداء على الأريكة', ['قطة', 'قطة سوداء', 'الأريكة'], ['صورة', 'على']],
    ['hi', 'काली बिल्ली की तस्वीर', ['काली', 'काली बिल्ली', 'बिल्ली'], ['की', 'तस्वीर']],
  ])('finds words in %s', (language, text, present, absent) => {
    const queries = ngramQueries([text], language, defaults);
    expect(queries).toEqual(expect.arrayContaining(present));
    for (const query of absent) expect(queries).not.toContain(query);
    if (language !== 'ar' && language !== 'hi') expect(queries.join('')).not.toContain(' ');
  });

  it('goes by the script where the language says otherwise', () => {
    expect(ngramQueries(['沙发'], 'en', defaults)).toEqual(['沙发']);
    expect(ngramQueries(['沙发睡觉'], 'no language at all', defaults)).toContain('沙发');
  });

  it('keeps the white space of a text of two scripts', () => {
    const queries = ngramQueries(['iPhone 手机'], 'zh', defaults);
    expect(queries).toEqual(['iphone', 'iphone 手机', '手机']);
  });

  it('gives every text a share of the cap', () => {
    const texts = [words(100, 'a'), words(100, 'b'), 'fox'];
    const queries = ngramQueries(texts, 'en', { ...defaults, maxQueries: 21 });
    expect(queries).toHaveLength(21);
    expect(queries.filter((query) => query.startsWith('a'))).toHaveLength(10);
    expect(queries.filter((query) => query.startsWith('b'))).toHaveLength(10);
    expect(queries.at(-1)).toBe('fox');
  });

  it("does not count a text's turn for a query that another has given", () => {
    const queries = ngramQueries(['red fox old dog', 'red fox old cat'], 'en', {
      ...defaults,
      maxQueries: 4,
    });
    expect(queries).toEqual(['red', 'red fox', 'red fox old', 'red fox old cat']);
  });

  it('fills the cap from one text where the others have little', () => {
    expect(ngramQueries(['fox', words(100, 'a')], 'en', defaults)).toHaveLength(300);
  });

  it.each([
    ['different words', words(150_000, 'w')],
    ['one word', 'cat '.repeat(250_000)],
    ['stop words', 'the '.repeat(250_000)],
    ['one endless word', 'a'.repeat(1_000_000)],
    ['Chinese', '猫睡觉'.repeat(330_000)],
    ['dashes', '-'.repeat(1_000_000)],
  ])('is bounded on a megabyte of %s', (_, text) => {
    const queries = ngramQueries([text, 'black fox'], 'en', defaults);
    expect(queries.length).toBeLessThanOrEqual(300);
    expect(queries).toContain('black fox');
    expect(Math.max(...queries.map((query) => query.length))).toBeLessThan(1100);
  });

  it('never gives more than the cap, nor a query twice, nor an upper-case one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 60 })),
        fc.integer({ min: 1, max: 20 }),
        (texts, maxQueries) => {
          const queries = ngramQueries(texts, 'en', { maxWords: 4, maxQueries });
          expect(queries.length).toBeLessThanOrEqual(maxQueries);
          expect(new Set(queries).size).toBe(queries.length);
          for (const query of queries) expect(query).toBe(query.toLowerCase().normalize('NFC').trim());
        },
      ),
    );
  });
});
