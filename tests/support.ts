import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { batchOf, withColumns } from '../schemas/batches.ts';
import { openParquetWriter } from '../schemas/parquet-writer.ts';
import { provenanceTypes, rowTypes } from '../schemas/rows.ts';
import type { DroppedRow, QuarantinedRow, Stage, StageContext } from '../schemas/stage.ts';

/** A context that remembers what it was handed. */
export function rememberingContext(signal: AbortSignal = new AbortController().signal) {
  const dropped: DroppedRow[] = [];
  const quarantined: QuarantinedRow[] = [];
  const context: StageContext = {
    signal,
    drop: (row) => dropped.push(row),
    quarantine: (row) => quarantined.push(row),
  };
  return { context, dropped, quarantined };
}

/** A new empty folder outside the checkout. */
export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'assay-test-'));

export async function* streamOf<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Runs a stage over batches and gives what it let through. */
export async function runStage(stage: Stage, context: StageContext, ...batches: RecordBatch[]) {
  return collect(stage.run(streamOf(...batches), context));
}

/** One column of all batches, end to end. */
export function valuesOf(batches: readonly RecordBatch[], name: string): unknown[] {
  return batches.flatMap((batch) => [...(batch.getChild(name) ?? [])]);
}

/** A source row, with what a test doesn't care about filled in. */
export interface SourceRow {
  readonly key: string;
  readonly image?: Uint8Array | null;
  readonly altTexts?: readonly string[];
  readonly pageLanguage?: string | null;
}

/** Source rows as a batch, without provenance. */
export function sourceBatch(rows: readonly SourceRow[]): RecordBatch {
  return batchOf({
    key: { type: rowTypes.key, values: rows.map(({ key }) => key) },
    url: { type: rowTypes.url, values: rows.map(({ key }) => `https://example.org/${key}`) },
    image: {
      type: rowTypes.image,
      values: rows.map(({ key, image }) =>
        image === null ? null : { bytes: image ?? new Uint8Array(), path: key },
      ),
    },
    alt_texts: { type: rowTypes.alt_texts, values: rows.map(({ altTexts }) => altTexts ?? ['a text']) },
    page_title: { type: rowTypes.page_title, values: rows.map(() => 'a title') },
    page_language: { type: rowTypes.page_language, values: rows.map((row) => row.pageLanguage ?? null) },
    width: { type: rowTypes.width, values: rows.map(() => 1) },
    height: { type: rowTypes.height, values: rows.map(() => 1) },
  });
}

/** Source rows as a stage meets them: read from row group 0 of a shard. */
export function readBatch(rows: readonly SourceRow[], shard = 'a.parquet'): RecordBatch {
  const source = sourceBatch(rows);
  return withColumns(source, {
    shard: { type: provenanceTypes.shard, values: rows.map(() => shard) },
    row_group: { type: provenanceTypes.row_group, values: rows.map(() => 0) },
    row: { type: provenanceTypes.row, values: rows.map((_, i) => i) },
  });
}

/** Writes source rows as a shard. */
export async function writeSource(path: string, rows: readonly SourceRow[], rowGroupBytes?: number) {
  const writer = await openParquetWriter(path, rowGroupBytes ? { rowGroupBytes } : {});
  await writer.write(sourceBatch(rows));
  await writer.close();
}
