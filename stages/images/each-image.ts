import type { RecordBatch } from 'apache-arrow';
import type PQueue from 'p-queue';
import { column } from '../../schemas/batches.ts';

/** How images are decoded for trainers. */
export interface DecodingOptions {
  readonly concurrency: number;
  readonly maxPixels: number;
  /** Told of each image that doesn't decode: it goes on as grey. */
  readonly onBroken: (key: string, why: string) => void;
}

/** Goes through a batch's encoded images, some at a time; one that fails is told of. */
export async function eachImage(
  batch: RecordBatch,
  { onBroken }: Pick<DecodingOptions, 'onBroken'>,
  queue: PQueue,
  work: (bytes: Uint8Array, row: number) => Promise<void>,
): Promise<void> {
  const [images, keys] = [column(batch, 'image'), column(batch, 'key')];
  await queue.addAll(
    Array.from({ length: batch.numRows }, (_, row) => async () => {
      try {
        await work(images.get(row) as Uint8Array, row);
      } catch (error) {
        onBroken(
          keys.get(row),
          error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error),
        );
      }
    }),
  );
}
