import { describe, expect, it } from 'vitest';
import { readFeatures } from '../../models/language/features.ts';
import { inherited, noScript, scriptOf, scripts } from '../../models/language/scripts.ts';

const features = (text: string) => [...readFeatures(text).hashes].sort();
const scriptName = (text: string) => scripts[readFeatures(text).script];

describe('scriptOf', () => {
  it.each([
    ['a', 'Latin'],
    ['ж', 'Cyrillic'],
    ['か', 'Kana'],
    ['カ', 'Kana'],
    ['ー', 'Kana'],
    ['猫', 'Han'],
    ['𠀀', 'Han'],
    ['고', 'Hangul'],
    ['ᏣᎳᎩ', 'Cherokee'],
    ['𐐀', 'Other'],
  ])('knows %s as %s', (letter, script) => {
    expect(scripts[scriptOf(letter.codePointAt(0) ?? 0)]).toBe(script);
  });

  it.each([['1'], ['!'], [' '], ['😀'], ['€']])('gives %j no script', (sign) => {
    expect(scriptOf(sign.codePointAt(0) ?? 0)).toBe(noScript);
  });

  it('lets an accent take the script of its letter', () => expect(scriptOf(0x301)).toBe(inherited));
});

describe('readFeatures', () => {
  it('reads n-grams of 1 to 5 within the marked word, the boundary alone not', () => {
    // " ab ": a, b, " a", "ab", "b ", " ab", "ab ", " ab ".
    expect(readFeatures('ab').hashes).toHaveLength(8);
  });

  it('reads words that are longer than the n-grams whole, too', () => {
    // " catty ": 7 + 6 + 5 + 4 + 3 n-grams of 1 to 5, less two boundaries alone, and the word.
    expect(readFeatures('catty').hashes).toHaveLength(24);
    expect(readFeatures('cat').hashes).toHaveLength(13);
  });

  it('counts the letters', () => expect(readFeatures('two 2 cats!').letters).toBe(7));

  it('tells the beginning of a word from its end', () => {
    expect(features('ab')).not.toEqual(features('ba'));
    expect(new Set([...features('cat'), ...features('act')]).size).toBeGreaterThan(features('cat').length);
  });

  it('does not see case, composition, digits or signs', () => {
    expect(features('CAFE\u0301 12, noir!')).toEqual(features('caf\u00E9 noir'));
  });

  it('has words follow one another without an n-gram across them', () => {
    expect(features('ab cd')).toEqual([...features('ab'), ...features('cd')].sort());
  });

  it.each([
    ['新しい iPhone ケース', 'Kana'],
    ['苹果 Samsung Galaxy 手机壳', 'Han'],
    ['black cat 猫', 'Latin'],
    ['чёрный кот', 'Cyrillic'],
    ['काली बिल्ली', 'Devanagari'],
  ])('finds the script of %j', (text, script) => expect(scriptName(text)).toBe(script));

  it("passes over another script's words", () => {
    expect(features('苹果 phone 手机壳')).toEqual(features('苹果 手机壳'));
    expect(features('新しい phone 猫')).toEqual(features('新しい 猫'));
  });

  it('reads the Chinese characters of a Japanese text', () => {
    expect(features('新しい 猫')).not.toEqual(features('新しい'));
  });

  it('does not glue the selector of an emoji to the word after it', () => {
    expect(features('❤\uFE0Fcat')).toEqual(features('cat'));
  });

  it.each([[''], ['12 + 3'], ['😀😀']])('finds no script in %j', (text) => {
    expect(readFeatures(text)).toEqual({ script: -1, letters: 0, hashes: new Uint32Array(0) });
  });

  it('reads no more of a megabyte than of its beginning', () => {
    expect(readFeatures('katze '.repeat(200_000)).hashes.length).toBeLessThan(25_000);
  });
});
