import { Tokenizer } from '@huggingface/tokenizers';

/** Texts to token ids, row-major [texts, length]. */
export type SiglipTokenizer = (texts: readonly string[], length: number) => Int32Array;

/** Which of the two the text tower was trained with. */
export type SiglipVersion = 'siglip' | 'siglip2';

/** What `tokenizer_config.json` says of the tokens that end and fill a text, and of what made them. */
export interface SpecialTokens {
  readonly tokenizer_class?: unknown;
  readonly eos_token?: unknown;
  readonly pad_token?: unknown;
}

const punctuation = /[!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]/g;

/**
 * A text as the tower knows it. SigLIP 2 was trained on texts lower-cased by TensorFlow's `lower`, which lowers ASCII
 * alone: `É` stays. SigLIP's are lower-cased whole and without ASCII's punctuation (big_vision, `canonicalize`), and
 * SentencePiece's mark of a space is one.
 */
export function canonicalText(text: string, version: SiglipVersion): string {
  if (version === 'siglip2') return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return text
    .toLowerCase()
    .replace(punctuation, '')
    .replace(/[\s▁]+/g, ' ')
    .trim();
}

/**
 * Makes a tokenizer of the contents of `tokenizer.json` and `tokenizer_config.json`: no token that begins a text, an end
 * that stays where a text is cut ("sticky"), pads up to the length. Throws when the former isn't a tokenizer's or has
 * no such tokens.
 */
export function createSiglipTokenizer(
  contents: object,
  config: SpecialTokens,
  version: SiglipVersion,
): SiglipTokenizer {
  const known = new Tokenizer(contents, config);
  const names = version === 'siglip2' ? { eos: '<eos>', pad: '<pad>' } : { eos: '</s>', pad: '</s>' };
  const idOf = (given: unknown, name: string) => {
    const token = textOf(given) ?? name;
    const id = known.token_to_id(token);
    if (id === undefined) throw new Error(`it has no token ${token}`);
    return id;
  };
  const end = idOf(config.eos_token, names.eos);
  const pad = idOf(config.pad_token, names.pad);
  const lowers = lowersAll(contents);
  return (texts, length) => {
    const tokens = new Int32Array(texts.length * length).fill(pad);
    texts.forEach((text, row) => {
      const canonical = canonicalText(text, version);
      // JavaScript writes a sigma that ends a word as ς, a tokenizer lower-cases letter by letter.
      const given = lowers && version === 'siglip2' ? canonical.replaceAll('Σ', 'σ') : canonical;
      const { ids } = known.encode(given, { add_special_tokens: false });
      const kept = ids.slice(0, length - 1);
      tokens.set([...kept, end], row * length);
    });
    return tokens;
  };
}

/** Whether a tokenizer lower-cases by itself, as those do that transformers 5 saves for SigLIP 2. */
function lowersAll(contents: object): boolean {
  const { normalizer } = contents as { readonly normalizer?: unknown };
  return JSON.stringify(normalizer ?? null).includes('"Lowercase"');
}

/** A special token is written as its text, or as an object that holds it. */
function textOf(token: unknown): string | null {
  if (typeof token === 'string') return token;
  if (typeof token !== 'object' || token === null || !('content' in token)) return null;
  return typeof token.content === 'string' ? token.content : null;
}
