import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate, type RunContext } from '../../pipeline/curate.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { discs } from '../duplicates/pictures.ts';
import { type SourceRow, temporaryFolder, writeSource } from '../support.ts';

const run = (): RunContext => ({
  signal: new AbortController().signal,
  progress: silentProgress,
  configPath: 'test.yaml',
});

/** Ten pictures; a smaller copy of 0, a re-encoded one of 1 and 2, the bytes of 3, a crop of 4, a broken one. */
async function sourceRows(): Promise<SourceRow[]> {
  const png = (seed: number) => discs(seed).png().toBuffer();
  const row = async (key: string, image: Promise<Buffer>) => ({
    key,
    image: await image,
    altTexts: [`a picture of some discs, number ${key}`],
    pageLanguage: 'en',
  });
  const pictures = await Promise.all(Array.from({ length: 10 }, (_, i) => row(`picture-${i}`, png(i))));
  return [
    ...pictures,
    await row('smaller-0', discs(0).resize(56, 56).jpeg({ quality: 75 }).toBuffer()),
    await row('again-1', discs(1).webp({ quality: 85 }).toBuffer()),
    await row('again-2', discs(2).jpeg({ quality: 80 }).toBuffer()),
    await row('bytes-3', png(3)),
    await row('crop-4', discs(4).extract({ left: 2, top: 1, width: 62, height: 63 }).png().toBuffer()),
    await row(
      'broken',
      png(20).then((bytes) => bytes.subarray(0, 90)),
    ),
  ];
}

let folder: string;
let rows: SourceRow[];
let evaluation: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  rows = await sourceRows();
  evaluation = join(folder, 'evaluation.parquet');
  await writeSource(evaluation, [
    { key: 'test-0', image: await discs(0).resize(90, 90).webp({ quality: 90 }).toBuffer() },
    { key: 'test-9', image: await discs(9).png().toBuffer() },
    { key: 'test-broken', image: Buffer.from('no image') },
    { key: 'test-other', image: await discs(30).png().toBuffer() },
  ]);
});

/** Curates rows that come in shards, and reads back the keys that were kept and what was said of the others. */
async function curated(name: string, shards: readonly (readonly SourceRow[])[], more = '') {
  const paths = shards.map((_, i) => join(folder, `${name}-${i}.parquet`));
  for (const [i, path] of paths.entries()) await writeSource(path, shards[i] ?? []);
  const recipe = `input: {shards: ${JSON.stringify(paths)}, batchRows: 5}\nmix: {enabled: false}\n${more}`;
  const report = await curate(parseConfig(recipe, 'test.yaml'), join(folder, name), run());
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const ask = async (part: string, sql: string) => {
    const result = await connection.runAndReadAll(
      `${sql} FROM read_parquet('${join(folder, name, part)}/*.parquet')`,
    );
    return result.getRowObjectsJson();
  };
  const kept = await ask('shards', 'SELECT *');
  const dropped = await ask('dropped', 'SELECT key, stage, reason, value');
  connection.closeSync();
  instance.closeSync();
  return {
    report,
    kept,
    keys: kept.map(({ key }) => key).sort(),
    dropped: Object.fromEntries(dropped.map(({ key, ...said }) => [key, said])),
  };
}

const pictures = Array.from({ length: 10 }, (_, i) => `picture-${i}`);

describe('curating rows that repeat each other', () => {
  it('keeps the largest of each, and writes down how near the others are', async () => {
    const { report, keys, dropped } = await curated('drop', [rows]);
    expect(report).toMatchObject({ read: 16, kept: 10, dropped: 5, quarantined: 1, balanced: true });
    // Of two of a size the first by key is kept.
    const kept = pictures.map(
      (key) => ({ 'picture-1': 'again-1', 'picture-2': 'again-2', 'picture-3': 'bytes-3' })[key] ?? key,
    );
    expect(keys).toEqual(kept.sort());
    expect(dropped['picture-3']).toEqual({
      stage: 'deduplicate',
      reason: 'exact-duplicate',
      value: 'of bytes-3',
    });
    expect(dropped['smaller-0']).toMatchObject({ stage: 'deduplicate', reason: 'near-duplicate' });
    for (const [key, of] of [
      ['smaller-0', 'picture-0'],
      ['crop-4', 'picture-4'],
      ['picture-1', 'again-1'],
    ] as const) {
      expect(dropped[key]?.value).toMatch(
        new RegExp(`^of ${of}: [0-5] <= 5 bits, colours [0-2]\\.\\d\\d <= 3$`),
      );
    }
  });

  it('keeps the same rows and says the same of the others in any order and split', async () => {
    const one = await curated('one', [rows]);
    const turned = [...rows].reverse();
    const other = await curated('other', [turned.slice(0, 4), turned.slice(4, 9), turned.slice(9)]);
    expect(other.keys).toEqual(one.keys);
    expect(other.dropped).toEqual(one.dropped);
  });

  it('only says so when it labels', async () => {
    const { report, kept, dropped } = await curated('label', [rows], 'deduplicate: {mode: label}');
    expect(report).toMatchObject({ kept: 15, dropped: 0, balanced: true });
    expect(dropped).toEqual({});
    const labels = Object.fromEntries(kept.map(({ key, labels: said }) => [key, said]));
    expect(labels['picture-5']).toEqual([]);
    expect(labels['picture-3']).toEqual([
      { stage: 'deduplicate', reason: 'exact-duplicate', value: 'of bytes-3', threshold: null },
    ]);
    expect(labels['smaller-0']).toMatchObject([{ stage: 'deduplicate', reason: 'near-duplicate' }]);
  });

  it('takes rows for the same only by their bytes when near ones are not asked for', async () => {
    const { report, dropped } = await curated('exact', [rows], 'deduplicate: {near: false}');
    expect(Object.keys(dropped)).toEqual(['picture-3']);
    expect(report.balanced).toBe(true);
  });

  it('hands on no column of its own', async () => {
    const { kept } = await curated('columns', [rows.slice(0, 2)]);
    expect(kept).toHaveLength(2);
    for (const name of Object.keys(kept[0] ?? {})) expect(['fingerprint', 'labels']).not.toContain(name);
  });
});

describe('curating rows of an evaluation set', () => {
  it('drops them with the row that they are in or near, their copies too', async () => {
    const { report, dropped } = await curated('clean', [rows], `decontaminate: {shards: ${evaluation}}`);
    const said = (key: string) => dropped[key];
    expect(said('picture-9')).toEqual({
      stage: 'decontaminate',
      reason: 'near-evaluation',
      value: 'of test-9: the same bytes',
    });
    for (const key of ['picture-0', 'smaller-0']) {
      expect(said(key)).toMatchObject({ stage: 'decontaminate', reason: 'near-evaluation' });
      expect(said(key)?.value).toMatch(/^of test-0: [0-5] <= 5 bits, colours [0-2]\.\d\d <= 3$/);
    }
    expect(report).toMatchObject({ read: 16, kept: 8, dropped: 7, balanced: true });
    expect(report.leftOut).toContainEqual({
      stage: 'decontaminate',
      why: '1 of 4 evaluation images cannot be decoded: they are found by their bytes alone',
    });
  });

  it('only says so when it labels, beside what makes them duplicates', async () => {
    const both = `decontaminate: {shards: ${evaluation}, mode: label}\ndeduplicate: {mode: label}`;
    const { report, kept } = await curated('label-both', [rows], both);
    expect(report).toMatchObject({ kept: 15, dropped: 0, balanced: true });
    const labels = kept.find(({ key }) => key === 'smaller-0')?.labels;
    expect(labels).toMatchObject([{ stage: 'decontaminate' }, { stage: 'deduplicate' }]);
  });

  it('needs the set to be there', async () => {
    const lost = curated('lost', [rows], `decontaminate: {shards: ${folder}/no.parquet}`);
    await expect(lost).rejects.toThrow(
      `test.yaml: decontaminate.shards: no such file or folder: ${folder}/no.parquet`,
    );
  });
});
