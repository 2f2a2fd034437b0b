import type { TextFeatures } from './features.ts';
import type { LanguageModel } from './model-file.ts';
import { scripts } from './scripts.ts';

/** Indices of the languages that are written in each script, [scripts]. */
export function languagesByScript(written: readonly (readonly number[])[]): readonly Int32Array[] {
  return scripts.map((_, script) =>
    Int32Array.from([...written.keys()].filter((l) => written[l]?.includes(script) === true)),
  );
}

/**
 * Writes scores [languages] of a text by the n-grams it has: the sum of theirs times n^-exponent, for the
 * `candidates` alone (the languages that are written in its script).
 */
export function scoreNgrams(
  { table, buckets, languages, step, exponent }: LanguageModel,
  { hashes }: TextFeatures,
  candidates: Int32Array,
  scores: Float64Array,
): void {
  const width = languages.length;
  const mask = buckets - 1;
  scores.fill(0);
  for (let i = 0; i < hashes.length; i += 1) {
    const row = ((hashes[i] as number) & mask) * width;
    for (let j = 0; j < candidates.length; j += 1) {
      const l = candidates[j] as number;
      scores[l] = (scores[l] as number) + (table[row + l] as number);
    }
  }
  const scale = step * hashes.length ** -exponent;
  for (let j = 0; j < candidates.length; j += 1) {
    const l = candidates[j] as number;
    scores[l] = (scores[l] as number) * scale;
  }
}
