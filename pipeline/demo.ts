import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CurationReport, DistillReport } from '../schemas/reports.ts';
import { loadConfig } from './config.ts';
import { curate, type RunContext } from './curate.ts';
import { distill } from './distill.ts';
import { writeCurationPage } from './report/curation-page.ts';
import { writeDemoPage } from './report/demo-page.ts';
import { writeDistillPage } from './report/distill-page.ts';
import { writeJson } from './run-folder.ts';
import { buildEmojiSources } from './sources/emoji/build.ts';
import { emojiSourceOptionsSchema } from './sources/emoji/options.ts';
import { compareWithTruth, type TruthFigures } from './sources/emoji/truth.ts';

/** What the demo is asked for. */
export interface DemoOptions {
  readonly config: string;
  readonly out: string;
  readonly rows: number;
  readonly steps?: number | undefined;
}

/** Emoji that the demo's pictures are of: few enough that a learner knows some of them after minutes. */
const emoji = 400;

/** What the demo came to. */
export interface DemoReport {
  readonly kind: 'demo';
  readonly seconds: number;
  readonly page: string;
  readonly folders: { readonly sources: string; readonly curated: string; readonly distilled: string };
  readonly curation: CurationReport;
  readonly distillation: DistillReport;
  /** What the planted truth, which no stage reads, says of the curated rows. */
  readonly truth: TruthFigures;
}

/** The main job: builds emoji-109, curates it, distils a learner from it, and writes one page about all of it. */
export async function demo(options: DemoOptions, run: RunContext): Promise<DemoReport> {
  const started = performance.now();
  const folders = {
    sources: join(options.out, 'emoji-109'),
    curated: join(options.out, 'curated'),
    distilled: join(options.out, 'distilled'),
  };
  const recipe = await loadConfig(options.config);
  await mkdir(options.out, { recursive: true });
  const task = run.progress.start('building emoji-109', options.rows, 'rows');
  await buildEmojiSources(
    emojiSourceOptionsSchema.parse({ out: folders.sources, rows: options.rows, seed: recipe.seed, emoji }),
    { signal: run.signal, progress: (done) => task.update(done) },
  );
  task.end();
  const { distill: distillOptions } = recipe;
  const training = { ...distillOptions.training, ...(options.steps ? { steps: options.steps } : {}) };
  const config = {
    ...recipe,
    input: {
      preset: 'webli' as const,
      batchRows: 256,
      ...recipe.input,
      shards: [join(folders.sources, 'shards')],
    },
    distill: { ...distillOptions, training },
    ...(recipe.evaluation
      ? { evaluation: { ...recipe.evaluation, shards: [join(folders.sources, 'evaluation')] } }
      : {}),
  };
  const curation = await curate(config, folders.curated, run);
  await writeCurationPage(folders.curated, curation);
  const distillation = await distill(config, folders.curated, folders.distilled, run);
  await writeDistillPage(folders.distilled, distillation);
  const truth = await compareWithTruth(folders.curated, join(folders.sources, 'truth.parquet'));
  const page = join(options.out, 'report.html');
  const report: DemoReport = {
    kind: 'demo',
    seconds: Math.round((performance.now() - started) / 100) / 10,
    page,
    folders,
    curation,
    distillation,
    truth,
  };
  await writeDemoPage(page, {
    curation,
    curationFolder: folders.curated,
    distill: distillation,
    distillFolder: folders.distilled,
    truth: { ...truth },
  });
  await writeJson(join(options.out, 'report.json'), report);
  return report;
}
