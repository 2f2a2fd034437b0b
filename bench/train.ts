import { tokenize } from '../models/byte-tokenizer.ts';
import { createEmbedder } from '../models/embedder.ts';
import type { Executor } from '../models/executor.ts';
import { initializeParameters, towersConfigSchema } from '../models/towers.ts';
import { createTrainer } from '../models/trainer.ts';
import { createRandom } from '../schemas/random.ts';

/** Runs before the clock starts: the first ones also lay out ONNX Runtime's memory. */
const warmUps = 3;

/**
 * Measures a training step (forward, backward, Adam) and the image tower's forward pass, in images a second, for
 * about `seconds` each: 64 x 64 pixels, patch 8, width 128, 4 heads, 4 layers, with a text tower of one layer at 16
 * tokens, in batches of 64 unless told. The median run counts, so that a busy moment of the machine does not.
 */
export async function benchTrain({
  seconds,
  executor,
  batch = 64,
}: {
  readonly seconds: number;
  readonly executor: Executor;
  readonly batch?: number;
}): Promise<Record<string, number | string>> {
  const config = towersConfigSchema.parse({
    imageSize: 64,
    patchSize: 8,
    width: 128,
    depth: 4,
    heads: 4,
    embeddingDim: 128,
    textWidth: 128,
    textDepth: 1,
    textHeads: 4,
  });
  const random = createRandom('bench');
  const parameters = initializeParameters(config, random);
  const images = Float32Array.from({ length: batch * 64 * 64 * 3 }, () => 2 * random.uniform() - 1);
  const tokens = tokenize(
    Array.from({ length: batch }, (_, i) => `image ${i}`),
    16,
  );
  const optimizer = { weightDecay: 1e-4, beta1: 0.9, beta2: 0.95, clipNorm: 1 };
  const started = performance.now();
  const trainer = await createTrainer({ executor, config, parameters, optimizer, batch, textTokens: 16 });
  const compiling = performance.now() - started;
  const step = await medianSeconds(seconds, () => trainer.step({ images, tokens, learningRate: 1e-4 }));
  await trainer.dispose();
  const embedder = await createEmbedder({ executor, config, parameters, batch, frozen: true });
  const forward = await medianSeconds(seconds, () => embedder.embedImages(images, batch));
  await embedder.dispose();
  const stepImagesPerSecond = Math.round(batch / step);
  const forwardImagesPerSecond = Math.round(batch / forward);
  return {
    'training step, images/s': stepImagesPerSecond,
    'forward, images/s': forwardImagesPerSecond,
    'tracing and loading, ms': Math.round(compiling),
    stepImagesPerSecond,
    forwardImagesPerSecond,
    executor: executor.name,
    provider: executor.provider,
  };
}

async function medianSeconds(seconds: number, run: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < warmUps; i += 1) await run();
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  do {
    const started = performance.now();
    await run();
    times.push((performance.now() - started) / 1000);
  } while (performance.now() < end);
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
}
