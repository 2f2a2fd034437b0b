import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  List,
  type RecordBatch,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  tableFromIPC,
  Utf8,
} from 'apache-arrow';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromFloat16, toFloat16 } from '../../models/float16.ts';
import { UsageError } from '../../pipeline/errors.ts';
import { type SelectRequest, select } from '../../pipeline/select.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { temporaryFolder } from '../support.ts';
import { denseGreedy, denseScores, unitRows } from './dense-reference.ts';

const program = new URL('../../pipeline/cli/assay.js', import.meta.url).pathname;
const count = 150;
const dimensions = { learner: 8, teacher: 12 };
const names = ['learner_image', 'learner_text', 'teacher_image', 'teacher_text'] as const;
type Columns = Record<string, Float32Array>;

const d = (name: string) => (name.startsWith('learner') ? dimensions.learner : dimensions.teacher);
const halved = (rows: Float32Array) => fromFloat16(toFloat16(rows));
const columns: Columns = Object.fromEntries(
  names.map((name) => {
    const rows = unitRows(count, d(name), name);
    return [name, name.startsWith('teacher') ? halved(rows) : rows];
  }),
);

/** Rows `from` to `to` as a batch: the learner's float32, the teacher's float16. */
function batch(values: Columns, from = 0, to = count): RecordBatch {
  const list = (name: string) => ({
    type: new FixedSizeList(
      d(name),
      new Field('element', name.startsWith('teacher') ? new Float16() : new Float32(), true),
    ),
    values: Array.from({ length: to - from }, (_, i) =>
      Array.from((values[name] ?? []).slice((from + i) * d(name), (from + i + 1) * d(name))),
    ),
  });
  return batchOf({
    key: { type: new Utf8(), values: Array.from({ length: to - from }, (_, i) => `pair-${from + i}`) },
    ...Object.fromEntries(Object.keys(values).map((name) => [name, list(name)])),
  });
}

let folder: string;
const at = (name: string) => join(folder, name);

async function writeArrow(name: string, batches: RecordBatch[], stream = false): Promise<string> {
  const writer = stream ? new RecordBatchStreamWriter() : new RecordBatchFileWriter();
  for (const part of batches) writer.write(part);
  writer.finish();
  await writeFile(at(name), writer.toUint8Array(true));
  return at(name);
}

const request = (input: string, rest: Partial<SelectRequest> = {}): SelectRequest => ({
  input,
  batch: 40,
  chunks: 6,
  sampling: 'greedy',
  seed: 0,
  method: 'learnability',
  loss: 'sigmoid',
  learnerScale: 12,
  learnerBias: -7,
  teacherScale: 30,
  teacherBias: -9,
  normalize: false,
  out: null,
  ...rest,
});

beforeAll(async () => {
  folder = await temporaryFolder();
  const parts = [batch(columns, 0, 64), batch(columns, 64, 65), batch(columns, 65)];
  await writeArrow('file.arrow', parts);
  await writeArrow('stream.arrow', parts, true);
  await writeArrow('whole.arrow', [batch(columns)]);
  const { learner_image, learner_text } = columns as Record<'learner_image' | 'learner_text', Float32Array>;
  await writeArrow('learner.arrow', [batch({ learner_image, learner_text })]);
  const writer = await openParquetWriter(at('file.parquet'), { rowGroupBytes: 4000 });
  for (const part of parts) await writer.write(part);
  await writer.close();
});

describe('a selection from a file', () => {
  const model = (name: 'learner' | 'teacher', scale: number, bias: number) => ({
    images: columns[`${name}_image`] ?? new Float32Array(),
    texts: columns[`${name}_text`] ?? new Float32Array(),
    dimension: dimensions[name],
    scale,
    bias,
  });
  const expected = () =>
    denseGreedy(
      count,
      denseScores(model('learner', 12, -7), model('teacher', 30, -9), 'learnability', 'sigmoid'),
      40,
      6,
    );

  it.each(['file.arrow', 'stream.arrow', 'whole.arrow', 'file.parquet'])('is right from %s', async (name) => {
    const { selected, report } = await select(request(at(name)));
    expect(selected.map(({ index }) => index)).toEqual(expected().indices);
    expect(selected.map(({ key }) => key)).toEqual(expected().indices.map((i) => `pair-${i}`));
    expect(selected.map(({ position }) => position)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(selected.map(({ chunk }) => chunk)).toEqual(
      Array.from({ length: 40 }, (_, i) => Math.min(5, Math.floor(i / 6))),
    );
    expect(report).toMatchObject({ rows: count, learner: { dimension: 8 }, teacher: { dimension: 12 } });
  });

  it('needs only the columns of the models that the method scores with', async () => {
    const { report } = await select(request(at('learner.arrow'), { method: 'hard' }));
    expect(report.teacher).toBeNull();
    await expect(select(request(at('learner.arrow')))).rejects.toThrow(
      /no column teacher_image, teacher_text: it has key, learner_image, learner_text/,
    );
  });

  it.each(['out.parquet', 'out.arrow'])('is written as %s', async (name) => {
    const { selected } = await select(request(at('file.arrow'), { out: at(name), sampling: 'gumbel' }));
    const fields = ['position', 'chunk', 'index', 'key', 'self_score', 'logit'];
    let rows: Record<string, unknown>[];
    if (name.endsWith('.arrow')) {
      const { readFile } = await import('node:fs/promises');
      const table = tableFromIPC(await readFile(at(name)));
      expect(table.schema.names).toEqual(fields);
      rows = table.toArray().map((row) => ({ ...row.toJSON() }));
    } else {
      const shard = await openShard(at(name));
      expect(shard.columns).toEqual(fields);
      const values = await shard.readRowGroup(0, fields);
      rows = selected.map((_, i) => Object.fromEntries(fields.map((field) => [field, values[field]?.[i]])));
    }
    expect(rows).toEqual(selected);
  });

  it('normalizes where it is told to, and otherwise says what to do', async () => {
    const doubled = Object.fromEntries(
      Object.entries(columns).map(([name, rows]) => [name, rows.map((value) => value * 2)]),
    );
    const input = await writeArrow('doubled.arrow', [batch(doubled, 0, 80), batch(doubled, 80)]);
    await expect(select(request(input))).rejects.toThrow(
      /row 0 \(key pair-0\) of column learner_image has length 2\.000, not 1: use --normalize/,
    );
    const { selected } = await select(request(input, { normalize: true }));
    const exact = (await select(request(at('file.arrow'), { normalize: true }))).selected;
    expect(selected.map(({ index }) => index)).toEqual(exact.map(({ index }) => index));
  });
});

describe('what is wrong with a file is said in one line', () => {
  const changed = (name: string, i: number, value: number): Columns => ({
    ...columns,
    [name]: (columns[name] ?? new Float32Array()).map((old, k) => (k === i ? value : old)),
  });
  const failure = async (input: string, rest: Partial<SelectRequest> = {}) => {
    const error = await select(request(input, rest)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UsageError);
    const { message } = error as UsageError;
    expect(message).not.toContain('\n');
    return message;
  };

  it('NaN and infinity, also with --normalize', async () => {
    const nan = await writeArrow('nan.arrow', [batch(changed('learner_text', 8 * 70 + 3, Number.NaN))]);
    expect(await failure(nan)).toMatch(/row 70 \(key pair-70\) of column learner_text holds NaN/);
    const infinite = await writeArrow('inf.arrow', [batch(changed('teacher_image', 12 * 3, -Infinity))]);
    expect(await failure(infinite, { normalize: true })).toMatch(/row 3 .* teacher_image holds NaN or inf/);
  });
  it('a row of zeros that should be normalized', async () => {
    const zeros = { ...columns, learner_image: new Float32Array(count * 8) };
    expect(await failure(await writeArrow('zeros.arrow', [batch(zeros)]), { normalize: true })).toMatch(
      /row 0 .* all zeros/,
    );
  });
  it('a file that is missing, of another kind, cut off or empty', async () => {
    expect(await failure(at('none.arrow'))).toMatch(/none.arrow can't be opened: no such file/);
    await writeFile(at('text.arrow'), 'key,learner_image\n');
    expect(await failure(at('text.arrow'))).toMatch(/no Arrow IPC file, Arrow IPC stream or parquet/);
    const { readFile } = await import('node:fs/promises');
    for (const name of ['file.arrow', 'file.parquet']) {
      await writeFile(at(`cut-${name}`), (await readFile(at(name))).subarray(0, 5000));
      expect(await failure(at(`cut-${name}`))).toMatch(/can't be read as/);
    }
    expect(await failure(await writeArrow('empty.arrow', [batch(columns, 0, 0)]))).toMatch(/has no rows/);
  });
  it('columns of another type, with gaps, or of two dimensions', async () => {
    const lists = (type: List | FixedSizeList, values: unknown[][]) =>
      batchOf({
        key: { type: new Utf8(), values: ['a', 'b'] },
        learner_image: { type, values },
        learner_text: { type, values },
      });
    const item = (type: Float32 | Float64) => new Field('element', type, true);
    const hard = { method: 'hard', batch: 1 } as const;
    const doubles = lists(new FixedSizeList(1, item(new Float64())), [[1], [1]]);
    expect(await failure(await writeArrow('f64.arrow', [doubles]), hard)).toMatch(
      /float32 or float16 is exp/,
    );
    const ragged = lists(new List(item(new Float32())), [[1], [1, 0]]);
    expect(await failure(await writeArrow('list.arrow', [ragged]), hard)).toMatch(/a fixed-size list/);
    const writer = await openParquetWriter(at('ragged.parquet'));
    await writer.write(ragged);
    await writer.close();
    expect(await failure(at('ragged.parquet'), hard)).toMatch(/row 1 of column learner_image has 2 numbers/);
    const gap = lists(new FixedSizeList(1, item(new Float32())), [[1], [null]]);
    expect(await failure(await writeArrow('gap.arrow', [gap]), hard)).toMatch(/row 1 has no value in column/);
    const uneven = batchOf({
      key: { type: new Utf8(), values: ['a'] },
      learner_image: { type: new FixedSizeList(1, item(new Float32())), values: [[1]] },
      learner_text: { type: new FixedSizeList(2, item(new Float32())), values: [[1, 0]] },
    });
    expect(await failure(await writeArrow('uneven.arrow', [uneven]), hard)).toMatch(/same dimension/);
  });
  it('a batch over the rows, and an output of unknown kind or place', async () => {
    expect(await failure(at('file.arrow'), { batch: 151 })).toMatch(/--batch 151: .* only 150 rows/);
    expect(await failure(at('file.arrow'), { out: at('x.csv') })).toMatch(/must end in .parquet or .arrow/);
    expect(await failure(at('file.arrow'), { out: at('no/x.arrow') })).toMatch(/no such folder/);
  });
});

function assay(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [program, 'select', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => {
    said.stdout += data;
  });
  child.stderr.on('data', (data) => {
    said.stderr += data;
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, ...said }));
  });
}

describe('assay select', () => {
  it('takes every flag, and prints its report as one JSON object', async () => {
    const flags =
      '--batch 30 --chunks 4 --sampling gumbel --seed 7 --method easy-reference --loss softmax --learner-scale 5 ' +
      '--learner-bias -3 --teacher-scale 20 --teacher-bias -8 --normalize --json';
    const out = at('flags.parquet');
    const { code, stdout } = await assay('--input', at('file.arrow'), '--out', out, ...flags.split(' '));
    expect(code).toBe(0);
    const { seconds, ...report } = JSON.parse(stdout);
    const { selected, report: same } = await select(
      request(at('file.arrow'), {
        batch: 30,
        chunks: 4,
        sampling: 'gumbel',
        seed: 7,
        method: 'easy-reference',
        loss: 'softmax',
        teacherScale: 20,
        normalize: true,
      }),
    );
    expect(report).toEqual({ ...same, seconds: undefined, out });
    expect(seconds.select).toBeGreaterThan(0);
    expect((await openShard(out)).rowGroups[0]?.rows).toBe(selected.length);
  });

  it('prints the selection as CSV, or in the report, where no file is asked for', async () => {
    const input = ['--input', at('file.arrow'), '--batch', '5', '--sampling', 'greedy'];
    const [csv, json] = await Promise.all([assay(...input), assay(...input, '--json')]);
    const lines = csv.stdout.trim().split('\n');
    expect(lines[0]).toBe('position,chunk,index,key,self_score,logit');
    const { selected } = JSON.parse(json.stdout);
    expect(lines.slice(1)).toEqual(selected.map((row: object) => Object.values(row).join(',')));
  });

  it('ends with code 2 and one line where the request is wrong', async () => {
    const wrong = await assay('--input', at('none.arrow'), '--batch', '5');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr.trim().split('\n')).toHaveLength(1);
    const flags = await Promise.all([
      assay('--input', at('file.arrow')),
      assay('--input', at('file.arrow'), '--batch', '0'),
      assay('--input', at('file.arrow'), '--batch', '5', '--learner-scale', '-1'),
      assay('--input', at('file.arrow'), '--batch', '5', '--sampling', 'dice'),
    ]);
    expect(flags.map(({ code }) => code)).toEqual([2, 2, 2, 2]);
    expect(flags.map(({ stderr }) => /--batch|--learner-scale|--sampling/.exec(stderr)?.[0])).toEqual([
      '--batch',
      '--batch',
      '--learner-scale',
      '--sampling',
    ]);
  });
});
