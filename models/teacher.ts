import { stat } from 'node:fs/promises';
import PQueue from 'p-queue';
import type { Executor } from './executor.ts';
import { decodeRgb } from './images.ts';
import { normalizePixels } from './pixels.ts';
import type { OpenOptions } from './siglip/open-towers.ts';

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
  /**
   * Encoded images to unit rows [count, d], prepared as the model was trained: its own resize, their own shapes where it
   * takes any. Without it images are decoded to squares for `embedImages`. Throws on one that doesn't decode.
   */
  embedEncoded?(images: readonly Uint8Array[], limits: DecodingLimits): Promise<Float32Array>;
  /** Texts to unit rows [count, d]. */
  embedTexts(texts: readonly string[]): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** Bounds of decoding. */
export interface DecodingLimits {
  /** Width x height of an image at the most. */
  readonly maxPixels: number;
  /** Images decoded at a time. */
  readonly concurrency: number;
}

/** Embeds encoded images with a teacher, as it wants them: unit rows [count, d]. Throws on one that doesn't decode. */
export async function embedEncoded(
  teacher: Pick<Teacher, 'imageSize' | 'embedImages' | 'embedEncoded'>,
  images: readonly Uint8Array[],
  limits: DecodingLimits,
): Promise<Float32Array> {
  if (teacher.embedEncoded) return teacher.embedEncoded(images, limits);
  const side = teacher.imageSize;
  const input = new Float32Array(images.length * side * side * 3);
  const queue = new PQueue({ concurrency: limits.concurrency });
  await queue.addAll(
    images.map((bytes, i) => async () => {
      const pixels = await decodeRgb(bytes, { width: side, height: side }, limits.maxPixels);
      input.set(normalizePixels(pixels), i * side * side * 3);
    }),
  );
  return teacher.embedImages(input, images.length);
}

/** What a folder of ONNX towers is opened with. */
export type TeacherOptions = Pick<OpenOptions, 'precision' | 'threads' | 'batch' | 'logits'>;

/**
 * Loads a teacher from a checkpoint: a safetensors file of our own towers, or a folder of ONNX towers (SigLIP, SigLIP 2,
 * or an exported learner), which `options` are for. Throws when it is missing, isn't a checkpoint of towers, or the
 * executor can't run it.
 */
export async function loadTeacher(
  path: string,
  executor: Executor,
  options: TeacherOptions = {},
): Promise<Teacher> {
  if ((await stat(path).catch(() => null))?.isDirectory()) {
    if (executor.name !== 'onnx') {
      throw new Error(`${path}: a folder of ONNX models needs the executor onnx, not ${executor.name}`);
    }
    const { openTowers } = await import('./siglip/open-towers.ts');
    return openTowers(path, { ...options, provider: executor.provider });
  }
  // What our own towers are made with takes its time to import: who only passes teachers on goes without.
  const [{ loadTowers }, { createEmbedder }] = await Promise.all([
    import('./checkpoint.ts'),
    import('./embedder.ts'),
  ]);
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
