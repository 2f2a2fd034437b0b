import { hash64 } from '../../schemas/random.ts';
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
