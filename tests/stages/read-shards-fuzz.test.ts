import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { pack } from 'tar-stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { openShard } from '../../schemas/parquet-reader.ts';
import type { PresetName } from '../../schemas/presets.ts';
import { createRandom, type Random } from '../../schemas/random.ts';
import { compressors } from '../../schemas/zstd.ts';
import { readShards, readShardsOptionsSchema } from '../../stages/read-shards.ts';
import { rememberingContext, temporaryFolder } from '../support.ts';

const folder = await temporaryFolder();
const mutants = Number(process.env.ASSAY_FUZZ ?? 2000);
const seed = Number(process.env.ASSAY_FUZZ_SEED ?? 1);

interface Original {
  readonly name: string;
  readonly preset: PresetName;
  readonly bytes: Buffer;
}

const rows = 40;
const sql = `SELECT 'k' || i AS key, struct_pack(bytes := encode(repeat('x' || i, 3)), path := i || '.png') AS image,
  CASE WHEN i % 5 = 0 THEN NULL ELSE ['text ' || (i % 3), 'other'][1:1 + i % 2] END AS alt_texts,
  'title ' || (i % 2) AS page_title, i::INT AS width, (i * 7)::BIGINT AS height FROM range(${rows}) t(i)`;

async function originals(): Promise<Original[]> {
  const made: Original[] = [];
  const add = async (path: string, preset: PresetName = 'webli') => {
    made.push({ name: path, preset, bytes: await readFile(path) });
  };
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  for (const [codec, version] of [
    ['uncompressed', 'V1'],
    ['uncompressed', 'V2'],
    ['snappy', 'V1'],
    ['zstd', 'V2'],
    ['gzip', 'V1'],
    ['lz4_raw', 'V2'],
    ['brotli', 'V1'],
  ]) {
    const path = join(folder, `${codec}-${version}.parquet`);
    await connection.run(
      `COPY (${sql}) TO '${path}' (FORMAT parquet, COMPRESSION ${codec}, PARQUET_VERSION ${version})`,
    );
    await add(path);
  }
  connection.closeSync();
  instance.closeSync();
  const text = (of: string) => Array.from({ length: rows }, (_, i) => `${of} ${i}`);
  for (const codec of ['UNCOMPRESSED', 'ZSTD'] as const) {
    const path = join(folder, `pages-${codec}.parquet`);
    const columnData = [
      { name: 'uid', data: text('uid'), encoding: 'DELTA_BYTE_ARRAY' as const },
      { name: 'url', data: text('url'), encoding: 'DELTA_LENGTH_BYTE_ARRAY' as const },
      { name: 'text', data: text('text').map((_, i) => `text ${i % 4}`) },
      { name: 'clip_b32_similarity_score', data: text('').map((_, i) => i / 50) },
    ];
    const options = { columnData, codec, compressors, pageSize: 100, rowGroupSize: 15 };
    await writeFile(path, new Uint8Array(parquetWriteBuffer(options)));
    await add(path, 'datacomp');
  }
  const tar = pack();
  for (let i = 0; i < 6; i += 1) {
    // The third name is long enough for headers of its own.
    const name = i === 2 ? `${'long'.repeat(40)}${i}` : `0000${i}`;
    tar.entry({ name: `${name}.jpg`, mtime: new Date(0) }, Buffer.alloc(300, i + 1));
    tar.entry(
      { name: `${name}.json`, mtime: new Date(0) },
      JSON.stringify({ caption: `text ${i}`, width: i }),
    );
  }
  tar.finalize();
  const path = join(folder, 'samples.tar');
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  await writeFile(path, Buffer.concat(chunks));
  await add(path, 'webdataset');
  return made;
}

const fill = (bytes: Buffer, value: number, from: number, to: number) =>
  bytes.fill(value, from, Math.min(to, bytes.length));

type Mutation = (bytes: Buffer, random: Random) => Buffer;

const isFooter = (bytes: Buffer) => bytes.subarray(-4).toString() === 'PAR1';
/** A place in the file; half of the time near its end, where a parquet footer is. */
const placeIn = (bytes: Buffer, random: Random) => {
  if (!isFooter(bytes) || random.uniform() < 0.5) return random.integer(bytes.length);
  const footer = Math.min(bytes.length, bytes.readUInt32LE(bytes.length - 8) + 8);
  return bytes.length - 1 - random.integer(footer);
};

const mutations: readonly Mutation[] = [
  function flipBits(bytes, random) {
    for (let i = 0; i <= random.integer(4); i += 1) {
      const at = placeIn(bytes, random);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(8));
    }
    return bytes;
  },
  function setBytes(bytes, random) {
    const at = placeIn(bytes, random);
    fill(bytes, random.pick([0, 1, 0x7f, 0x80, 0xfe, 0xff]), at, at + 1 + random.integer(9));
    return bytes;
  },
  function randomBytes(bytes, random) {
    const at = placeIn(bytes, random);
    for (let i = at; i < at + 1 + random.integer(12); i += 1)
      if (i < bytes.length) bytes[i] = random.integer(256);
    return bytes;
  },
  function zeroRange(bytes, random) {
    const at = placeIn(bytes, random);
    return fill(bytes, 0, at, at + random.integer(200));
  },
  function cutShort(bytes, random) {
    return bytes.subarray(0, random.integer(bytes.length));
  },
  function cutOut(bytes, random) {
    const at = placeIn(bytes, random);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.integer(40))]);
  },
  function repeat(bytes, random) {
    const [at, from] = [placeIn(bytes, random), placeIn(bytes, random)];
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + 60), bytes.subarray(at)]);
  },
  function largeNumber(bytes, random) {
    // A number of 5 or 9 bytes in place of whatever is there, as Thrift writes it.
    const at = placeIn(bytes, random);
    const length = random.pick([4, 8]);
    fill(bytes, 0xff, at, at + length);
    if (at + length < bytes.length) bytes[at + length] = 0x07;
    return bytes;
  },
];

let made: Original[];
beforeAll(async () => {
  made = await originals();
});

async function readMutant(path: string, preset: PresetName) {
  const { context, quarantined } = rememberingContext();
  const options = readShardsOptionsSchema.parse({ preset, batchRows: 7, memory: 16 * 1024 ** 2 });
  let kept = 0;
  for await (const batch of readShards([path], options, context)) {
    kept += batch.numRows;
    // What was read can be looked at.
    for (const name of batch.schema.names) for (const value of batch.getChild(name) ?? []) void value;
  }
  return { kept, quarantined };
}

const promised = async (path: string) =>
  (await openShard(path)).rowGroups.reduce((sum, group) => sum + group.rows, 0);

describe('shards that are broken in every way', () => {
  it('are read whole as they are', async () => {
    for (const { name, preset } of made) {
      const { kept, quarantined } = await readMutant(name, preset);
      expect([name, kept, quarantined]).toEqual([name, name.endsWith('.tar') ? 6 : rows, []]);
    }
  });

  it('end in rows or in the quarantine with a reason, row for row, and never in an error', async () => {
    const random = createRandom(seed);
    const reasons = new Map<string, number>();
    let untouched = 0;
    for (let i = 0; i < mutants; i += 1) {
      const original = random.pick(made);
      const mutation = random.pick(mutations);
      const isTar = original.name.endsWith('.tar');
      const path = join(folder, isTar ? 'mutant.tar' : 'mutant.parquet');
      await writeFile(path, mutation(Buffer.from(original.bytes), random));
      const said = `mutant ${i} of ${original.name}, ${mutation.name}`;
      const { kept, quarantined } = await readMutant(path, original.preset).catch((error: Error) => {
        throw new Error(`${said}: ${error.stack}`);
      });
      for (const { reason, detail, shard } of quarantined) {
        expect([said, shard, reason.length > 0, detail.length > 0]).toEqual([said, path, true, true]);
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
      if (quarantined.length === 0) untouched += 1;
      const lost = quarantined.some(({ row }) => row === null);
      const counted = kept + quarantined.filter(({ row }) => row !== null).length;
      if (!isTar && !lost) expect([said, counted]).toEqual([said, await promised(path)]);
      expect(counted).toBeLessThan(20_000);
    }
    // The mutations reach what they are for.
    for (const reason of ['unreadable-shard', 'unreadable-row-group', 'missing-columns', 'cut-short']) {
      expect([reason, reasons.get(reason) ?? 0]).not.toEqual([reason, 0]);
    }
    expect(untouched).toBeGreaterThan(0);
    if (process.env.ASSAY_FUZZ) console.log(untouched, reasons);
  });
});
