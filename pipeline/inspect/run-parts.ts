import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { UsageError } from '../errors.ts';
import { parquetFiles } from '../report/queries.ts';

/** The figures of a curation's report that views show. What else it holds is left aside. */
const curationReportSchema = z.looseObject({
  read: z.number(),
  kept: z.number(),
  dropped: z.number(),
  quarantined: z.number(),
  seed: z.number(),
  stages: z.array(z.object({ stage: z.string(), in: z.number(), out: z.number(), seconds: z.number() })),
  languages: z.array(
    z.object({
      language: z.string(),
      seen: z.number(),
      available: z.number(),
      kept: z.number(),
      requestedShare: z.number(),
      realisedShare: z.number(),
    }),
  ),
});

const distillReportSchema = z.looseObject({
  drift: z
    .looseObject({
      counts: z.record(z.string(), z.object({ offered: z.number(), selected: z.number() })),
    })
    .optional(),
});

const manifestSchema = z.looseObject({
  kind: z.enum(['curation', 'distillation']),
  config: z.record(z.string(), z.unknown()),
  data: z.string().optional(),
});

/** A run's recipe as its manifest has it. */
export type RunConfig = Readonly<Record<string, unknown>>;

/** A curation's part of a run. */
export interface CuratedPart {
  readonly folder: string;
  readonly config: RunConfig;
  readonly report: z.infer<typeof curationReportSchema>;
  /** Paths of its files by folder, sorted. */
  readonly files: Readonly<Record<'shards' | 'dropped' | 'quarantine' | 'lineage', readonly string[]>>;
}

/** A distillation's part of a run. */
export interface DistilledPart {
  readonly folder: string;
  readonly config: RunConfig;
  readonly report: z.infer<typeof distillReportSchema>;
  /** Paths of its files; none where there isn't one. */
  readonly files: Readonly<Record<'selections' | 'offers' | 'metrics', readonly string[]>>;
}

/** What a run's folder holds: at least one of the two. */
export interface RunParts {
  readonly folder: string;
  readonly curated: CuratedPart | null;
  readonly distilled: DistilledPart | null;
}

/**
 * Finds what a run's folder holds: a curation, a distillation (with the curated rows that its manifest names, where
 * they are still there), or a demo's folder with both. Throws a {@link UsageError} when it holds no finished run, or
 * one whose manifest or report can't be read.
 */
export async function findRun(folder: string): Promise<RunParts> {
  if (!(await stat(folder).catch(() => null))?.isDirectory())
    throw new UsageError(`${folder}: no such folder`);
  const own = await manifestOf(folder);
  if (own?.kind === 'curation') return { folder, curated: await curatedPart(folder), distilled: null };
  if (own?.kind === 'distillation') {
    return {
      folder,
      curated: own.data === undefined ? null : await curatedPart(resolve(own.data)).catch(() => null),
      distilled: await distilledPart(folder),
    };
  }
  const curated = await curatedPart(join(folder, 'curated'));
  const distilled = await distilledPart(join(folder, 'distilled'));
  if (curated === null && distilled === null) throw new UsageError(await whatIsMissing(folder));
  return { folder, curated, distilled };
}

async function whatIsMissing(folder: string): Promise<string> {
  const names = await readdir(folder);
  return names.includes('work')
    ? `${folder}: the run isn't finished: it has no manifest.json yet`
    : `${folder}: no run: neither manifest.json, nor curated/ or distilled/ with one`;
}

async function manifestOf(folder: string) {
  return readJson(join(folder, 'manifest.json'), manifestSchema);
}

async function curatedPart(folder: string): Promise<CuratedPart | null> {
  const manifest = await manifestOf(folder);
  if (manifest?.kind !== 'curation') return null;
  const report = await readJson(join(folder, 'report.json'), curationReportSchema);
  if (report === null) throw new UsageError(`${folder}: no report.json: the run isn't finished`);
  const files = {
    shards: await parquetFiles(join(folder, 'shards')),
    dropped: await parquetFiles(join(folder, 'dropped')),
    quarantine: await parquetFiles(join(folder, 'quarantine')),
    lineage: await parquetFiles(join(folder, 'lineage')),
  };
  return { folder, config: manifest.config, report, files };
}

async function distilledPart(folder: string): Promise<DistilledPart | null> {
  const manifest = await manifestOf(folder);
  if (manifest?.kind !== 'distillation') return null;
  const report = await readJson(join(folder, 'report.json'), distillReportSchema);
  if (report === null) throw new UsageError(`${folder}: no report.json: the run isn't finished`);
  const files = {
    selections: await fileAt(join(folder, 'selections.parquet')),
    offers: await fileAt(join(folder, 'offers.parquet')),
    metrics: await fileAt(join(folder, 'metrics.jsonl')),
  };
  return { folder, config: manifest.config, report, files };
}

async function fileAt(path: string): Promise<string[]> {
  return (await stat(path).catch(() => null))?.isFile() ? [path] : [];
}

/** A JSON file of the shape; null when it isn't there. Throws a {@link UsageError} when it is something else. */
async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError(`${path}: not JSON`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UsageError(`${path}: ${issue?.path.join('.')}: ${issue?.message}`);
}
