import { createWriteStream } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { type Headers, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { splitName } from '../../stages/read-shards/samples.ts';
import { readShards, readShardsOptionsSchema } from '../../stages/read-shards.ts';
import { collect, rememberingContext, temporaryFolder, valuesOf } from '../support.ts';

const folder = await temporaryFolder();
const mebibyte = 1024 ** 2;

type Member = readonly [name: string, content: string | Uint8Array, headers?: Partial<Headers>];

async function writeTar(name: string, members: readonly Member[]): Promise<string> {
  const path = join(folder, name);
  const tar = pack();
  const file = createWriteStream(path);
  tar.pipe(file);
  for (const [member, content, headers] of members) {
    tar.entry({ name: member, mtime: new Date(0), ...headers }, Buffer.from(content));
  }
  tar.finalize();
  await finished(file);
  return path;
}

async function read(path: string, preset: 'webdataset' | 'img2dataset', input: object = {}) {
  const { context, quarantined } = rememberingContext();
  const options = readShardsOptionsSchema.parse({ preset, batchRows: 3, ...input });
  const batches = await collect(readShards([path], options, context));
  return { batches, quarantined, keys: valuesOf(batches, 'key') };
}

const sample = (key: string, size = 700): Member[] => [
  [`${key}.jpg`, new Uint8Array(size).fill(7)],
  [`${key}.txt`, `a text of ${key}`],
];

describe('tars of samples', () => {
  it('are read as rows: members of one name in a row, texts from .txt or .json', async () => {
    const path = await writeTar('plain.tar', [
      ['./a/one.jpg', new Uint8Array([1, 2, 3])],
      ['./a/one.txt', 'a text'],
      ['./a/one.seg.npy', new Uint8Array(50)],
      ['a/two.json', JSON.stringify({ caption: ['x', 'y'], url: 'https://e.org', width: 3, height: 'no' })],
      ['a/two.PNG', new Uint8Array([9])],
      ['README', 'no part of a sample'],
      ['three.webp', new Uint8Array([4])],
    ]);
    const { batches, quarantined, keys } = await read(path, 'webdataset');
    expect(quarantined).toEqual([]);
    expect(keys).toEqual(['a/one', 'a/two', 'three']);
    expect(valuesOf(batches, 'alt_texts').map((list) => [...(list as string[])])).toEqual([
      ['a text'],
      ['x', 'y'],
      [],
    ]);
    const images = valuesOf(batches, 'image') as { bytes: Uint8Array; path: string }[];
    expect(images.map(({ bytes, path: name }) => [[...bytes], name])).toEqual([
      [[1, 2, 3], './a/one.jpg'],
      [[9], 'a/two.PNG'],
      [[4], 'three.webp'],
    ]);
    expect(valuesOf(batches, 'url')).toEqual([null, 'https://e.org', null]);
    expect([valuesOf(batches, 'width'), valuesOf(batches, 'height')]).toEqual([
      [null, 3, null],
      [null, null, null],
    ]);
    expect(valuesOf(batches, 'row')).toEqual([0, 1, 2]);
  });

  it('cut names at the first dot of the file', () => {
    expect(splitName('a.b/c.seg.JPG')).toEqual({ key: 'a.b/c', extension: 'seg.jpg' });
    for (const name of ['a/b', '.hidden', 'a/.b.jpg', 'x.']) expect(splitName(name)).toBeNull();
  });

  it('quarantine members that are no files, unsafe names, repeated members and bad JSON', async () => {
    const path = await writeTar('bad.tar', [
      ...sample('good'),
      ['link.jpg', '', { type: 'symlink', linkname: '/etc/passwd' }],
      ['../../up.jpg', 'x'],
      ['/absolute.jpg', 'x'],
      ['twice.jpg', 'x'],
      ['twice.png', 'x'],
      ['json.jpg', 'x'],
      ['json.json', '[1, 2'],
      [`${'long/'.repeat(1000)}a.jpg`, 'x'],
      ...sample('last'),
    ]);
    const { quarantined, keys } = await read(path, 'webdataset');
    expect(keys).toEqual(['good', 'last']);
    expect(quarantined.map(({ key, row, reason, shard }) => [key, row, reason, shard])).toEqual([
      ['link', 1, 'not-a-file', path],
      ['../../up', 2, 'unsafe-name', path],
      ['/absolute', 3, 'unsafe-name', path],
      ['twice', 4, 'repeated-member', path],
      ['json', 5, 'bad-json', path],
      ['long/'.repeat(1000).slice(0, 4096), 6, 'long-key', path],
    ]);
  });

  it('quarantine a member that is over the memory, and say how large it is', async () => {
    const path = await writeTar('large.tar', [...sample('a'), ...sample('b', 3 * mebibyte), ...sample('c')]);
    const { quarantined, keys } = await read(path, 'webdataset', { memory: 16 * mebibyte });
    expect(keys).toEqual(['a', 'c']);
    expect(quarantined).toMatchObject([
      { key: 'b', row: 1, reason: 'over-memory', detail: /^b.jpg has 3145728 bytes/ },
    ]);
  });

  it('keep what comes before the place where a tar is cut short, wherever that is', async () => {
    const path = await writeTar('cut.tar', [...sample('a'), ...sample('b'), ...sample('c')]);
    const whole = await readFile(path);
    // A sample of this test takes 512 + 1024 bytes and 512 + 512.
    for (const length of [100, 512, 1000, 1536, 2048, 2200, 2560, 3000, 5119, 5120, 6000, 7680]) {
      await writeFile(path, whole);
      await truncate(path, length);
      const { quarantined, keys } = await read(path, 'webdataset');
      const rows = quarantined.filter(({ row }) => row !== null);
      const begun = Math.ceil(length < 512 ? 0 : (length - 511) / 2560);
      expect([length, keys.length + rows.length]).toEqual([length, begun]);
      // Also between two members, where only the tar's end is missing.
      expect(quarantined.filter(({ row }) => row === null).length).toBe(1);
      for (const { reason } of rows) expect(reason).toBe('cut-short');
    }
  });

  it('quarantine a tar that is none, or has no samples', async () => {
    const [none, empty] = [join(folder, 'none.tar'), await writeTar('empty.tar', [['README', 'x']])];
    await writeFile(none, Buffer.alloc(4000, 'no tar'));
    expect((await read(none, 'webdataset')).quarantined).toMatchObject([
      { shard: none, row: null, reason: 'unreadable-shard' },
    ]);
    expect((await read(empty, 'webdataset')).quarantined).toMatchObject([
      { shard: empty, row: null, reason: 'empty-shard' },
    ]);
  });

  it('make row groups of 1,024 samples, and batches of none across them', async () => {
    const members = Array.from({ length: 1100 }, (_, i) => [`${i}.txt`, 'x'] as const);
    const { batches } = await read(await writeTar('many.tar', members), 'webdataset', { batchRows: 100 });
    expect(batches.reduce((sum, batch) => sum + batch.numRows, 0)).toBe(1100);
    for (const batch of batches) expect(new Set(batch.getChild('row_group')).size).toBe(1);
    expect(valuesOf(batches, 'row').slice(1022, 1026)).toEqual([1022, 1023, 0, 1]);
  });

  it('are refused where the preset reads parquet, and parquet where it reads tars', async () => {
    const path = await writeTar('kind.tar', sample('a'));
    const { context, quarantined } = rememberingContext();
    await collect(readShards([path], readShardsOptionsSchema.parse({}), context));
    await collect(
      readShards(['x.parquet'], readShardsOptionsSchema.parse({ preset: 'webdataset' }), context),
    );
    expect(quarantined.map(({ reason }) => reason)).toEqual(['wrong-format', 'wrong-format']);
  });
});

describe("img2dataset's shards", () => {
  const list = (statuses: string[]): { columnData: ColumnSource[] } => ({
    columnData: [
      { name: 'key', data: statuses.map((_, i) => `00000000${i}`) },
      { name: 'url', data: statuses.map((_, i) => `https://e.org/${i}`) },
      { name: 'caption', data: statuses.map((_, i) => `caption ${i}`) },
      { name: 'status', data: statuses },
      {
        name: 'error_message',
        data: statuses.map((status) => (status === 'success' ? null : 'HTTP Error 404: Not Found')),
      },
    ],
  });
  const write = (path: string, options: Parameters<typeof parquetWriteBuffer>[0]) =>
    writeFile(path, new Uint8Array(parquetWriteBuffer(options)));

  it('are tars with a list: what was not fetched is quarantined with its error, and so is what the tar lacks', async () => {
    const path = await writeTar('00000.tar', [...sample('000000000'), ...sample('000000002')]);
    const listed = join(folder, '00000.parquet');
    await write(listed, list(['success', 'failed_to_download', 'success', 'success']));
    const { quarantined, keys } = await read(path, 'img2dataset');
    expect(keys).toEqual(['000000000', '000000002']);
    expect(quarantined).toMatchObject([
      {
        key: '000000001',
        shard: listed,
        rowGroup: 0,
        row: 1,
        reason: 'not-fetched',
        detail: 'failed_to_download: HTTP Error 404: Not Found',
      },
      { key: '000000003', shard: listed, row: 3, reason: 'missing-member' },
    ]);
  });

  it('are read without a list that is corrupt, whose rows are counted once', async () => {
    const path = await writeTar('00001.tar', [...sample('000000000'), ...sample('000000001')]);
    const listed = join(folder, '00001.parquet');
    await write(listed, list(['success', 'success']));
    const bytes = await readFile(listed);
    await writeFile(listed, bytes.fill(0xff, 4, 60));
    const { quarantined, keys } = await read(path, 'img2dataset');
    expect(keys.length).toBe(2);
    expect(quarantined).toMatchObject([{ shard: listed, row: null, reason: 'unreadable-list' }]);
  });

  it('are parquet with the image in it', async () => {
    const path = join(folder, 'images.parquet');
    const { columnData } = list(['success', 'failed_to_download', 'success']);
    const jpg = [Uint8Array.of(1, 255), null, Uint8Array.of(2)];
    await write(path, { columnData: [...columnData, { name: 'jpg', data: jpg, type: 'BYTE_ARRAY' }] });
    const { batches, quarantined, keys } = await read(path, 'img2dataset');
    expect(keys).toEqual(['000000000', '000000002']);
    expect(quarantined).toMatchObject([{ key: '000000001', row: 1, reason: 'not-fetched' }]);
    const images = valuesOf(batches, 'image') as { bytes: Uint8Array }[];
    expect(images.map(({ bytes }) => [...bytes])).toEqual([[1, 255], [2]]);
    expect([...(valuesOf(batches, 'alt_texts')[1] as string[])]).toEqual(['caption 2']);
  });
});
