import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { InferenceSession } from 'onnxruntime-node';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { loadTowers } from '../../models/checkpoint.ts';
import { type Config, parseConfig } from '../../pipeline/config.ts';
import { curate, type RunContext } from '../../pipeline/curate.ts';
import { distill } from '../../pipeline/distill.ts';
import { type Progress, silentProgress } from '../../pipeline/progress.ts';
import { buildEmojiSources } from '../../pipeline/sources/emoji/build.ts';
import { emojiSourceOptionsSchema } from '../../pipeline/sources/emoji/options.ts';
import { type TeachReport, teach } from '../../pipeline/teach.ts';
import type { CurationReport, DistillReport } from '../../schemas/reports.ts';
import { temporaryFolder } from '../support.ts';

const run = (signal = new AbortController().signal): RunContext => ({
  signal,
  progress: silentProgress,
  configPath: 'test.yaml',
});

const towers =
  '{imageSize: 16, patchSize: 8, width: 16, depth: 1, heads: 2, embeddingDim: 8, textWidth: 16, textDepth: 1, textHeads: 2}';

function recipe(folder: string, more = ''): Config {
  return parseConfig(
    `
seed: 5
threads: 1
input: {shards: ${folder}/emoji/shards, batchRows: 64}
evaluation: {shards: ${folder}/emoji/evaluation, images: 12}
distill:
  learner: ${towers}
  superBatch: 24
  batch: 8
  chunks: 3
  shuffleRows: 64
  evaluateEvery: 2
  training: {steps: 4, warmup: 1}
teach:
  towers: ${towers}
  batch: 16
  augment: {zoom: 0.2, colour: 0.1}
  shuffleRows: 64
  training: {steps: 6, warmup: 1}
${more}`,
    'test.yaml',
  );
}

const withTeacher = (folder: string, more = '') =>
  recipe(folder, `teacher: {checkpoint: ${folder}/teacher.safetensors}\n${more}`);

let folder: string;
let taught: TeachReport;
let curated: CurationReport;
let report: DistillReport;

async function question<T>(sql: string): Promise<T[]> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const rows = (await connection.runAndReadAll(sql)).getRowObjectsJson();
  connection.closeSync();
  instance.closeSync();
  return rows as T[];
}

beforeAll(async () => {
  folder = await temporaryFolder();
  await buildEmojiSources(
    emojiSourceOptionsSchema.parse({ out: join(folder, 'emoji'), rows: 240, seed: 5 }),
    { signal: new AbortController().signal, progress: () => {} },
  );
  await curate(recipe(folder), join(folder, 'pool'), run());
  taught = await teach(recipe(folder), join(folder, 'pool'), join(folder, 'teacher.safetensors'), run());
  curated = await curate(withTeacher(folder), join(folder, 'curated'), run());
  report = await distill(withTeacher(folder), join(folder, 'curated'), join(folder, 'distilled'), run());
});

describe('a teacher', () => {
  it('is trained on every curated row, and scored on what it has not seen', async () => {
    expect(taught.steps).toBe(6);
    expect(Number.isFinite(taught.loss)).toBe(true);
    expect(taught.evaluation?.images).toBe(12);
    const { config } = await loadTowers(join(folder, 'teacher.safetensors'));
    expect(config).toEqual(recipe(folder).teach.towers);
  });

  it('leaves nothing beside its checkpoint, also when it is stopped', async () => {
    const stop = new AbortController();
    stop.abort(new Error('stopped'));
    const out = join(folder, 'stopped', 'teacher.safetensors');
    await expect(teach(recipe(folder), join(folder, 'pool'), out, run(stop.signal))).rejects.toThrow(
      'stopped',
    );
    expect(await readdir(join(folder, 'stopped'))).toEqual([]);
    expect((await readdir(folder)).filter((name) => name.startsWith('.teach-'))).toEqual([]);
  });
});

describe('a teaching that is stopped', () => {
  const out = () => join(folder, 'resumed', 'teacher.safetensors');

  async function stopAfter(steps: number): Promise<void> {
    const stop = new AbortController();
    const progress: Progress = {
      start: () => ({
        update: (done) => {
          if (done === steps) stop.abort(new Error('stopped'));
        },
        end: () => {},
      }),
    };
    const stopped = teach(recipe(folder), join(folder, 'pool'), out(), { ...run(stop.signal), progress });
    await expect(stopped).rejects.toThrow('stopped');
  }

  it('goes on to the same weights, to the bit', async () => {
    await stopAfter(2);
    await stopAfter(5);
    await teach(recipe(folder), join(folder, 'pool'), out(), run());
    const [whole, resumed] = await Promise.all([
      loadTowers(join(folder, 'teacher.safetensors')),
      loadTowers(out()),
    ]);
    expect(resumed.parameters).toEqual(whole.parameters);
    expect(await readdir(join(folder, 'resumed'))).toEqual(['teacher.safetensors']);
  });

  it('is not gone on with by another recipe', async () => {
    await stopAfter(3);
    const other = { ...recipe(folder), seed: 9 };
    await expect(teach(other, join(folder, 'pool'), out(), run())).rejects.toThrow(
      /teacher\.safetensors\.state is of another run \(its recipe differs\): delete it/,
    );
  });
});

describe('curation with a teacher', () => {
  it('stores unit embeddings of its dimension with every row', async () => {
    const [row] = await question<{ rows: number; lowest: number; highest: number; dimensions: number }>(`
      select count(*)::int as rows, min(norm) as lowest, max(norm) as highest, min(len(e))::int as dimensions
      from (select teacher_image as e, list_sum(list_transform(teacher_image, x -> x::double * x)) as norm
            from '${folder}/curated/shards/*.parquet')`);
    expect(row).toMatchObject({ rows: curated.kept, dimensions: 8 });
    expect(row?.lowest).toBeGreaterThan(0.995);
    expect(row?.highest).toBeLessThan(1.005);
  });

  it('gives the same bytes when it is run again', async () => {
    await curate(withTeacher(folder), join(folder, 'again'), run());
    const names = await readdir(join(folder, 'curated', 'shards'));
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const [one, two] = await Promise.all(
        ['curated', 'again'].map((run) => readFile(join(folder, run, 'shards', name))),
      );
      expect(one?.equals(two as Buffer)).toBe(true);
    }
  });
});

describe('a distillation', () => {
  it('trains a selected and a uniform learner for every step', async () => {
    const lines = (await readFile(join(folder, 'distilled', 'metrics.jsonl'), 'utf8')).trim().split('\n');
    const metrics = lines.map((line) => JSON.parse(line));
    expect(metrics.map(({ run, step }) => `${run} ${step}`)).toEqual(
      ['selected', 'uniform'].flatMap((name) => [0, 1, 2, 3].map((step) => `${name} ${step}`)),
    );
    expect(metrics.every(({ loss }) => Number.isFinite(loss))).toBe(true);
    expect(report.learners.map(({ curve }) => curve.map(({ step }) => step))).toEqual([
      [2, 4],
      [2, 4],
    ]);
  });

  it('counts what each learner cost: selecting takes more than drawing', () => {
    const [selected, uniform] = report.learners.map(({ flops }) => flops ?? Number.NaN);
    expect(uniform).toBeGreaterThan(0);
    expect(selected).toBeGreaterThan(uniform ?? 0);
    for (const { curve, flops } of report.learners) expect(curve.at(-1)?.flops).toBe(flops);
  });

  it('evaluates both in English and in every language', () => {
    for (const learner of report.learners) {
      expect(learner.evaluation?.images).toBe(12);
      expect(learner.evaluation?.languages?.count).toBeGreaterThan(100);
    }
    expect(report.teacherAgreement?.images).toBe(12);
    expect(report.leftOut).toEqual([]);
  });

  it('records every selected pair once a step, with the chunk and the score', async () => {
    const path = join(folder, 'distilled', 'selections.parquet');
    const steps = await question<{
      step: number;
      rows: number;
      keys: number;
      chunks: number;
      finite: number;
    }>(`
      select step, count(*)::int as rows, count(distinct index)::int as keys, count(distinct chunk)::int as chunks,
        sum((isfinite(self_score) and isfinite(logit))::int)::int as finite
      from '${path}' group by step order by step`);
    expect(steps).toEqual([0, 1, 2, 3].map((step) => ({ step, rows: 8, keys: 8, chunks: 3, finite: 8 })));
    const [unknown] = await question<{ rows: number }>(`
      select count(*)::int as rows from '${path}' where key not in
        (select key from '${folder}/curated/shards/*.parquet')`);
    expect(unknown?.rows).toBe(0);
  });

  it('leaves checkpoints of two learners that differ, and the selected one as ONNX', async () => {
    const [selected, uniform] = await Promise.all(
      ['selected', 'uniform'].map((name) =>
        loadTowers(join(folder, 'distilled', 'checkpoints', `${name}.safetensors`)),
      ),
    );
    expect(Object.keys(selected?.parameters ?? {})).toEqual(Object.keys(uniform?.parameters ?? {}));
    expect(selected?.parameters).not.toEqual(uniform?.parameters);
    for (const name of ['image', 'text']) {
      const session = await InferenceSession.create(join(folder, 'distilled', 'export', `${name}.onnx`));
      expect(session.outputNames.length).toBe(1);
    }
    expect(await readdir(join(folder, 'distilled'))).not.toContain('work');
  });

  it('selects and learns the same when it is run again, and something else under another seed', async () => {
    const read = (name: string) =>
      Promise.all(
        ['selections.parquet', 'checkpoints/selected.safetensors', 'checkpoints/uniform.safetensors'].map(
          async (file) => (await readFile(join(folder, name, file))).toString('base64'),
        ),
      );
    await distill(withTeacher(folder), join(folder, 'curated'), join(folder, 'distilled-again'), run());
    const first = await read('distilled');
    expect(await read('distilled-again')).toEqual(first);
    const other = { ...withTeacher(folder), seed: 6 };
    await distill(other, join(folder, 'curated'), join(folder, 'distilled-other'), run());
    const changed = await read('distilled-other');
    expect(changed.map((bytes, i) => bytes === first[i])).toEqual([false, false, false]);
  });

  it('lets go of the teacher also when it is stopped while that is evaluated', async () => {
    const stop = new AbortController();
    const teacher = join(folder, 'distilled', 'export');
    const create = InferenceSession.create;
    let [opened, released] = [0, 0];
    const spy = vi.spyOn(InferenceSession, 'create').mockImplementation(async (...given: unknown[]) => {
      const session = await create.apply(InferenceSession, given as never);
      if (!String(given[0]).startsWith(teacher)) return session;
      opened += 1;
      const release = session.release.bind(session);
      session.release = async () => {
        released += 1;
        await release();
      };
      if (opened === 2) stop.abort(new Error('stopped'));
      return session;
    });
    try {
      const config = recipe(folder, `teacher: {checkpoint: ${teacher}}`);
      const distilled = distill(config, join(folder, 'curated'), join(folder, 'aborted'), run(stop.signal));
      await expect(distilled).rejects.toThrow('stopped');
      expect([opened, released]).toEqual([2, 2]);
    } finally {
      spy.mockRestore();
    }
  });

  it('says what it needs', async () => {
    const refused = (config: Config, data: string) =>
      expect(distill(config, join(folder, data), join(folder, 'refused'), run())).rejects;
    await refused(recipe(folder), 'pool').toThrow(/--data: .*pool carries no teacher embeddings: curate it/);
    await refused(recipe(folder), 'nowhere').toThrow(/--data/);
    const most = withTeacher(folder);
    await refused({ ...most, distill: { ...most.distill, batch: 25 } }, 'curated').toThrow(
      "test.yaml: distill.batch: 25 pairs can't be selected of 24",
    );
  });

  it('needs no teacher for hard examples', async () => {
    const config = recipe(folder);
    const hard = await distill(
      { ...config, distill: { ...config.distill, method: 'hard' } },
      join(folder, 'pool'),
      join(folder, 'hard'),
      run(),
    );
    expect(hard.method).toBe('hard');
    expect(hard.teacherAgreement).toBeNull();
    expect(hard.leftOut).toEqual([{ stage: 'evaluate-teacher', why: 'no teacher.checkpoint' }]);
  });

  it('refuses shards that nobody curated', async () => {
    const raw = join(folder, 'raw');
    await cp(join(folder, 'emoji', 'shards'), join(raw, 'shards'), { recursive: true });
    await expect(distill(withTeacher(folder), raw, join(folder, 'refused'), run())).rejects.toThrow(/00000/);
  });
});
