import { spawn } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import type { RunContext } from '../../pipeline/curate.ts';
import { distill } from '../../pipeline/distill.ts';
import { type Progress, silentProgress } from '../../pipeline/progress.ts';
import type { DistillReport } from '../../schemas/reports.ts';
import { temporaryFolder } from '../support.ts';
import { writeCurated, writeHeldOut } from './curated-pool.ts';

/** Calls back when a learner is about to be evaluated, and remembers what came of each evaluation. */
const evaluations = vi.hoisted(() => ({ begin: () => {}, outcomes: [] as string[] }));
vi.mock('../../pipeline/distill/evaluate.ts', async (original) => {
  const actual = await original<typeof import('../../pipeline/distill/evaluate.ts')>();
  return {
    ...actual,
    async evaluate(...asked: Parameters<typeof actual.evaluate>) {
      evaluations.begin();
      const scores = actual.evaluate(...asked);
      scores.then(
        () => evaluations.outcomes.push('whole'),
        () => evaluations.outcomes.push('cut short'),
      );
      return scores;
    },
  };
});

const program = new URL('../../pipeline/cli/assay.js', import.meta.url).pathname;
const towers =
  '{imageSize: 16, patchSize: 8, width: 16, depth: 1, heads: 2, embeddingDim: 8, textTokens: 32, textWidth: 16, textDepth: 1, textHeads: 2}';
const steps = 16;

let folder: string;
let pool: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  pool = join(folder, 'pool');
  await writeCurated(pool, 100);
  await writeCurated(join(folder, 'other'), 100, 2);
  await writeHeldOut(join(folder, 'held-out.parquet'), 10);
});

/** A recipe whose super-batches serve two steps, so that checkpoints fall between the two. */
const recipe = (more = '', scoring = '{reuse: 2}') => `
seed: 3
threads: 1
evaluation: {shards: ${folder}/held-out.parquet, images: 10}
distill:
  learner: ${towers}
  superBatch: 20
  batch: 4
  chunks: 2
  english: 0.6
  shuffleRows: 40
  distillation: 0.5
  evaluateEvery: 5
  checkpointEvery: 3
  scoring: ${scoring}
  training: {steps: ${steps}, warmup: 2}
${more}`;

const context = (progress: Progress = silentProgress, signal = new AbortController().signal): RunContext => ({
  signal,
  progress,
  configPath: 'resume.yaml',
});

/** Calls back when a learner, counted from 0, has taken so many steps. */
const at = (learner: number, step: number, act: () => void): Progress => {
  let learners = -1;
  return {
    start(label) {
      const isTraining = label.startsWith('training');
      if (isTraining) learners += 1;
      const own = learners;
      return {
        update: (done) => {
          if (isTraining && own === learner && done === step) act();
        },
        end() {},
      };
    },
  };
};

/** What must be equal: the curve without its times, the selections, the weights, the scores. */
async function outcome(out: string, report: DistillReport) {
  const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  const weights = await Promise.all(
    ['selected', 'uniform'].map(async (name) =>
      (await readFile(join(out, 'checkpoints', `${name}.safetensors`))).toString('base64'),
    ),
  );
  return {
    metrics: lines.map((line) => ({ ...JSON.parse(line), seconds: null })),
    selections: (await readFile(join(out, 'selections.parquet'))).toString('base64'),
    offers: (await readFile(join(out, 'offers.parquet'))).toString('base64'),
    weights,
    drift: report.drift,
    teacher: report.teacherAgreement,
    learners: report.learners.map(({ seconds: _, curve, ...rest }) => ({
      ...rest,
      curve: curve.map(({ seconds: _, ...point }) => point),
    })),
  };
}

async function distilled(text: string, name: string) {
  const out = join(folder, name);
  const report = await distill(parseConfig(text, 'resume.yaml'), pool, out, context());
  return outcome(out, report);
}

describe('a distillation whose process is killed', () => {
  it('comes to the same curve, selections, weights and scores, wherever it was killed', async () => {
    const whole = await distilled(recipe(), 'whole');
    const config = join(folder, 'killed.yaml');
    const out = join(folder, 'killed');
    await writeFile(config, recipe());
    const flags = [program, 'distill', '--config', config, '--data', pool, '--out', out, '--json'];
    const start = () => {
      const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'pipe'] });
      let said = '';
      child.stdout.on('data', (bytes) => {
        said += bytes;
      });
      const ended = new Promise<{ code: number | null; killed: boolean; said: string }>((resolve) => {
        child.on('close', (code, signal) => resolve({ code, killed: signal === 'SIGKILL', said }));
      });
      return { child, ended };
    };
    const linesIn = async () =>
      (await readFile(join(out, 'metrics.jsonl'), 'utf8').catch(() => '')).split('\n').length - 1;
    for (const lines of [4, 11, steps + 5]) {
      const { child, ended } = start();
      const from = Date.now();
      while ((await linesIn()) < lines && child.exitCode === null && Date.now() - from < 60_000) {
        await delay(2);
      }
      child.kill('SIGKILL');
      expect((await ended).killed).toBe(true);
      expect(await linesIn()).toBeLessThan(2 * steps);
    }
    const { code, said } = await start().ended;
    expect(code).toBe(0);
    expect(await outcome(out, JSON.parse(said))).toEqual(whole);
    expect(await readdir(out)).not.toContain('work');
  }, 300_000);
});

describe('a distillation that stops', () => {
  /** Runs into an error, or is stopped, at each of these steps in turn, and then to its end. */
  async function broken(text: string, name: string, stops: readonly (readonly [number, number, boolean])[]) {
    const config = parseConfig(text, 'resume.yaml');
    for (const [learner, step, asked] of stops) {
      const stop = new AbortController();
      const act = () => {
        if (!asked) throw new Error('power cut');
        stop.abort(new Error('stopped'));
      };
      const run = context(at(learner, step, act), stop.signal);
      await expect(distill(config, pool, join(folder, name), run)).rejects.toThrow(/power cut|stopped/);
    }
    return distilled(text, name);
  }
  it.each<[string, string, string, readonly (readonly [number, number, boolean])[]]>([
    // Checkpoints between two steps of a super-batch, and where the next one is scored already.
    [
      'with scoring that overlaps and is reused',
      '{reuse: 2, overlap: true}',
      '',
      [
        [0, 5, false],
        [0, 8, true],
        [1, 5, false],
      ],
    ],
    ['by the teacher alone', '{reuse: 3}', '  method: easy-reference', [[0, 7, true]]],
    [
      'within strata, under a schedule',
      '{}',
      '  strata: language',
      [
        [0, 1, true],
        [0, 11, false],
      ],
    ],
  ])('goes on to the same bits: %s', async (name, scoring, more, stops) => {
    const schedule = more.includes('strata') ? '[{step: 0, size: 10}, {step: 7, size: 20}]' : '20';
    const text = recipe(more, scoring).replace('superBatch: 20', `superBatch: ${schedule}`);
    const whole = await distilled(text, `${name} whole`);
    expect(await broken(text, name, stops)).toEqual(whole);
  });

  it('stops in the middle of an evaluation, and goes on with it', async () => {
    const config = parseConfig(recipe(), 'resume.yaml');
    const out = join(folder, 'evaluating');
    evaluations.outcomes = [];
    const begun: number[] = [];
    // Of the first learner's steps 5, 10, 15 and 16 the first and the last; and one of the other learner's.
    for (const evaluation of [1, 4, 2]) {
      const stop = new AbortController();
      let left = evaluation;
      evaluations.begin = () => {
        left -= 1;
        if (left === 0) stop.abort(new Error('stopped'));
      };
      const progress: Progress = {
        start: (label) => {
          let isFirst = label.startsWith('training');
          return {
            update(step) {
              if (isFirst) begun.push(step);
              isFirst = false;
            },
            end() {},
          };
        },
      };
      await expect(distill(config, pool, out, context(progress, stop.signal))).rejects.toThrow('stopped');
    }
    evaluations.begin = () => {};
    expect(evaluations.outcomes).toEqual([
      ...['cut short', 'whole', 'whole', 'whole', 'cut short', 'whole', 'cut short'],
    ]);
    expect(begun).toEqual([0, 5, 16, 0]);
    expect(await distilled(recipe(), 'evaluating')).toEqual(await distilled(recipe(), 'never stopped'));
  });

  it('selects otherwise from scores that are a step old, but not in the first step', async () => {
    const [now, old] = await Promise.all([
      distilled(recipe('', '{overlap: false}'), 'now'),
      distilled(recipe('', '{overlap: true}'), 'old'),
    ]);
    const first = ({ metrics }: typeof now) => ({ ...metrics[0], flops: null });
    expect(first(old)).toEqual(first(now));
    expect(old.selections).not.toBe(now.selections);
    expect(old.learners[1]).toEqual(now.learners[1]);
  });

  it('is not gone on with by another recipe, data or threads, unless told to start over', async () => {
    const stopped = async (name: string) => {
      const crash = at(0, 4, () => {
        throw new Error('power cut');
      });
      const config = parseConfig(recipe(), 'resume.yaml');
      await expect(distill(config, pool, join(folder, name), context(crash))).rejects.toThrow('power cut');
      return join(folder, name);
    };
    const out = await stopped('refused');
    const refused = (text: string, data: string) =>
      expect(distill(parseConfig(text, 'resume.yaml'), data, out, context())).rejects;
    const path = /refused\/work\/selected\.safetensors is of another run/;
    await refused(recipe().replace('seed: 3', 'seed: 4'), pool).toThrow(path);
    await refused(recipe(), join(folder, 'other')).toThrow(/its data differs.*--fresh starts over/);
    await refused(recipe().replace('threads: 1', 'threads: 2'), pool).toThrow('its threads differs');
    await writeFile(join(out, 'work', 'selected.safetensors'), 'no tensors');
    await refused(recipe(), pool).toThrow(/selected\.safetensors is not a usable.*--fresh starts over/);
    const config = parseConfig(recipe(), 'resume.yaml');
    const report = await distill(config, pool, out, context(), { fresh: true });
    expect((await outcome(out, report)).metrics).toHaveLength(2 * steps);
  });

  it('goes on with another interval of checkpoints', async () => {
    const text = recipe('', '{}');
    const whole = await distilled(text, 'every 3');
    const config = parseConfig(text, 'resume.yaml');
    const crash = at(0, 10, () => {
      throw new Error('power cut');
    });
    await expect(distill(config, pool, join(folder, 'every 7'), context(crash))).rejects.toThrow();
    const again = await distilled(text.replace('checkpointEvery: 3', 'checkpointEvery: 7'), 'every 7');
    expect(again).toEqual(whole);
  });
});

describe('the drift of languages', () => {
  it('is what the record of selections says', async () => {
    const out = join(folder, 'whole');
    const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as DistillReport;
    const instance = await DuckDBInstance.create();
    const connection = await instance.connect();
    const sql = `select language, count(*)::int as n from '${out}/selections.parquet' group by 1 order by 1`;
    const rows = (await connection.runAndReadAll(sql)).getRowObjectsJson();
    const { drift } = report;
    if (!drift) throw new Error('the report has no drift');
    const selected = Object.entries(drift.counts).map(([language, { selected }]) => ({
      language,
      n: selected,
    }));
    expect(selected).toEqual(rows);
    expect(drift.pairs).toEqual({ offered: (steps / 2) * 20, selected: steps * 4 });
    expect(drift.english.offered).toBeCloseTo(0.6, 12);
    expect(drift.totalVariation).toBeGreaterThan(0);
    const shares = drift.moved.map((row) => Math.abs(row.selected - row.offered));
    expect(drift.totalVariation).toBeCloseTo(shares.reduce((sum, share) => sum + share, 0) / 2, 12);
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
  });

  it('is none in English where batches are selected within strata', async () => {
    const config = parseConfig(recipe('  strata: language').replace('batch: 4', 'batch: 5'), 'resume.yaml');
    const { drift } = await distill(config, pool, join(folder, 'strata'), context());
    expect(drift?.english).toEqual({ offered: 0.6, selected: 0.6 });
  });
});
