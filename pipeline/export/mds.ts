import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeText } from '../run-folder.ts';
import type { ExportedRow } from './rows.ts';
import type { ExportWriter } from './writer.ts';

/** A column of MosaicML's shards: its encoding by MDS's own name, its bytes where all rows have as many. */
interface MdsColumn {
  readonly name: string;
  readonly encoding: string;
  readonly size: number | null;
  encode(row: ExportedRow): Uint8Array;
}

const text = (name: string, of: (row: ExportedRow) => string): MdsColumn => ({
  name,
  encoding: 'str',
  size: null,
  encode: (row) => Buffer.from(of(row)),
});

const whole = (name: string, of: (row: ExportedRow) => number): MdsColumn => ({
  name,
  encoding: 'int',
  size: 8,
  encode(row) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(of(row)));
    return bytes;
  },
});

const halves = (name: string, d: number, of: (row: ExportedRow) => Uint8Array | null): MdsColumn => ({
  name,
  encoding: `ndarray:float16:${d}`,
  size: 2 * d,
  encode(row) {
    const bytes = of(row);
    if (bytes?.length !== 2 * d) throw new Error(`row ${row.key} has no teacher embedding of ${d} numbers`);
    return bytes;
  },
});

/** The columns in the order that the format has them: by name. */
export function mdsColumns(dimension: number | null, isSelected: boolean): MdsColumn[] {
  const columns = [
    { name: 'image', encoding: 'bytes', size: null, encode: (row: ExportedRow) => row.image },
    text('key', ({ key }) => key),
    text('language', ({ language }) => language),
    text('text', (row) => row.text),
    ...(isSelected
      ? [
          whole('position', ({ selected }) => selected?.position ?? 0),
          whole('step', ({ selected }) => selected?.step ?? 0),
        ]
      : []),
    ...(dimension === null
      ? []
      : [
          halves('teacher_image', dimension, (row) => row.teacherImage),
          halves('teacher_text', dimension, (row) => row.teacherText),
        ]),
  ];
  return columns.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A sample: the sizes of its columns that have none of their own, then all their bytes. */
export function mdsSample(columns: readonly MdsColumn[], row: ExportedRow): Buffer {
  const values = columns.map((column) => column.encode(row));
  const varying = values.filter((_, i) => columns[i]?.size === null);
  const head = Buffer.alloc(4 * varying.length);
  for (const [i, value] of varying.entries()) head.writeUInt32LE(value.length, 4 * i);
  return Buffer.concat([head, ...values]);
}

/** Bytes of a shard at the most, as MosaicML's own writer has it. */
const sizeLimit = 64 * 1024 * 1024;

/**
 * Writes MosaicML's shards (MDS, version 2): `shard.00000.mds` and on, each the number of its samples, their offsets,
 * the columns as JSON and the samples; and `index.json`, which says what is in them.
 */
export function writeMds(folder: string, dimension: number | null, isSelected: boolean): ExportWriter {
  const columns = mdsColumns(dimension, isSelected);
  const config = {
    column_encodings: columns.map(({ encoding }) => encoding),
    column_names: columns.map(({ name }) => name),
    column_sizes: columns.map(({ size }) => size),
    compression: null,
    format: 'mds',
    hashes: [],
    size_limit: sizeLimit,
    version: 2,
  };
  const head = Buffer.from(JSON.stringify(config));
  const index: object[] = [];
  let samples: Buffer[] = [];
  let bytes = 0;
  const empty = 8 + head.length;
  const finish = async () => {
    if (samples.length === 0) return;
    const offsets = Buffer.alloc(4 * (samples.length + 2));
    let at = offsets.length + head.length;
    offsets.writeUInt32LE(samples.length, 0);
    offsets.writeUInt32LE(at, 4);
    for (const [i, sample] of samples.entries()) {
      at += sample.length;
      offsets.writeUInt32LE(at, 4 * (i + 2));
    }
    const basename = `shard.${String(index.length).padStart(5, '0')}.mds`;
    await writeFile(join(folder, basename), [offsets, head, ...samples]);
    const raw = { basename, bytes: at, hashes: {} };
    index.push({ ...config, raw_data: raw, samples: samples.length, zip_data: null });
    [samples, bytes] = [[], 0];
  };
  return {
    async write(rows) {
      for (const row of rows) {
        const sample = mdsSample(columns, row);
        if (samples.length > 0 && empty + bytes + sample.length + 4 > sizeLimit) await finish();
        samples.push(sample);
        bytes += sample.length + 4;
      }
    },
    async close() {
      await finish();
      await writeText(join(folder, 'index.json'), JSON.stringify({ shards: index, version: 2 }));
    },
    abort: async () => {},
  };
}
