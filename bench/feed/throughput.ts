import { join } from 'node:path';
import {
  type DuckDBBlobVector,
  DuckDBInstance,
  type DuckDBListVector,
  type DuckDBVarCharVector,
} from '@duckdb/node-api';
import type { Table } from 'apache-arrow';
import type { Feed } from '../../docs/clients/assay-client.mjs';
import { columnData } from '../../schemas/batches.ts';
import { round, withFeed, writePool } from './pool.ts';

/** Super-batches that the pool makes. */
const stepsOfPool = 4;
/** Super-batches that are formed before anybody asks. */
const ahead = 2;
/** Bytes of an image: a JPEG of 256 pixels has about as many. */
const imageBytes = 30_000;

/** Rows a second of a feed over those of DuckDB, of a pool of `rows` with embeddings of `dimension` numbers. */
export async function throughputFigures(
  folder: string,
  rows: number,
  dimension: number,
): Promise<Record<string, number>> {
  await writePool(folder, rows, imageBytes, dimension);
  const superBatch = Math.max(4, Math.floor(rows / stepsOfPool));
  const [repeats, passes] = rows < 1000 ? [1, 1] : [5, 4];
  const recipe = {
    distill: {
      superBatch,
      batch: 1,
      method: 'uniform',
      english: 1,
      shuffleRows: superBatch,
      training: { steps: stepsOfPool * (repeats + 1 + passes) },
    },
    feed: { ahead },
  };
  const path = join(folder, 'shards', '00000.parquet');
  return withFeed(folder, recipe, async (feed) => {
    const seconds: Record<'feed' | 'duckdb', number[]> = { feed: [], duckdb: [] };
    let [step, bytes] = [0, 0];
    for (let turn = -1; turn < repeats; turn += 1) {
      const started = performance.now();
      bytes = await takeSteps(feed, step, stepsOfPool);
      step += stepsOfPool;
      const middle = performance.now();
      await readByDuckdb(path);
      if (turn < 0) continue;
      seconds.feed.push((middle - started) / 1000);
      seconds.duckdb.push((performance.now() - middle) / 1000);
    }
    const [ours, theirs] = [median(seconds.feed), median(seconds.duckdb)];
    const served = superBatch * stepsOfPool;
    return {
      rows,
      superBatch,
      batchesPerSecond: round(stepsOfPool / ours),
      megabytesPerSecond: round(bytes / 1e6 / ours),
      rowsPerSecond: Math.round(served / ours),
      rowsPerSecondDuckdb: Math.round(rows / theirs),
      throughputRatio: round(served / ours / (rows / theirs)),
      throughputRatioSustained: await sustainedRatio(feed, step, passes, path),
    };
  });
}

/**
 * The same of several passes over the pool at a stretch, each side's while the other rests: what was formed ahead weighs
 * little, and isn't formed in DuckDB's turn.
 */
async function sustainedRatio(feed: Feed, step: number, passes: number, path: string): Promise<number> {
  await formed(feed, step);
  const started = performance.now();
  await takeSteps(feed, step, passes * stepsOfPool);
  const ours = performance.now() - started;
  await formed(feed, step + passes * stepsOfPool);
  const restarted = performance.now();
  for (let pass = 0; pass < passes; pass += 1) await readByDuckdb(path);
  return round((performance.now() - restarted) / ours);
}

/** Waits until the feed has formed all that it forms ahead of a step. */
async function formed(feed: Feed, step: number): Promise<void> {
  for (;;) {
    const { held, steps } = (await feed.status()) as { held: number[]; steps: number };
    if (held.includes(Math.min(step - 1 + ahead, steps - 1))) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Takes super-batches from a step on, and gives the bytes of all values of theirs. As a trainer that fetches ahead: the
 * next one is on its way while one is taken and selected from.
 */
async function takeSteps(feed: Feed, first: number, count: number): Promise<number> {
  let bytes = 0;
  let next = feed.superBatch(first);
  for (let step = first; step < first + count; step += 1) {
    const table = await next;
    if (step + 1 < first + count) next = feed.superBatch(step + 1);
    bytes += bytesOf(table);
    await feed.batch(step, { image: 'none', teacher: 0 });
  }
  return bytes;
}

/** Takes every value of a super-batch, and gives their bytes. */
function bytesOf(table: Table): number {
  let bytes = 0;
  for (const name of ['key', 'language', 'text']) {
    for (const text of table.getChild(name) ?? []) bytes += (text as string).length;
  }
  for (const image of table.getChild('image') ?? []) bytes += (image as Uint8Array).length;
  for (const batch of table.batches) {
    for (const name of ['teacher_image', 'teacher_text']) {
      bytes += columnData(batch, name).children[0]?.values.byteLength ?? 0;
    }
  }
  return bytes;
}

/**
 * Takes every value of the same columns out of DuckDB: texts as strings, images as bytes, and embeddings as it has them, in
 * single precision.
 */
async function readByDuckdb(path: string): Promise<number> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  let [rows, bytes] = [0, 0];
  const result = await connection.stream(
    `SELECT key, language, text, image.bytes, teacher_image, teacher_text FROM read_parquet('${path}')`,
  );
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) break;
    const texts = [0, 1, 2].map((i) => chunk.getColumnVector(i) as DuckDBVarCharVector);
    const images = chunk.getColumnVector(3) as DuckDBBlobVector;
    const embeddings = [4, 5].map((i) => chunk.getColumnVector(i) as DuckDBListVector);
    for (let row = 0; row < chunk.rowCount; row += 1, rows += 1) {
      for (const column of texts) bytes += column.getItem(row)?.length ?? 0;
      bytes += images.getItem(row)?.bytes.length ?? 0;
      for (const column of embeddings) bytes += 4 * (column.getItemVector(row)?.itemCount ?? 0);
    }
  }
  connection.closeSync();
  instance.closeSync();
  if (bytes === 0) throw new Error(`${path} has no bytes`);
  return rows;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.max(0, middle - 1)], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}
