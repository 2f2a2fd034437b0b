import { mkdirSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Config, parseConfig } from '../../pipeline/config.ts';
import { curate } from '../../pipeline/curate.ts';
import type { Engine } from '../../pipeline/engines/engine.ts';
import { inlineEngine } from '../../pipeline/engines/inline.ts';
import { runIncrement, type Tick } from '../../pipeline/schedule/run-increment.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { createRandom } from '../../schemas/random.ts';
import type { CurationReport } from '../../schemas/reports.ts';
import { quietRun } from '../engines/pool.ts';
import { type SourceRow, temporaryFolder, writeSource } from '../support.ts';

const english = ['a red apple on a plate', 'the happy dog runs', 'blue car in the street'];
const german = ['ein roter Apfel auf dem Teller', 'der glückliche Hund läuft', 'blaues Auto auf der Straße'];
const french = ['une pomme rouge sur une assiette', 'le chien heureux court dans la rue'];

async function picture(i: number, size = 40): Promise<Uint8Array> {
  // Blocks of noise: no picture is near another one.
  const random = createRandom(i + 1);
  const small = Uint8Array.from({ length: 64 }, () => 20 + random.integer(200));
  return sharp(small, { raw: { width: 8, height: 8, channels: 1 } })
    .resize(size, size, { kernel: 'nearest' })
    .toColourspace('srgb')
    .png()
    .toBuffer();
}

type Language = 'en' | 'de' | 'fr';

async function row(i: number, language: Language, of = i, size = 40): Promise<SourceRow> {
  const texts = { en: english, de: german, fr: french }[language];
  return {
    key: `row-${i}`,
    image: await picture(of, size),
    altTexts: [`${texts[i % texts.length]} ${i}`],
    pageLanguage: language,
  };
}

const rowsOf = (from: number, count: number, languageOf: (i: number) => Language) =>
  Promise.all(Array.from({ length: count }, (_, i) => row(from + i, languageOf(i))));

let folder: string;
let input: string;
const ticks: Tick[] = [];
let before: Record<string, string>;
let whole: CurationReport;

const recipe = () =>
  parseConfig(
    `seed: 3\ninput: {shards: ${JSON.stringify(input)}, batchRows: 16}\nmix: {english: 0.6}\noutput: {shardRows: 15}\nimages: {minDeviation: 0, minEntropy: 0}`,
    'test.yaml',
  );
const tick = (config = recipe()) =>
  runIncrement(config, join(folder, 'set'), { ...quietRun(), engine: inlineEngine() });

async function bytesOf(part: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(join(folder, 'set', part))).sort()) {
    found[name] = (await readFile(join(folder, 'set', part, name))).toString('base64');
  }
  return found;
}

async function columnOf(name: string): Promise<unknown[]> {
  const values: unknown[] = [];
  for (const file of (await readdir(join(folder, 'set', 'shards'))).sort()) {
    const shard = await openShard(join(folder, 'set', 'shards', file));
    for (const { index } of shard.rowGroups) {
      values.push(...Array.from((await shard.readRowGroup(index, [name]))[name] ?? []));
    }
  }
  return values;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  input = join(folder, 'in');
  await mkdir(input);
  // Half of the rows are English: not all of the others are kept.
  await writeSource(join(input, 'a.parquet'), await rowsOf(0, 60, (i) => (i % 2 === 0 ? 'en' : 'de')));
  ticks.push(await tick());
  before = await bytesOf('shards');
  // Later ones: more English, a third language, a larger copy of a picture that is written, and a broken one.
  const late = await rowsOf(100, 60, (i) => (i % 4 === 3 ? 'fr' : 'en'));
  const [kept] = await columnOf('key');
  const written = Number(String(kept).slice('row-'.length));
  late.push(await row(200, 'en', written, 96), await row(201, 'en', written));
  late.push({ key: 'broken', image: (await picture(300)).subarray(0, 40), altTexts: ['a dog'] });
  await writeSource(join(input, 'b.parquet'), late);
  await copyFile(join(input, 'a.parquet'), join(input, 'a-again.parquet'));
  ticks.push(await tick(), await tick());
  whole = await curate(recipe(), join(folder, 'whole'), { ...quietRun(), engine: inlineEngine() });
});

const report = (i: number) => {
  const one = ticks[i];
  if (one?.kind !== 'added') throw new Error('nothing was added');
  return one;
};

describe('a data set that grows by increments', () => {
  it('reads only what is new, and says when nothing is', () => {
    expect(report(0).added.read).toBe(60);
    expect(report(1).added.read).toBe(63 + 60);
    expect(ticks[2]).toEqual({ kind: 'skipped', why: 'nothing is new' });
  });

  it('leaves what is written as it is, and appends', async () => {
    const after = await bytesOf('shards');
    expect(Object.keys(after).length).toBeGreaterThan(Object.keys(before).length);
    for (const [name, bytes] of Object.entries(before)) expect(after[name]).toBe(bytes);
  });

  it('has no duplicates across increments, even of a better copy', async () => {
    const hashes = await columnOf('sha256');
    expect(new Set(hashes).size).toBe(hashes.length);
    const keys = await columnOf('key');
    expect(keys).not.toContain('row-200');
    expect(keys).not.toContain('row-201');
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('holds the mix over the whole, within a row', async () => {
    for (const { report: one } of [report(0), report(1)]) {
      expect(Math.abs(one.mix.realised.english * one.kept - 0.6 * one.kept)).toBeLessThanOrEqual(1);
    }
    const languages = await columnOf('language');
    expect(languages.filter((language) => language === 'fr').length).toBeGreaterThan(0);
    expect(languages.filter((language) => language === 'en').length).toBe(
      Math.round(report(1).report.mix.realised.english * languages.length),
    );
  });

  it('accounts for every row, in each and in all', async () => {
    for (const { added, report: one } of [report(0), report(1)]) {
      expect(added.balanced && one.balanced).toBe(true);
    }
    const all = report(1).report;
    expect(all.read).toBe(report(0).added.read + report(1).added.read);
    expect(all.kept).toBe((await columnOf('key')).length);
    expect(all.read).toBe(all.kept + all.dropped + all.quarantined);
    const saved = JSON.parse(await readFile(join(folder, 'set', 'report.json'), 'utf8'));
    expect(saved.kept).toBe(all.kept);
    // One run over everything reads as much, and may keep more: it takes what an earlier part left out.
    expect(whole.read).toBe(all.read);
    expect(whole.kept).toBeGreaterThanOrEqual(all.kept);
  });

  it('has a manifest of the files that are there', async () => {
    const manifest = JSON.parse(await readFile(join(folder, 'set', 'manifest.json'), 'utf8'));
    for (const { path, bytes } of manifest.output) {
      expect((await stat(join(folder, 'set', path))).size).toBe(bytes);
    }
    const names = await readdir(join(folder, 'set', 'shards'));
    expect(manifest.output.filter(({ path }: { path: string }) => path.startsWith('shards/')).length).toBe(
      names.length,
    );
  });

  it('refuses another recipe, and a folder that it did not make', async () => {
    await expect(tick({ ...recipe(), seed: 4 })).rejects.toThrow(/grew by another recipe/);
    await mkdir(join(folder, 'foreign'));
    await writeFile(join(folder, 'foreign', 'mine.txt'), 'text');
    const foreign = runIncrement(recipe(), join(folder, 'foreign'), quietRun());
    await expect(foreign).rejects.toThrow(/holds mine.txt/);
    expect(await readdir(join(folder, 'foreign'))).toEqual(['mine.txt']);
  });

  it('finishes what was cut short before it reads anything newer', async () => {
    const arrivals = join(folder, 'arrivals');
    await mkdir(arrivals);
    await copyFile(join(input, 'a.parquet'), join(arrivals, 'a.parquet'));
    const stop = new AbortController();
    const run = (engine: Engine, signal = new AbortController().signal) => {
      const config = { ...recipe(), input: { ...recipe().input, shards: [arrivals] } } as Config;
      return runIncrement(config, join(folder, 'cut'), { ...quietRun(), signal, engine });
    };
    const whole = inlineEngine();
    const cut: Engine = {
      name: 'cut',
      async run(frozen, options) {
        await whole.run(frozen, { ...options, phase: 'admit' });
        stop.abort(new Error('cut short'));
        stop.signal.throwIfAborted();
      },
    };
    await expect(run(cut, stop.signal)).rejects.toThrow('cut short');
    await copyFile(join(input, 'b.parquet'), join(arrivals, 'b.parquet'));
    const [finished, newer] = [await run(whole), await run(whole)];
    expect(finished).toMatchObject({ kind: 'added', number: 1, added: { read: 60 } });
    expect(newer).toMatchObject({ kind: 'added', number: 2, added: { read: 63 }, report: { read: 123 } });
    const first = Object.keys(before)[0] ?? '';
    const bytes = await readFile(join(folder, 'cut', 'shards', first));
    expect(bytes.toString('base64')).toBe(before[first]);
  });

  it('is added whole where it was cut short while it was added, and leaves nothing unfinished', async () => {
    const out = join(folder, 'half-added');
    const once = () => runIncrement(recipe(), out, { ...quietRun(), engine: inlineEngine() });
    // What says that it is added can't be written.
    const blocked = join(out, 'increments.json.partial');
    await expect(
      runIncrement(recipe(), out, {
        ...quietRun(),
        engine: inlineEngine(),
        onRun: () => mkdirSync(blocked, { recursive: true }),
      }),
    ).rejects.toThrow(/EISDIR/);
    await rm(blocked, { recursive: true });
    expect(await once()).toMatchObject({ kind: 'added', number: 1 });
    expect((await readdir(out, { recursive: true })).filter((name) => name.includes('partial'))).toEqual([]);
    const manifest = JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8'));
    expect(await readdir(join(out, 'shards'))).toHaveLength(
      manifest.output.filter(({ path }: { path: string }) => path.startsWith('shards/')).length,
    );
  });

  it('is skipped while another process works on it', async () => {
    const { lockDataSet } = await import('../../pipeline/schedule/data-set.ts');
    const lock = await lockDataSet(join(folder, 'set'));
    expect(lock).not.toBeNull();
    expect(await tick()).toEqual({ kind: 'skipped', why: 'the run before is still on' });
    await lock?.release();
    expect((await tick()).kind).toBe('skipped');
  });
});
