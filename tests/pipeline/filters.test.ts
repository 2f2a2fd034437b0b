import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { Field, List, Utf8 } from 'apache-arrow';
import { beforeAll, describe, expect, it } from 'vitest';
import { filterScores } from '../../bench/curation/filters.ts';
import { loadConfig, parseConfig } from '../../pipeline/config.ts';
import { curate, type RunContext } from '../../pipeline/curate.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { drawText } from '../../stages/texts/draw-text.ts';
import { discs } from '../duplicates/pictures.ts';
import { flat } from '../stages/pictures.ts';
import { type SourceRow, temporaryFolder, writeSource } from '../support.ts';

const run = (): RunContext => ({
  signal: new AbortController().signal,
  progress: silentProgress,
  configPath: 'test.yaml',
});

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
});

async function ask(path: string, columns: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const sql = `SELECT ${columns} FROM read_parquet('${path}/*.parquet')`;
  const rows = (await connection.runAndReadAll(sql)).getRowObjectsJson();
  connection.closeSync();
  instance.closeSync();
  return rows;
}

const sized = (seed: number, width: number, height: number) =>
  discs(seed).resize(width, height, { fit: 'fill' }).png().toBuffer();
const sentence = 'a black cat sleeps on the sofa';

describe("DataComp's basic filter as a recipe", () => {
  it('keeps what the filter keeps, at its limits exactly', async () => {
    const row = async (
      key: string,
      width: number,
      height: number,
      altTexts: string[],
    ): Promise<SourceRow> => ({
      key,
      image: await sized(key.length, width, height),
      altTexts,
      pageLanguage: 'en',
    });
    const rows = [
      await row('sound', 240, 240, [sentence]),
      await row('side', 200, 200, [sentence]),
      await row('too-small', 199, 300, [sentence]),
      await row('aspect', 600, 200, [sentence]),
      await row('too-long', 601, 200, [sentence]),
      await row('words', 220, 220, ['the happy dog']),
      await row('few-words', 220, 220, ['happy dogs']),
      await row('footer', 220, 220, ['click here to enlarge the picture of the dog']),
      await row('same', 220, 220, [sentence]),
      {
        key: 'blank',
        image: await flat(220, 220, '#ffffff').png().toBuffer(),
        altTexts: [sentence],
        pageLanguage: 'en',
      },
      {
        ...(await row('german', 220, 220, ['eine schwarze Katze schläft auf dem Sofa'])),
        pageLanguage: 'de',
      },
    ];
    const shard = join(folder, 'datacomp.parquet');
    await writeSource(shard, rows);
    const recipe = await loadConfig(
      new URL('../../pipeline/recipes/datacomp-basic-filter.yaml', import.meta.url).pathname,
    );
    const config = { ...recipe, input: { ...recipe.input, shards: [shard] } } as typeof recipe;
    const report = await curate(config, join(folder, 'datacomp'), run());
    expect(report.balanced).toBe(true);
    const kept = await ask(join(folder, 'datacomp/shards'), 'key');
    expect(kept.map(({ key }) => key)).toEqual([
      'sound',
      'side',
      'aspect',
      'words',
      'footer',
      'same',
      'blank',
    ]);
    const dropped = await ask(join(folder, 'datacomp/dropped'), 'key, reason, value, threshold');
    expect(dropped).toContainEqual({
      key: 'too-small',
      reason: 'too-small',
      value: '199 px',
      threshold: '200 px',
    });
    expect(dropped).toContainEqual({ key: 'too-long', reason: 'aspect', value: '3.00', threshold: '3' });
    expect(dropped).toContainEqual({
      key: 'few-words',
      reason: 'no-alt-text',
      value: 'too-few-words: happy dogs (2 words against 3 words)',
      threshold: '1 alt-text',
    });
  });
});

describe('filters of a run', () => {
  const boilerplate = 'find many more pictures in our shop';
  const names = ['apple', 'dog', 'car', 'beach', 'tree', 'house', 'river', 'boat'];
  let rows: SourceRow[];
  let shard: string;

  beforeAll(async () => {
    rows = [];
    for (let i = 0; i < 24; i += 1) {
      const own = `the ${names[i % 8]} and the ${names[(i * 3 + 1) % 8]} ${String.fromCharCode(97 + i)}`;
      const texts = i < 3 ? [boilerplate] : i < 12 ? [own, boilerplate, 'IMG_1.JPG'] : [own];
      rows.push({ key: `row-${i}`, image: await sized(i, 64, 64), altTexts: texts, pageLanguage: 'en' });
    }
    rows.push({ key: 'tiny', image: await sized(40, 20, 20), altTexts: [sentence], pageLanguage: 'en' });
    rows.push({ key: 'broken', image: (await sized(41, 64, 64)).subarray(0, 90), altTexts: [sentence] });
    shard = join(folder, 'filters.parquet');
    await writeSource(shard, rows);
    const list = new List(new Field('element', new Utf8(), true));
    const writer = await openParquetWriter(join(folder, 'truth.parquet'));
    const defects = rows.map(({ key, altTexts = [] }) =>
      key === 'tiny'
        ? ['tiny']
        : key === 'broken'
          ? ['truncated']
          : altTexts.includes(boilerplate)
            ? ['boilerplate']
            : [],
    );
    await writer.write(
      batchOf({
        key: { type: new Utf8(), values: rows.map(({ key }) => key) },
        defects: { type: list, values: defects },
      }),
    );
    await writer.close();
  });

  const curated = async (name: string, more: string) => {
    const recipe = `input: {shards: ${shard}}\nmix: {enabled: false}\n${more}`;
    return curate(parseConfig(recipe, 'test.yaml'), join(folder, name), run());
  };

  it('drop rows and texts, each with its value and threshold, and the score says how well', async () => {
    const report = await curated('drop', 'boilerplate: {images: 10}');
    expect(report).toMatchObject({ read: 26, kept: 21, dropped: 4, quarantined: 1, balanced: true });
    const dropped = await ask(join(folder, 'drop/dropped'), 'key, stage, reason, value, threshold');
    expect(
      dropped.filter(({ reason }) => reason === 'boilerplate').map(({ key, value }) => [key, value]),
    ).toEqual(
      ['row-0', 'row-1', 'row-2'].map((key) => [
        key,
        `boilerplate: ${boilerplate} (12 images against 10 images)`,
      ]),
    );
    const kept = await ask(join(folder, 'drop/shards'), 'key, alt_texts, text, removed_texts');
    for (const { key, alt_texts: texts, text, removed_texts: removed } of kept) {
      const row = rows.find((one) => one.key === key);
      expect(texts).toEqual([row?.altTexts?.[0]]);
      expect(text).toBe(drawText(texts as string[], String(key), 1));
      expect((removed as { reason: string }[]).map(({ reason }) => reason)).toEqual(
        row?.altTexts?.length === 3 ? ['file-name', 'boilerplate'] : [],
      );
    }
    const scores = await filterScores(join(folder, 'drop'), join(folder, 'truth.parquet'));
    expect(scores.tiny).toEqual({ planted: 1, found: 1, right: 1, precision: 1, recall: 1 });
    expect(scores.truncated).toMatchObject({ precision: 1, recall: 1 });
    expect(scores.texts).toMatchObject({ planted: 12, found: 12, precision: 1, recall: 1 });
    expect(scores['texts: file-name']).toMatchObject({ planted: 12, found: 9, recall: 0.75 });
    expect(scores.blank).toMatchObject({ planted: 0, found: 0 });
  });

  it('only label, all of them: every sound row stays, and the score is the same', async () => {
    const label = 'images: {mode: label}\ntexts: {mode: label}\ndeduplicate: {mode: label}';
    const report = await curated('label', `${label}\nboilerplate: {images: 10, mode: label}`);
    expect(report).toMatchObject({ read: 26, kept: 25, dropped: 0, quarantined: 1, balanced: true });
    const kept = await ask(join(folder, 'label/shards'), 'key, alt_texts, labels');
    const said = Object.fromEntries(kept.map(({ key, labels }) => [key, labels]));
    const of = (key: string) =>
      (said[key] as { stage: string; reason: string }[]).map(({ reason }) => reason);
    expect(of('tiny')).toEqual(['too-small']);
    expect(of('row-0')).toEqual(['boilerplate']);
    expect(of('row-5')).toEqual(['file-name', 'boilerplate']);
    expect(of('row-20')).toEqual([]);
    expect(kept.find(({ key }) => key === 'row-5')?.alt_texts).toHaveLength(3);
    const scores = await filterScores(join(folder, 'label'), join(folder, 'truth.parquet'));
    expect(scores.texts).toMatchObject({ planted: 12, found: 12, precision: 1, recall: 1 });
    expect(scores.tiny).toMatchObject({ found: 1, recall: 1 });
  });
});
