/**
 * A trainer in a process of its own, as people have one elsewhere: it knows a feed's address and nothing else of the
 * project's runs. Its state is written every few steps, and it goes on from there. Prints each step it has taken.
 */
import type { Table } from 'apache-arrow';
import { Feed } from '../../docs/clients/assay-client.mjs';
import { createEmbedder } from '../../models/embedder.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { normalizePixels } from '../../models/pixels.ts';
import { initializeParameters, towersConfigSchema } from '../../models/towers.ts';
import { createTrainer } from '../../models/trainer.ts';
import { loadTrainingState, saveTrainingState } from '../../models/training-state.ts';
import { trainingOptionsSchema } from '../../pipeline/distill/options.ts';
import { inputsOf } from '../../pipeline/distill/train-learner.ts';
import { createRandom } from '../../schemas/random.ts';

const [url = '', path = '', stepsText = '0', savedEvery = '4'] = process.argv.slice(2);
const steps = Number(stepsText);
const config = towersConfigSchema.parse({
  imageSize: 8,
  patchSize: 4,
  width: 12,
  depth: 1,
  heads: 3,
  mlpRatio: 2,
  embeddingDim: 8,
  textWidth: 8,
  textDepth: 1,
  textHeads: 2,
  textTokens: 16,
});
const training = trainingOptionsSchema.parse({ steps, learningRate: 0.003, warmup: 2 });
const identity = { trainer: 'of a test' };
const images = { image: 'pixels', side: config.imageSize, teacher: 0 } as const;

function pairsOf(table: Table) {
  const size = config.imageSize ** 2 * 3;
  const pixels = new Uint8Array(table.numRows * size);
  let at = 0;
  for (const batch of table.batches) {
    const values = batch.getChild('pixels')?.data[0]?.children[0]?.values as Uint8Array;
    pixels.set(values.subarray(0, batch.numRows * size), at);
    at += batch.numRows * size;
  }
  const texts = [...(table.getChild('text') ?? [])] as string[];
  const none = new Float32Array();
  return { keys: texts, languages: texts, texts, pixels, teacherImages: none, teacherTexts: none };
}

const feed = new Feed(url);
const executor = createOnnxExecutor({ threads: 1 });
const kept = await loadTrainingState(path, config, identity);
const parameters = kept?.parameters ?? initializeParameters(config, createRandom('learner'), training);
const trainer = await createTrainer({
  executor,
  config,
  parameters,
  optimizer: training,
  batch: 8,
  textTokens: config.textTokens,
  moments: kept?.moments,
});
const embedder = await createEmbedder({ executor, config, parameters, frozen: false, batch: 8 });
for (let step = kept?.moments.step ?? 0; step < steps; step += 1) {
  const candidates = pairsOf(await feed.superBatch(step, images));
  await embedder.update(trainer.weights());
  const selected = await feed.select(step, {
    images: await embedder.embedImages(normalizePixels(candidates.pixels), candidates.keys.length),
    texts: await embedder.embedTexts(candidates.texts),
    dimension: config.embeddingDim,
    ...trainer.logits(),
  });
  const indices = [...(selected.getChild('index') ?? [])] as number[];
  const { loss } = await trainer.step({
    ...inputsOf(candidates, indices, config),
    learningRate: training.learningRate,
  });
  if ((step + 1) % Number(savedEvery) === 0 || step + 1 === steps) {
    const state = { parameters: await trainer.parameters(), moments: await trainer.moments() };
    await saveTrainingState(path, config, state, identity);
  }
  process.stdout.write(`${step} ${loss}\n`);
}
