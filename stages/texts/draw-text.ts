import { hashUniform } from '../../schemas/random.ts';

/** One of the texts, drawn by the row's key and the seed, whatever the order of rows. Throws when there is none. */
export function drawText(texts: readonly string[], key: string, seed: number | string): string {
  const text = texts[Math.floor(hashUniform(key, seed) * texts.length)];
  if (text === undefined) throw new Error(`row ${key} has no alt-text to draw from`);
  return text;
}
