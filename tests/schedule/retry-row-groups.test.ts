import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../support.ts';
import { accounts, added, dataSets } from './data-sets.ts';

// A row group of as many rows as people have is one entry: here they have few.
vi.mock('../../stages/read-shards/reader.ts', async (original) => ({
  ...(await original<object>()),
  mostEntries: 10,
}));

const count = 60;
let sets: ReturnType<typeof dataSets>;
let folder: string;

/** A shard of addresses and texts: one row group of many pages, some rows of it without a key. */
async function writeShard(name: string, keyless: readonly number[]): Promise<string> {
  await mkdir(join(folder, name));
  const path = join(folder, name, 'a.parquet');
  const rows = Array.from({ length: count }, (_, i) => i);
  const columnData = [
    { name: 'SAMPLE_ID', data: rows.map((i) => (keyless.includes(i) ? null : `row-${i}`)), nullable: true },
    { name: 'URL', data: rows.map((i) => `https://example.org/${i}`) },
    { name: 'TEXT', data: rows.map((i) => `a red apple on a plate, and ${i} more of them beside it`) },
  ];
  await writeFile(path, new Uint8Array(parquetWriteBuffer({ columnData, pageSize: 120 })));
  return path;
}

/** Overwrites pages of the last column after its first ones; gives what the shard was. */
async function breakPages(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  const broken = Buffer.from(bytes);
  const from = bytes.indexOf('and 20 more');
  broken.fill(0x5a, from, from + 400);
  await writeFile(path, broken);
  return bytes;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  sets = dataSets(
    folder,
    `seed: 3
input: {shards: SHARDS, preset: laion, batchRows: 4}
mix: {enabled: false}
boilerplate: {enabled: false}
output: {shardRows: 20}`,
  );
});

describe('a retry of a row group whose rest is one entry of the quarantine', () => {
  it.each([
    ['with a row that is one of its own', [5]],
    ['with one after where it broke', [5, 40]],
    ['with none', []],
  ] as const)('reads that rest, and no row twice: %s', async (what, keyless) => {
    const [sound, broken] = [`sound ${what}`, `broken ${what}`];
    await writeShard(sound, keyless);
    const shard = await writeShard(broken, keyless);
    const whole = await breakPages(shard);
    await sets.grow(sound);
    const first = added(await sets.grow(broken));
    expect(first.report.quarantinedShards).toBe(1);
    expect(first.report.read).toBeGreaterThan(4);
    expect(first.report.read).toBeLessThan(40);
    const still = added(await sets.retry(broken));
    expect(accounts(still.report)).toEqual(accounts(first.report));
    await writeFile(shard, whole);
    const again = added(await sets.retry(broken));
    expect(again.added.kept).toBe(count - keyless.length - first.report.kept);
    expect(accounts(again.report)).toEqual(accounts(await sets.report(sound)));
    expect(await sets.keys(broken)).toEqual(await sets.keys(sound));
    expect(await sets.quarantined(broken)).toEqual(await sets.quarantined(sound));
  });
});
