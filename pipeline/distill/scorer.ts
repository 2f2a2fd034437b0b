import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Embedder } from '../../models/embedder.ts';
import { type HeldTensor, isHeld } from '../../models/executor.ts';
import type { Parameters, TowersConfig } from '../../models/towers.ts';
import type { SuperBatch } from '../../schemas/super-batch.ts';
import { embedSuperBatch, type SuperBatchImages } from './learner-images.ts';

/** A super-batch's embeddings by the learner: unit rows [B, d]. */
export interface LearnerRows {
  readonly images: Float32Array;
  readonly texts: Float32Array;
}

/** The learner as it scores super-batches. */
export interface Scorer {
  /** Embeds a super-batch with these weights, which are read before it returns its promise where they are values. */
  score(superBatch: ScoredParts, weights: Parameters | HeldTensor): Promise<LearnerRows>;
  /** Floating-point operations so far; null where they aren't counted. */
  flops(): number | null;
  dispose(): Promise<void>;
}

/** Scores in this thread, which it blocks. It disposes of the embedder. */
export function createScorer(embedder: Embedder, patchSize: number): Scorer {
  return {
    async score(superBatch, weights) {
      await embedder.update(weights);
      return {
        images: await embedSuperBatch(embedder, superBatch, patchSize),
        texts: await embedder.embedTexts(superBatch.texts),
      };
    },
    flops: () => embedder.flops(),
    dispose: () => embedder.dispose(),
  };
}

/** What the thread of a {@link createThreadedScorer} starts with. */
export interface ScoringThreadData {
  readonly config: TowersConfig;
  readonly parameters: Parameters;
  readonly imagePool: number;
  readonly threads: number;
}

/** What it is asked; null ends it. */
export type ScoringRequest = { readonly superBatch: ScoredParts; readonly parameters: Parameters } | null;

/** What of a super-batch is scored. */
export type ScoredParts = SuperBatchImages & Pick<SuperBatch, 'texts'>;

/** What it answers. */
export type ScoringAnswer =
  | { readonly rows: LearnerRows; readonly flops: number | null }
  | { readonly error: string };

/**
 * Scores in a thread of its own with its own session of ONNX Runtime, whose runs block the thread they are called on:
 * this thread trains meanwhile. One super-batch at a time.
 */
export async function createThreadedScorer(data: ScoringThreadData): Promise<Scorer> {
  const worker = new Worker(new URL('./scoring-thread.js', import.meta.url), { workerData: data });
  let flops: number | null = 0;
  const failed = new Promise<never>((_, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the scoring thread ended with ${code}`)));
  });
  failed.catch(() => {});
  await Promise.race([once(worker, 'message'), failed]);
  let inHand: Promise<unknown> = Promise.resolve();
  return {
    async score({ pixels, texts, keys, ...rest }, parameters) {
      if (isHeld(parameters))
        throw new Error('a thread takes weights as values, not as what an executor holds');
      const answered = Promise.race([once(worker, 'message'), failed]);
      inHand = answered.catch(() => {});
      const { sizes, sequenceLength } = rest;
      const patches = sizes && sequenceLength ? { sizes, sequenceLength } : {};
      const request: ScoringRequest = { superBatch: { pixels, texts, keys, ...patches }, parameters };
      worker.postMessage(request);
      const [answer] = (await answered) as [ScoringAnswer];
      if ('error' in answer) throw new Error(answer.error);
      flops = answer.flops;
      return answer.rows;
    },
    flops: () => flops,
    async dispose() {
      await inHand;
      if (worker.threadId === -1) return;
      const ended = once(worker, 'exit');
      worker.postMessage(null);
      await ended;
    },
  };
}
