import { loadTowers } from './checkpoint.ts';
import { createEmbedder } from './embedder.ts';
import type { Executor } from './executor.ts';

/** A frozen pair of towers: what scores windows, and what the learner's losses are compared with. */
export interface Teacher {
  /** d, the length of its embeddings. */
  readonly dimension: number;
  /** The side of its input images, in pixels. */
  readonly imageSize: number;
  /** exp(t): what similarities are multiplied by. */
  readonly scale: number;
  readonly bias: number;
  /** [count, imageSize, imageSize, 3] in [-1, 1] to unit rows [count, d]. */
  embedImages(images: Float32Array, count: number): Promise<Float32Array>;
  /** Texts to unit rows [count, d]. */
  embedTexts(texts: readonly string[]): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** Loads a teacher from a checkpoint. Throws when the file is missing or isn't a checkpoint of towers. */
export async function loadTeacher(path: string, executor: Executor): Promise<Teacher> {
  const { config, parameters } = await loadTowers(path);
  const embedder = await createEmbedder({ executor, config, parameters, frozen: true });
  return {
    dimension: config.embeddingDim,
    imageSize: config.imageSize,
    scale: Math.exp(parameters.logit_scale_log?.data[0] ?? 0),
    bias: parameters.logit_bias?.data[0] ?? 0,
    embedImages: (images, count) => embedder.embedImages(images, count),
    embedTexts: (texts) => embedder.embedTexts(texts),
    dispose: () => embedder.dispose(),
  };
}
