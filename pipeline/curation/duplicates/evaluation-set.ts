import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { Int64, Utf8 } from 'apache-arrow';
import PQueue from 'p-queue';
import { batchOf } from '../../../schemas/batches.ts';
import { type OpenShard, openShard } from '../../../schemas/parquet-reader.ts';
import { openParquetWriter } from '../../../schemas/parquet-writer.ts';
import { StorageError, throwStorageError } from '../../../schemas/storage/errors.ts';
import { type CheckImagesOptions, checkImagesOptionsSchema } from '../../../stages/check-images.ts';
import type { DecontaminateOptions } from '../../../stages/decontaminate.ts';
import { fingerprintMeasure } from '../../../stages/duplicates/fingerprint-column.ts';
import { judgeImage } from '../../../stages/images/judge-image.ts';
import { contentIdentity } from '../../../stages/read-shards/keys.ts';
import { UsageError } from '../../errors.ts';
import { digestOf } from '../plan/tasks.ts';
import { openFingerprintFile } from './fingerprint-file.ts';

/** Where an evaluation set's columns are, and how its images are decoded. */
export type ReadEvaluationOptions = Pick<DecontaminateOptions, 'key' | 'image'> &
  Pick<CheckImagesOptions, 'concurrency' | 'maxPixels'>;

/** What an evaluation set was found to hold. */
export interface EvaluationSetFacts {
  readonly rows: number;
  /** Rows whose image can't be decoded: those are looked for by their bytes alone. */
  readonly undecodable: number;
}

/**
 * Reads the images of an evaluation set and writes what finds them among the rows: their facts (parquet: id, key,
 * sha256) and fingerprints. Throws a {@link UsageError} when a shard can't be read or lacks its column of images.
 */
export async function readEvaluationSet(
  shards: readonly string[],
  options: ReadEvaluationOptions,
  files: { readonly facts: string; readonly fingerprints: string },
  signal: AbortSignal,
): Promise<EvaluationSetFacts> {
  const facts = await openParquetWriter(files.facts);
  const fingerprints = await openFingerprintFile(files.fingerprints);
  const queue = new PQueue({ concurrency: options.concurrency });
  const { maxPixels } = options;
  // Whatever an evaluation set's image looks like, it is one: labelled images are all kept.
  const check = checkImagesOptionsSchema.parse({ mode: 'label', maxPixels });
  let [rows, undecodable] = [0, 0];
  try {
    await facts.write(factsBatch(0, [], []));
    for await (const { keys, images } of evaluationRows(shards, options)) {
      signal.throwIfAborted();
      const verdicts = await queue.addAll(
        images.map((bytes) => () => judgeImage(bytes, check, [fingerprintMeasure])),
      );
      await facts.write(factsBatch(rows, keys, images));
      await fingerprints.write(
        rows,
        verdicts.map((verdict) => (verdict.kind === 'keep' ? measuredOf(verdict.measured) : null)),
      );
      rows += images.length;
      undecodable += verdicts.filter(({ kind }) => kind !== 'keep').length;
    }
    await facts.close();
    await fingerprints.close();
  } catch (error) {
    await facts.abort();
    await fingerprints.abort();
    throw error;
  }
  return { rows, undecodable };
}

/** What an evaluation set is known by: what its recipe says of it, and what is in its shards, in any order. */
export async function evaluationIdentity(
  recipe: DecontaminateOptions | undefined,
  shards: readonly string[],
): Promise<string> {
  const contents = (await Promise.all(shards.map(contentIdentity))).sort();
  return digestOf([JSON.stringify(recipe), ...contents]);
}

function measuredOf(measured: readonly unknown[] = []): Uint8Array | null {
  return measured[0] instanceof Uint8Array ? measured[0] : null;
}

function factsBatch(first: number, keys: readonly string[], images: readonly Uint8Array[]) {
  return batchOf({
    id: { type: new Int64(), values: keys.map((_, i) => BigInt(first + i)) },
    key: { type: new Utf8(), values: keys },
    sha256: {
      type: new Utf8(),
      values: images.map((bytes) => createHash('sha256').update(bytes).digest('hex')),
    },
  });
}

async function* evaluationRows(
  shards: readonly string[],
  columns: Pick<DecontaminateOptions, 'key' | 'image'>,
): AsyncGenerator<{ keys: string[]; images: Uint8Array[] }> {
  for (const path of shards) {
    const refuse = (why: string) => new UsageError(`decontaminate.shards: ${path}: ${why}`);
    const shard = await openShard(path).catch((error: Error) => {
      if (!(error instanceof StorageError) || error.problem === 'missing') {
        throw refuse(`cannot be read: ${error.message}`);
      }
      throw error;
    });
    if (!shard.columns.includes(columns.image)) {
      throw refuse(`no column ${columns.image} for decontaminate.image: it has ${shard.columns.join(', ')}`);
    }
    for (const { index } of shard.rowGroups) {
      yield await readEvaluationRows(shard, index, columns).catch((error: Error) => {
        throwStorageError(error);
        throw refuse(`row group ${index} cannot be read: ${error.message}`);
      });
    }
  }
}

async function readEvaluationRows(
  shard: OpenShard,
  rowGroup: number,
  { key, image }: Pick<DecontaminateOptions, 'key' | 'image'>,
) {
  const wanted = [key, image].filter((name) => shard.columns.includes(name));
  const values = await shard.readRowGroup(rowGroup, wanted);
  const images = Array.from(values[image] ?? [], bytesOf);
  const keys = images.map((_, row) => {
    const name = values[key]?.[row];
    return name === undefined || name === null ? `${basename(shard.path)}:${rowGroup}:${row}` : String(name);
  });
  return { keys, images };
}

/** The bytes of an image column's value, bare or in a struct; none where it has none. */
function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const bytes = (value as { bytes?: unknown } | null | undefined)?.bytes;
  return bytes instanceof Uint8Array ? bytes : new Uint8Array();
}
