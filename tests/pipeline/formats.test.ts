import { cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate } from '../../pipeline/curate.ts';
import { resolveInput, resolveShards } from '../../pipeline/inputs.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { writeCurationPage } from '../../pipeline/report/curation-page.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { temporaryFolder } from '../support.ts';

const folder = await temporaryFolder();
const run = { signal: new AbortController().signal, progress: silentProgress, configPath: 'r.yaml' };
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

async function writeColumns(path: string, columns: Record<string, unknown[]>): Promise<string> {
  const columnData = Object.entries(columns).map(([name, data]) => ({ name, data }));
  await writeFile(path, new Uint8Array(parquetWriteBuffer({ columnData })));
  return path;
}

const english = (i: number) => `a photograph of the old wooden boat number ${i} in the harbour`;
const german = (i: number) => `ein Foto des alten hölzernen Bootes Nummer ${i} im Hafen`;

describe('shards without images', () => {
  it('are curated by their texts, and the report says what was left out', async () => {
    const texts = range(60).map((i) => (i % 3 === 0 ? german(i) : english(i)));
    texts[7] = 'IMG_2041.JPG';
    const path = await writeColumns(join(folder, 'part-0.parquet'), {
      SAMPLE_ID: range(60).map((i) => BigInt(i) * 1_000_000_007n),
      URL: range(60).map((i) => `https://example.org/${i}.jpg`),
      TEXT: texts,
      WIDTH: range(60).map((i) => 100 + i),
      HEIGHT: range(60).map((i) => (i === 4 ? null : 100)),
      similarity: range(60).map((i) => 0.25 + i / 100),
    });
    const recipe = { input: { shards: path, preset: 'laion' }, teacher: { checkpoint: '/no/such' } };
    const out = join(folder, 'laion');
    const report = await curate(parseConfig(JSON.stringify(recipe), 'r.yaml'), out, run);
    await writeCurationPage(out, report);
    expect(report).toMatchObject({ read: 60, quarantined: 0, balanced: true });
    expect(report.stages.map(({ stage }) => stage)).not.toContain('check-images');
    expect(report.leftOut).toEqual(
      ['check-images', 'hash-images', 'deduplicate', 'label-regions', 'embed-with-teacher'].map((stage) => ({
        stage,
        why: 'the shards hold no images (laion)',
      })),
    );
    const shard = await openShard(join(out, 'shards', '00000.parquet'));
    const columns = await shard.readRowGroup(0, [
      'key',
      'url',
      'text',
      'similarity',
      'sha256',
      'width',
      'height',
    ]);
    const keys = Array.from(columns.key as string[]);
    expect(keys.length).toBe(report.kept);
    expect(keys).not.toContain(String(7n * 1_000_000_007n));
    keys.forEach((key, row) => {
      const i = Number(BigInt(key) / 1_000_000_007n);
      expect([columns.url?.[row], columns.text?.[row]]).toEqual([`https://example.org/${i}.jpg`, texts[i]]);
      expect(columns.similarity?.[row]).toBeCloseTo(0.25 + i / 100, 6);
      expect([columns.sha256?.[row] ?? null, columns.width?.[row]]).toEqual([null, 100 + i]);
      expect(columns.height?.[row] ?? null).toBe(i === 4 ? null : 100);
    });
  });
});

describe('the order of the shards', () => {
  const names = ['a/x.parquet', 'b/x.parquet', 'a/y.parquet', 'c/w.parquet'];
  let bytes: Buffer;
  const recipe = (shards: string[]) =>
    parseConfig(
      JSON.stringify({
        input: { shards, columns: { url: 'u', alt_texts: 't' } },
        output: { shardRows: 40 },
        // Texts that differ by a number are one text to it.
        boilerplate: { enabled: false },
      }),
      'r.yaml',
    );
  const curated = async (shards: string[]) => {
    await curate(recipe(shards), join(folder, 'out'), run);
    const parts = (await readdir(join(folder, 'out', 'shards'))).sort();
    return Buffer.concat(
      await Promise.all(parts.map((part) => readFile(join(folder, 'out', 'shards', part)))),
    );
  };
  beforeAll(async () => {
    for (const [k, name] of names.entries()) {
      await mkdir(join(folder, 'one', name, '..'), { recursive: true });
      await writeColumns(join(folder, 'one', name), {
        u: range(20 + k).map((i) => `https://example.org/${k}/${i}`),
        t: range(20 + k).map((i) => (i % 4 === 0 ? german(i * 10 + k) : english(i * 10 + k))),
      });
    }
    // The same shards elsewhere, in folders that sort the other way.
    for (const [from, to] of [
      ['a', 'z'],
      ['b', 'q'],
      ['c', 'd'],
    ]) {
      await cp(join(folder, 'one', `${from}`), join(folder, 'two', `${to}`), { recursive: true });
    }
    bytes = await curated([join(folder, 'one')]);
    expect(bytes.length).toBeGreaterThan(1000);
  });

  it('makes no difference to the bytes, and nor does the folder that they are in', async () => {
    const order = fc.shuffledSubarray(names, { minLength: names.length });
    await fc.assert(
      fc.asyncProperty(order, fc.boolean(), async (shuffled, moved) => {
        const moves: Record<string, string> = { a: 'two/z', b: 'two/q', c: 'two/d' };
        const paths = shuffled.map((name) => {
          const [from = '', file = ''] = name.split('/');
          return join(folder, moved ? (moves[from] ?? '') : `one/${from}`, file);
        });
        expect((await curated(paths)).equals(bytes)).toBe(true);
      }),
      { numRuns: 6, seed: 5 },
    );
  });

  it('gives rows without a key the names of their shards, told apart by what is in them', async () => {
    const shard = await openShard(join(folder, 'out', 'shards', '00000.parquet'));
    const { key } = await shard.readRowGroup(0, ['key']);
    const prefixes = new Set(Array.from(key as string[], (name) => name.split(':')[0]));
    expect([...prefixes].filter((name) => name === 'w' || name === 'y').length).toBeGreaterThan(0);
    expect([...prefixes].every((name) => /^(w|y|x-[0-9a-f]{8})$/.test(String(name)))).toBe(true);
  });

  it('is by name, then by what is in them', async () => {
    const one = await resolveShards([join(folder, 'one')], 'k', 'r.yaml');
    const two = await resolveShards([join(folder, 'two')], 'k', 'r.yaml');
    expect(one.map((path) => basename(path))).toEqual(['w', 'x', 'x', 'y'].map((name) => `${name}.parquet`));
    const contents = (paths: string[]) => Promise.all(paths.map(async (path) => (await stat(path)).size));
    expect(await contents(two)).toEqual(await contents(one));
  });
});

describe("a preset's files", () => {
  it('are its tars, of which a parquet file of the same name is the list', async () => {
    const at = join(folder, 'i2d');
    await mkdir(at);
    for (const name of ['00000.tar', '00000.parquet', '00001.parquet', '00000_stats.json', 'x.tar']) {
      await writeFile(join(at, name), '');
    }
    const named = async (preset: 'img2dataset' | 'webdataset' | 'webli', shards = [at]) =>
      (await resolveInput({ shards, preset }, 'r.yaml')).map((path) => basename(path));
    expect(await named('img2dataset')).toEqual(['00000.tar', '00001.parquet', 'x.tar']);
    expect(await named('img2dataset', [join(at, '00000.parquet')])).toEqual(['00000.tar']);
    expect(await named('webdataset')).toEqual(['00000.tar', 'x.tar']);
    expect(await named('webli')).toEqual(['00000.parquet', '00001.parquet']);
    await mkdir(join(folder, 'none'));
    await expect(
      resolveInput({ shards: [join(folder, 'none')], preset: 'webdataset' }, 'r.yaml'),
    ).rejects.toThrow('r.yaml: input.shards: no .tar file matches');
  });
});
