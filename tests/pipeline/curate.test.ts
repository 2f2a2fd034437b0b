import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate, type RunContext } from '../../pipeline/curate.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import type { CurationReport } from '../../schemas/reports.ts';
import { type SourceRow, temporaryFolder, writeSource } from '../support.ts';

const english = [
  'a red apple on a plate',
  'the happy dog runs',
  'blue car in the street',
  'sunny day at the beach',
];
const german = ['ein roter Apfel auf dem Teller', 'der glückliche Hund läuft', 'blaues Auto auf der Straße'];

const run = (): RunContext => ({
  signal: new AbortController().signal,
  progress: silentProgress,
  configPath: 'test.yaml',
});
const picture = (i: number) =>
  sharp({
    create: { width: 40, height: 40, channels: 3, background: { r: i % 256, g: (i * 7) % 256, b: 90 } },
  })
    .png()
    .toBuffer();

async function sourceRows(): Promise<SourceRow[]> {
  const rows: SourceRow[] = [];
  for (let i = 0; i < 120; i += 1) {
    const isEnglish = i % 3 !== 0;
    const texts = isEnglish ? english : german;
    rows.push({
      key: `row-${i}`,
      image: await picture(i),
      altTexts: [`${texts[i % texts.length]} ${i}`],
      pageLanguage: isEnglish ? 'en' : 'de',
    });
  }
  const [first] = rows as [SourceRow];
  rows.push({ key: 'again', image: first.image ?? null, altTexts: [german[0] ?? ''], pageLanguage: 'de' });
  rows.push({ key: 'broken', image: (await picture(200)).subarray(0, 60), altTexts: ['a dog'] });
  rows.push({ key: 'blank', image: await picture(201), altTexts: ['IMG_2041.JPG'] });
  return rows;
}

let folder: string;
let report: CurationReport;
let shards: string[];

beforeAll(async () => {
  folder = await temporaryFolder();
  const rows = await sourceRows();
  shards = [join(folder, 'in-a.parquet'), join(folder, 'in-b.parquet')];
  await writeSource(shards[0] as string, rows.slice(0, 70));
  await writeSource(shards[1] as string, rows.slice(70));
  report = await curate(configFor(shards), join(folder, 'run'), run());
});

/** The pictures are plain ones, and no filter of theirs is asked here. */
const configFor = (paths: string[]) =>
  parseConfig(
    `seed: 3\ninput: {shards: ${JSON.stringify(paths)}, batchRows: 16}\nimages: {minDeviation: 0, minEntropy: 0}`,
    'test.yaml',
  );

async function keptKeys(path: string): Promise<unknown[]> {
  const shard = await openShard(path);
  return Array.from((await shard.readRowGroup(0, ['key'])).key ?? []);
}

describe('a curation run', () => {
  it('accounts for every row it read', () => {
    expect(report.read).toBe(123);
    expect(report.kept + report.dropped + report.quarantined).toBe(123);
    expect(report.balanced).toBe(true);
  });

  it('quarantines the broken, drops the duplicate and the boilerplate', () => {
    expect(report.reasons.quarantined).toEqual([
      { stage: 'check-images', reason: 'undecodable-image', rows: 1 },
    ]);
    expect(report.reasons.dropped).toContainEqual({
      stage: 'deduplicate',
      reason: 'exact-duplicate',
      rows: 1,
    });
    expect(report.reasons.dropped).toContainEqual({ stage: 'clean-texts', reason: 'no-alt-text', rows: 1 });
  });

  it('meets the mix to the row', () => {
    const kept = Object.fromEntries(report.languages.map(({ language, kept: rows }) => [language, rows]));
    const available = report.languages.find(({ language }) => language === 'en')?.available ?? 0;
    expect(available).toBe(80);
    expect(report.kept).toBe(Math.floor(available / 0.9));
    expect(Math.abs((kept.en ?? 0) / report.kept - 0.9)).toBeLessThanOrEqual(0.5 / report.kept);
  });

  it('says which stages were left out, and why', () => {
    expect(report.leftOut.map(({ stage }) => stage)).toEqual(['label-regions', 'embed-with-teacher']);
  });

  it('writes shards without where rows came from, a manifest, and no leftovers', async () => {
    const shard = await openShard(join(folder, 'run', 'shards', '00000.parquet'));
    expect(shard.rowGroups.reduce((sum, group) => sum + group.rows, 0)).toBe(report.kept);
    expect(shard.columns).toContain('language');
    expect(shard.columns).not.toContain('shard');
    const manifest = JSON.parse(await readFile(join(folder, 'run', 'manifest.json'), 'utf8'));
    expect(manifest.output[0].path).toBe('shards/00000.parquet');
    expect(manifest.rows.kept).toBe(report.kept);
    expect((await readdir(join(folder, 'run', 'work'))).sort()).toEqual([
      'done',
      'plan.json',
      'plan.parquet',
    ]);
  });

  it('gives the same bytes when it is run again, also into the same folder', async () => {
    const path = join(folder, 'run', 'shards', '00000.parquet');
    const before = await readFile(path);
    await curate(configFor(shards), join(folder, 'run'), run());
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it('keeps the same rows when the data is split into other shards', async () => {
    const rows = await sourceRows();
    const others = [0, 1, 2].map((i) => join(folder, `split-${i}.parquet`));
    for (const [i, path] of others.entries())
      await writeSource(path, rows.slice(i * 41, (i + 1) * 41), 2_000);
    await curate(configFor(others), join(folder, 'other'), run());
    const one = await keptKeys(join(folder, 'run', 'shards', '00000.parquet'));
    const other = await keptKeys(join(folder, 'other', 'shards', '00000.parquet'));
    expect([...other].sort()).toEqual([...one].sort());
  });

  it('keeps other rows under another seed', async () => {
    await curate({ ...configFor(shards), seed: 4 }, join(folder, 'seed'), run());
    const one = await keptKeys(join(folder, 'run', 'shards', '00000.parquet'));
    expect(await keptKeys(join(folder, 'seed', 'shards', '00000.parquet'))).not.toEqual(one);
  });

  it('finishes when nothing can be read', async () => {
    const bad = join(folder, 'nothing.parquet');
    await writeSource(bad, [{ key: 'x', image: null }]);
    const empty = await curate(configFor([bad]), join(folder, 'empty'), run());
    expect(empty).toMatchObject({ read: 1, kept: 0, quarantined: 1, balanced: true });
  });

  it('stops when it is told to, and leaves no shard that looks whole', async () => {
    const stop = new AbortController();
    stop.abort(new Error('stopped'));
    const stopped = curate(configFor(shards), join(folder, 'stopped'), { ...run(), signal: stop.signal });
    await expect(stopped).rejects.toThrow('stopped');
    await expect(stat(join(folder, 'stopped', 'report.json'))).rejects.toThrow(/ENOENT/);
  });

  it('asks for what it needs', async () => {
    await expect(
      curate(parseConfig('', 'r.yaml'), join(folder, 'no'), { ...run(), configPath: 'r.yaml' }),
    ).rejects.toThrow('r.yaml: input.shards: required to curate');
    const lost = parseConfig(
      `input: {shards: ${folder}/in-a.parquet}\nteacher: {checkpoint: /no/t.safetensors}`,
      'r.yaml',
    );
    await expect(curate(lost, join(folder, 'no'), { ...run(), configPath: 'r.yaml' })).rejects.toThrow(
      'r.yaml: teacher.checkpoint: no such file: /no/t.safetensors',
    );
  });
});
