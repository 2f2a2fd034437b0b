import { Tokenizer } from '@huggingface/tokenizers';

/** Texts as an OWL text tower reads them: row-major [texts, length]. */
export interface TokenizedTexts {
  readonly inputIds: BigInt64Array;
  readonly attentionMask: BigInt64Array;
}

/** Makes token rows of one length from texts; rows past the texts, up to `rows`, are pads alone. */
export type OwlTokenizer = (texts: readonly string[], rows: number, length: number) => TokenizedTexts;

/** OWL's pad, CLIP's first token: a row that starts with it is no query to the model. */
const defaultPad = 0;

/**
 * Makes a tokenizer from the contents of `tokenizer.json` and `tokenizer_config.json`. A text that is too long keeps its
 * first tokens and the last one, which ends it. Throws when the former isn't a tokenizer's.
 */
export function createOwlTokenizer(
  tokenizer: object,
  config: { readonly pad_token?: unknown },
): OwlTokenizer {
  const known = new Tokenizer(tokenizer, config);
  const named = typeof config.pad_token === 'string' ? known.token_to_id(config.pad_token) : undefined;
  const pad = BigInt(named ?? defaultPad);
  return (texts, rows, length) => {
    const inputIds = new BigInt64Array(rows * length).fill(pad);
    const attentionMask = new BigInt64Array(rows * length);
    texts.forEach((text, row) => {
      const { ids }: { readonly ids: readonly number[] } = known.encode(text);
      const kept = ids.length > length ? [...ids.slice(0, length - 1), ids.at(-1) ?? 0] : ids;
      kept.forEach((id, i) => {
        inputIds[row * length + i] = BigInt(id);
        attentionMask[row * length + i] = 1n;
      });
    });
    inputIds.fill(0n, texts.length * length);
    return { inputIds, attentionMask };
  };
}
