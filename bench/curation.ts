import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseConfig } from '../pipeline/config.ts';
import { curate } from '../pipeline/curate.ts';
import { createProgress } from '../pipeline/progress.ts';
import { buildEmojiSources } from '../pipeline/sources/emoji/build.ts';
import { emojiSourceOptionsSchema } from '../pipeline/sources/emoji/options.ts';
import { compareWithTruth } from '../pipeline/sources/emoji/truth.ts';
import { duplicateFigures } from './curation/duplicate-groups.ts';
import { languageFigures } from './curation/languages.ts';
import { mismatchedAuc } from './curation/mismatched.ts';
import { plantedFilters } from './curation/planted-filters.ts';
import { openRunTables, type RunTables } from './curation/run-tables.ts';

/** Rows of the pool when none are asked for. */
const defaultRows = 6000;

/** What a run is measured by: its files beside the truth, whether a teacher took part, and where the files are. */
interface Measured {
  readonly tables: RunTables;
  readonly hasTeacher: boolean;
  readonly files: { readonly pool: string; readonly run: string };
}

/** The measures, each a function from a run to its figures. */
const measures: readonly ((run: Measured) => Promise<Record<string, number>>)[] = [
  ({ tables }) => plantedFilters(tables),
  ({ tables }) => duplicateFigures(tables),
  ({ tables }) => languageFigures(tables),
  async ({ tables, hasTeacher }) => (hasTeacher ? { mismatchedAuc: await mismatchedAuc(tables) } : {}),
  async ({ files, hasTeacher }) => {
    if (!hasTeacher) return {};
    const { picturesFound, regionsOnPictures } = await compareWithTruth(
      files.run,
      join(files.pool, 'truth.parquet'),
    );
    return { boxesRecall: picturesFound, boxesPrecision: regionsOnPictures };
  },
];

/**
 * Builds an emoji-109 pool, curates it, every row that isn't bad kept (no mix), and holds what came out against the
 * planted truth. `teacher` is a checkpoint: without one there are no figures of similarity and of boxes.
 */
export async function benchCuration({
  rows = defaultRows,
  seed = 17,
  teacher,
}: {
  readonly rows?: number | undefined;
  readonly seed?: number | undefined;
  readonly teacher?: string | undefined;
}): Promise<Record<string, number | string>> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  const files = { pool: join(folder, 'pool'), run: join(folder, 'run') };
  const signal = new AbortController().signal;
  const progress = createProgress();
  try {
    const options = emojiSourceOptionsSchema.parse({ out: files.pool, rows, seed, evaluationImages: 1 });
    const task = progress.start('building emoji-109', rows, 'rows');
    await buildEmojiSources(options, { signal, progress: (done) => task.update(done) });
    task.end();
    const recipe = {
      input: { shards: join(files.pool, 'shards') },
      mix: { enabled: false },
      ...(teacher === undefined ? {} : { teacher: { checkpoint: resolve(teacher) } }),
    };
    // JSON is YAML as well.
    const config = parseConfig(JSON.stringify(recipe), 'bench');
    const report = await curate(config, files.run, { signal, progress, configPath: 'bench' });
    const tables = await openRunTables(files);
    const figures: Record<string, number> = {};
    for (const measure of measures) {
      Object.assign(figures, await measure({ tables, hasTeacher: teacher !== undefined, files }));
    }
    tables.close();
    const round = (value: number) => Math.round(value * 10_000) / 10_000;
    return {
      rows: report.read,
      kept: report.kept,
      ...Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, round(value)])),
      ...(teacher === undefined ? { leftOut: 'mismatchedAuc and boxes: they need --teacher' } : {}),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
