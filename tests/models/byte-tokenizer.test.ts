import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteVocabulary, tokenize, tokenLength } from '../../models/byte-tokenizer.ts';

describe('tokenize', () => {
  it('shifts bytes by 3, ends with 1 and pads with 0', () => {
    expect([...tokenize(['ab'], 5)]).toEqual([97 + 3, 98 + 3, 1, 0, 0]);
  });

  it('lower-cases beyond ASCII', () => {
    expect(tokenize(['ÄЖΩ'], 10)).toEqual(tokenize(['äжω'], 10));
  });

  it('keeps the first length - 1 bytes and the end of a long text', () => {
    expect([...tokenize(['abcdef'], 4)]).toEqual([100, 101, 102, 1]);
  });

  it('crops inside a character to its first bytes', () => {
    const [first = 0] = new TextEncoder().encode('é');
    expect([...tokenize(['aé'], 3)]).toEqual([100, first + 3, 1]);
  });

  it('lays texts out in rows', () => {
    expect([...tokenize(['a', '', 'b'], 2)]).toEqual([100, 1, 1, 0, 101, 1]);
  });

  it('agrees with cropping the whole encoding, for any text and length', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 40 }), (text, length) => {
        const bytes = new TextEncoder().encode(text.toLowerCase());
        const kept = [...bytes.subarray(0, length - 1)].map((byte) => byte + 3);
        const expected = [...kept, 1, ...new Array<number>(length).fill(0)].slice(0, length);
        expect([...tokenize([text], length)]).toEqual(expected);
        expect(tokenLength(text)).toBe(bytes.length + 1);
      }),
    );
  });

  it('keeps ids within the vocabulary', () => {
    const ids = tokenize([String.fromCodePoint(0x10ffff), '\ud800', 'ÿ'], 8);
    expect(Math.max(...ids)).toBeLessThan(byteVocabulary);
  });

  it('refuses a length that holds nothing', () => {
    expect(() => tokenize(['a'], 0)).toThrow(/at least 1 token/);
  });
});
