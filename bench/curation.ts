import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadConfig } from '../pipeline/config.ts';
import { curate } from '../pipeline/curate.ts';
import { createProgress } from '../pipeline/progress.ts';
import { buildEmojiSources } from '../pipeline/sources/emoji/build.ts';
import { emojiSourceOptionsSchema } from '../pipeline/sources/emoji/options.ts';
import { benchBoxes } from './curation/boxes.ts';
import { duplicateFigures } from './curation/duplicate-groups.ts';
import { type FilterScore, filterScores } from './curation/filters.ts';
import { languageFigures } from './curation/languages.ts';
import { openRunTables, type RunTables } from './curation/run-tables.ts';
import { benchTeacherScores } from './curation/teacher-scores.ts';

/** Rows of the pool when none are asked for. */
const defaultRows = 6000;

const recipe = 'pipeline/recipes/emoji-109.yaml';

/** What a run is measured by: its files beside the truth, and where they are. */
interface Measured {
  readonly tables: RunTables;
  readonly run: string;
  readonly truth: string;
}

/** The measures, each a function from a run to its figures. */
const measures: readonly ((run: Measured) => Promise<Record<string, number>>)[] = [
  async ({ run, truth }) => filterFigures(await filterScores(run, truth)),
  ({ tables }) => duplicateFigures(tables),
  ({ tables }) => languageFigures(tables),
  async ({ run, truth }) => {
    const { auc, aucSingles, aucCanvases, aucEnglish } = await benchTeacherScores(run, truth);
    return {
      mismatchedAuc: auc,
      mismatchedAucSingles: aucSingles,
      mismatchedAucCanvases: aucCanvases,
      mismatchedAucEnglish: aucEnglish,
    };
  },
  async ({ run, truth }) => {
    const { recall, precision, recallNamed, labelsRight } = await benchBoxes(run, truth);
    return {
      boxesRecall: recall,
      boxesPrecision: precision,
      boxesRecallNamed: recallNamed,
      boxesLabelsRight: labelsRight,
    };
  },
];

/** Precision and recall by filter; a figure without any row to count is left out. */
function filterFigures(scores: Readonly<Record<string, FilterScore>>): Record<string, number> {
  const figures: Record<string, number> = {};
  for (const [name, { planted, found, precision, recall }] of Object.entries(scores)) {
    const camel = name.replace(/[^a-z]+([a-z])/gi, (_, letter: string) => letter.toUpperCase());
    if (found > 0) figures[`${camel}Precision`] = precision;
    if (planted > 0) figures[`${camel}Recall`] = recall;
  }
  return figures;
}

/**
 * Builds an emoji-109 pool, curates it, every row that isn't bad kept (no mix), and holds what came out against the
 * planted truth. `teacher` is a checkpoint, the demo's unless told.
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
    const demo = await loadConfig(recipe);
    const checkpoint = resolve(teacher ?? demo.teacher?.checkpoint ?? '');
    const config = {
      ...demo,
      input: {
        preset: 'webli' as const,
        batchRows: 256,
        ...demo.input,
        shards: [join(files.pool, 'shards')],
      },
      teacher: { partWeight: 0, ...demo.teacher, checkpoint },
      mix: { ...demo.mix, enabled: false },
    };
    const report = await curate(config, files.run, { signal, progress, configPath: 'bench' });
    const tables = await openRunTables(files);
    const figures: Record<string, number> = {};
    const truth = join(files.pool, 'truth.parquet');
    for (const measure of measures) Object.assign(figures, await measure({ tables, run: files.run, truth }));
    tables.close();
    const round = (value: number) => Math.round(value * 10_000) / 10_000;
    return {
      rows: report.read,
      kept: report.kept,
      ...Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, round(value)])),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
