import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rowsQuerySchema } from '../pipeline/gallery/filters.ts';
import { openGalleryQueries } from '../pipeline/gallery/query.ts';
import { answerOf } from '../pipeline/inspect/answers.ts';
import { formatAnswer } from '../pipeline/inspect/formats.ts';
import { type OpenRun, openRun } from '../pipeline/inspect/open-run.ts';
import { questions } from '../pipeline/inspect/questions/index.ts';
import { why } from '../pipeline/inspect/why.ts';
import { makeRun } from './inspect/make-run.ts';

/** Seconds within which a ready question, and a page of the gallery, are to be answered at a million rows. */
const goals = { question: 2, page: 0.3 };

/** Pages that are asked for, each after its first. */
const pages = {
  AsWritten: {},
  ByScore: { sort: 'text_score' },
  ByScoreOfEnglish: { sort: 'text_score', language: 'en' },
  ByScoreOfDropped: { sort: 'language_score', outcome: 'dropped' },
} as const;

const repeats = 3;

/**
 * Makes a run of so many kept rows of metadata, and times each ready question, the life of a row, and pages of the
 * gallery: the median of three times, and whether it is within the goal.
 */
export async function benchInspect({ rows = 1_000_000 }: { readonly rows?: number }) {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-inspect-'));
  try {
    const making = performance.now();
    await makeRun(folder, rows);
    const figures: Record<string, number | string> = { rows, makeSeconds: secondsSince(making) };
    const opening = performance.now();
    const run = await openRun(folder);
    figures.openSeconds = secondsSince(opening);
    try {
      for (const [name, { sql }] of Object.entries(questions)) {
        Object.assign(figures, await timed(name, goals.question, () => answer(run, sql)));
      }
      const middle = `row-${String(Math.floor(rows / 2)).padStart(9, '0')}`;
      Object.assign(figures, await timed('why', goals.question, () => why(run, middle)));
      const indexing = performance.now();
      const gallery = await openGalleryQueries(run, null);
      figures.galleryIndexSeconds = secondsSince(indexing);
      for (const [name, query] of Object.entries(pages)) {
        const first = await gallery.page(rowsQuerySchema.parse(query));
        const next = rowsQuerySchema.parse({ ...query, cursor: first.next ?? undefined });
        const work = async () => expectRows((await gallery.page(next)).rows);
        Object.assign(figures, await timed(`galleryPage${name}`, goals.page, work));
      }
      gallery.close();
    } finally {
      await run.close();
    }
    return figures;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function timed(name: string, goal: number, work: () => Promise<unknown>) {
  const all: number[] = [];
  for (let i = 0; i < repeats; i += 1) {
    const started = performance.now();
    await work();
    all.push(secondsSince(started));
  }
  const median = all.sort((a, b) => a - b)[Math.floor(repeats / 2)] as number;
  return {
    [`${name}Seconds`]: median,
    [`${name}Goal`]: median <= goal ? `met: ${goal} s` : `missed: ${goal} s`,
  };
}

async function answer(run: OpenRun, sql: string): Promise<void> {
  for await (const _ of formatAnswer(await answerOf(run.connection, sql), 'json'));
}

function expectRows(rows: readonly unknown[]): void {
  if (rows.length === 0) throw new Error('the page is empty');
}

function secondsSince(started: number): number {
  return Math.round(performance.now() - started) / 1000;
}
