const encoder = new TextEncoder();

/** Ids below this are special: 0 the pad, 1 the end of the text, 2 unused. */
const offset = 3;

const endOfText = 1;

/** The number of token ids: 256 bytes and 3 special ones. */
export const byteVocabulary = 256 + offset;

/** The tokens that a text takes before it is cropped: its UTF-8 bytes, lower-cased, and the end. */
export function tokenLength(text: string): number {
  return Buffer.byteLength(text.toLowerCase()) + 1;
}

/**
 * Texts to token ids [B * length], a row a text: lower-cased UTF-8 bytes + 3, then the end (1), then pads (0). A
 * text that is too long keeps its first length - 1 bytes and the end ("sticky" EOS, SigLIP 2's preprocessing).
 */
export function tokenize(texts: readonly string[], length: number): Int32Array {
  if (!Number.isInteger(length) || length < 1)
    throw new Error(`a text needs at least 1 token, not ${length}`);
  const tokens = new Int32Array(texts.length * length);
  for (const [i, text] of texts.entries()) {
    // A character is a byte at least, so what lies beyond `length` characters is cropped anyway.
    const bytes = encoder.encode(text.toLowerCase().slice(0, length)).subarray(0, length - 1);
    const row = i * length;
    for (let k = 0; k < bytes.length; k += 1) tokens[row + k] = (bytes[k] ?? 0) + offset;
    tokens[row + bytes.length] = endOfText;
  }
  return tokens;
}
