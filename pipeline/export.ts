import { mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { openShard } from '../schemas/parquet-reader.ts';
import { curatedFacts } from '../stages/read-curated.ts';
import { UsageError } from './errors.ts';
import { writeMds } from './export/mds.ts';
import { writeParquet } from './export/parquet.ts';
import { curatedRows, openExported, selectedRows } from './export/rows.ts';
import { writeWebdataset } from './export/webdataset.ts';
import type { ExportWriter } from './export/writer.ts';
import { resolveFile, resolveShards } from './inputs.ts';
import type { Progress } from './progress.ts';
import { fileFacts, writeJson } from './run-folder.ts';
import { version } from './version.ts';

/** The formats that trainers read. */
export const exportFormats = ['webdataset', 'parquet', 'mds'] as const;

/** What is exported, and how. */
export interface ExportRequest {
  readonly format: (typeof exportFormats)[number];
  /** A curation run's folder. */
  readonly data: string;
  readonly out: string;
  /** A `selections.parquet`: its rows in the order of their steps; all curated rows where absent. */
  readonly selections?: string | undefined;
  /** Rows of a shard, of parquet and WebDataset. */
  readonly shardRows: number;
}

/** What was exported. */
export interface ExportReport {
  readonly format: ExportRequest['format'];
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Exports curated or selected rows for trainers that read files. The folder has its name once all of it is written; the
 * same rows make the same bytes. Throws a {@link UsageError} when the request can't be met.
 */
export async function exportRows(
  request: ExportRequest,
  run: { readonly signal: AbortSignal; readonly progress: Progress },
): Promise<ExportReport> {
  const { format, data, shardRows } = request;
  const out = resolve(request.out);
  await checkEmpty(out);
  const shards = await resolveShards([join(data, 'shards')], '--data', data);
  const selections =
    request.selections === undefined ? null : await resolveFile(request.selections, '--selections', 'export');
  const { rows: total, teacher } = await curatedFacts(shards);
  const source = await openExported(shards, { teacher: teacher !== null });
  const partial = `${out}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const writers: Record<typeof format, () => ExportWriter> = {
    webdataset: () => writeWebdataset(partial, shardRows),
    parquet: () => writeParquet(partial, shardRows, teacher),
    mds: () => writeMds(partial, teacher?.dimension ?? null, selections !== null),
  };
  const writer = writers[format]();
  const task = run.progress.start(`exporting ${format}`, total, 'rows');
  let rows = 0;
  try {
    const batches = selections
      ? selectedRows(source, await groupsOf(shards), selections)
      : curatedRows(source);
    for await (const batch of batches) {
      run.signal.throwIfAborted();
      await writer.write(batch);
      rows += batch.length;
      task.update(rows);
    }
    await writer.close();
    if (rows === 0) throw new UsageError(`--selections: ${request.selections} has no rows`);
    const files = [];
    for (const name of (await readdir(partial)).sort())
      files.push(await fileFacts(join(partial, name), name));
    await writeJson(join(partial, 'manifest.json'), { kind: 'export', version, format, rows, files });
    await mkdir(dirname(out), { recursive: true });
    await rmdir(out).catch(() => {});
    await rename(partial, out);
    return { format, rows, files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
  } catch (error) {
    await writer.abort().catch(() => {});
    await rm(partial, { recursive: true, force: true });
    throw error;
  } finally {
    task.end();
  }
}

async function checkEmpty(out: string): Promise<void> {
  const facts = await stat(out).catch(() => null);
  if (facts === null) return;
  if (!facts.isDirectory()) throw new UsageError(`--out: ${out} is a file, not a folder`);
  if ((await readdir(out)).length > 0) {
    throw new UsageError(`--out: ${out} isn't empty: choose a folder that is, or none yet`);
  }
}

/** The rows of each shard's row groups, those without rows left out as the source does. */
async function groupsOf(shards: readonly string[]) {
  const of: { path: string; groups: number[] }[] = [];
  for (const path of shards) {
    const { rowGroups } = await openShard(path);
    of.push({ path, groups: rowGroups.map(({ rows }) => rows).filter((rows) => rows > 0) });
  }
  return of;
}
