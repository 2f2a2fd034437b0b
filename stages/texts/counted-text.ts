import { hash64, hashBytes64 } from '../../schemas/random.ts';
import { wordsOf } from './measure-text.ts';

/** A text as it is counted over a whole data set: texts that differ in case, signs or numbers only count as one. */
export interface CountedText {
  /** xxHash64 of its form without case, signs and numbers, as a signed integer. */
  readonly hash: bigint;
  readonly words: number;
}

/** The text as it is counted; null when it has neither letters nor numbers. */
export function countedText(text: string): CountedText | null {
  const form = countedForm(text);
  return form === '' ? null : { hash: BigInt.asIntN(64, hash64(form)), words: wordsOf(form).length };
}

/** Compatibility forms composed (NFKC), lower-case, every number 0, all else that is no letter or mark a space. */
export function countedForm(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\p{N}+/gu, '0')
    .replace(/[^\p{L}\p{M}0]+/gu, ' ')
    .trim();
}

const [space, zero] = [0x20, 0x30];
/** What becomes of an ASCII byte: a letter is lower-cased, a digit is 0, all else a space, [128]. */
const counted = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (/[a-z]/iu.test(character)) return code | space;
  return /\d/u.test(character) ? zero : space;
});

let form = new Uint8Array(1024);

/** The text of bytes `from` up to `to` as {@link countedText} counts it, without a string of it where it is ASCII. */
export function countedBytes(bytes: Uint8Array, from: number, to: number): CountedText | null {
  if (form.length < to - from) form = new Uint8Array(2 * (to - from));
  let [length, words, last] = [0, 0, space];
  for (let i = from; i < to; i += 1) {
    const byte = bytes[i] as number;
    if (byte > 0x7f)
      return countedText(Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString());
    const kind = counted[byte] as number;
    // Spaces after a space, and digits after a digit, are one with it.
    if (kind === last && (kind === space || kind === zero)) continue;
    if (last === space) words += 1;
    form[length++] = kind;
    last = kind;
  }
  if (last === space && length > 0) length -= 1;
  return length === 0 ? null : { hash: BigInt.asIntN(64, hashBytes64(form.subarray(0, length))), words };
}
