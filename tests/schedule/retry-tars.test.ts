import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../schemas/random.ts';
import { temporaryFolder } from '../support.ts';
import { accounts, added, dataSets, writeTar } from './data-sets.ts';

const recipe = (preset: string, more = '') => `seed: 3
input: {shards: SHARDS, preset: ${preset}, batchRows: 8}
images: {minDeviation: 0, minEntropy: 0}
mix: {enabled: false}
boilerplate: {enabled: false}
deduplicate: {near: false}
${more}`;

let folder: string;
let webdataset: ReturnType<typeof dataSets>;
let img2dataset: ReturnType<typeof dataSets>;

/** A picture of noise, of about so many bytes. */
async function picture(seed: number, bytes: number): Promise<Uint8Array> {
  const random = createRandom(seed + 1);
  const width = Math.ceil(Math.sqrt(bytes / 3));
  const pixels = Uint8Array.from({ length: width * width * 3 }, () => random.integer(256));
  return sharp(pixels, { raw: { width, height: width, channels: 3 } })
    .png({ compressionLevel: 0 })
    .toBuffer();
}

type Member = readonly [name: string, content: string | Uint8Array];
const sample = (key: string, image: Uint8Array): Member[] => [
  [`${key}.jpg`, image],
  [`${key}.txt`, `a red apple on a plate beside ${key}`],
];
const keyOf = (i: number) => `k${String(i).padStart(2, '0')}`;

/** A tar of 24 samples, of which the list beside it knows two more that were not fetched. */
async function writeListed(name: string): Promise<{ tar: string; bytes: Buffer }> {
  await mkdir(join(folder, name));
  const tar = join(folder, name, '00000.tar');
  const members: Member[] = [];
  for (let i = 0; i < 24; i += 1) members.push(...sample(keyOf(i), await picture(i, 12_000)));
  await writeTar(tar, members);
  const keys = [...Array.from({ length: 24 }, (_, i) => keyOf(i)), 'gone-1', 'gone-2'];
  const isGone = (key: string) => key.startsWith('gone');
  const columnData = [
    { name: 'key', data: keys },
    { name: 'status', data: keys.map((key) => (isGone(key) ? 'failed_to_download' : 'success')) },
    {
      name: 'error_message',
      data: keys.map((key) => (isGone(key) ? 'HTTP Error 404' : null)),
      nullable: true,
    },
  ];
  await writeFile(join(folder, name, '00000.parquet'), new Uint8Array(parquetWriteBuffer({ columnData })));
  return { tar, bytes: await readFile(tar) };
}

const notFetched = [24, 25].map((row) => ({
  ...{ shard: '00000.parquet', row_group: 0, row, reason: 'not-fetched' },
}));

beforeAll(async () => {
  folder = await temporaryFolder();
  webdataset = dataSets(folder, recipe('webdataset'));
  img2dataset = dataSets(folder, recipe('img2dataset'));
});

describe('a retry of a tar', () => {
  it('reads a sample that was over the memory, wherever it is in the tar, and no other one', async () => {
    await mkdir(webdataset.input('large'));
    const plain = await picture(0, 5_000);
    const members = Array.from({ length: 1030 }, (_, i) => sample(`k${i}`, plain)).flat();
    members.splice(2 * 1027, 2, ...sample('large', await picture(1, 2_600_000)));
    await writeTar(join(webdataset.input('large'), 'a.tar'), members);
    const first = added(await webdataset.grow('large', { memory: 16 * 1024 ** 2 }));
    expect(await webdataset.quarantined('large')).toEqual([
      { shard: 'a.tar', row_group: 1, row: 3, reason: 'over-memory' },
    ]);
    const again = added(await webdataset.retry('large', { memory: 1024 ** 3 }));
    expect(again.added.read).toBe(1);
    expect(again.report).toMatchObject({ read: first.report.read, kept: 2, quarantined: 0, balanced: true });
    expect(await webdataset.keys('large')).toContain('large');
    expect(await webdataset.quarantined('large')).toEqual([]);
  });

  it('reads it from where it could not be, and what its list lacked leaves the quarantine', async () => {
    for (const name of ['sound', 'broken']) await writeListed(name);
    const { tar, bytes } = await writeListed('again');
    await img2dataset.grow('sound');
    const broken = Buffer.from(bytes);
    broken.fill(0x5a, bytes.length / 2, bytes.length / 2 + 60_000);
    await writeFile(tar, broken);
    const first = added(await img2dataset.grow('again'));
    expect(first.report.quarantinedShards).toBe(1);
    expect(first.report.reasons.quarantined.map(({ reason }) => reason).sort()).toEqual([
      ...['cut-short', 'missing-member', 'not-fetched'],
    ]);
    const still = added(await img2dataset.retry('again'));
    expect(accounts(still.report)).toEqual(accounts(first.report));
    await writeFile(tar, bytes);
    const { report } = added(await img2dataset.retry('again'));
    expect(accounts(report)).toEqual(accounts(await img2dataset.report('sound')));
    expect(await img2dataset.quarantined('again')).toEqual(notFetched);
    expect(await img2dataset.keys('again')).toEqual(await img2dataset.keys('sound'));
    // The list alone is left to be looked at.
    const last = added(await img2dataset.retry('again'));
    expect(last.added).toMatchObject({ read: 2, quarantined: 2 });
    expect(accounts(last.report)).toEqual(accounts(report));
    expect(await img2dataset.quarantined('again')).toEqual(notFetched);
  });

  it('reads all of one that is another file now, and its list with it', async () => {
    const { tar, bytes } = await writeListed('cut');
    await writeFile(tar, bytes.subarray(0, bytes.length / 2));
    const first = added(await img2dataset.grow('cut'));
    const { kept } = first.report;
    expect(kept).toBeGreaterThan(5);
    expect(first.report).toMatchObject({ read: 26, quarantined: 26 - kept, quarantinedShards: 1 });
    await writeFile(tar, bytes);
    const { report } = added(await img2dataset.retry('cut'));
    // What was written of the tar that it was is a duplicate of what it is now.
    expect(report).toMatchObject({
      read: 26 + kept,
      kept: 24,
      dropped: kept,
      quarantined: 2,
      balanced: true,
    });
    expect(report.quarantinedShards).toBe(0);
    expect(await img2dataset.quarantined('cut')).toEqual(notFetched);
  });
});
