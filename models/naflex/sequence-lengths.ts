import { createRandom } from '../../schemas/random.ts';

/** The sequence lengths of SigLIP 2's NaFlex training (arXiv 2502.14786, section 2.4.2). */
export const naflexSequenceLengths = [128, 256, 576, 784, 1024] as const;

/** The sequence length of a mini-batch: uniform among `lengths`, by the seed and the step alone. */
export function drawSequenceLength(lengths: readonly number[], seed: string, step: number): number {
  const drawn = lengths[createRandom(`${seed}:naflex:${step}`).integer(lengths.length)];
  if (drawn === undefined) throw new Error('there is no sequence length to draw from');
  return drawn;
}
