import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { readFrom, withImages, withoutImageBytes } from '../../pipeline/curation/tasks/images.ts';
import { takeRows, withColumns } from '../../schemas/batches.ts';
import { inputKind } from '../../schemas/presets.ts';
import { imageBytes } from '../../schemas/provenance.ts';
import { hashImages } from '../../stages/hash-images.ts';
import { type ImagePlace, openImageRows } from '../../stages/read-shards/image-rows.ts';
import { readShards } from '../../stages/read-shards.ts';
import { collect, temporaryFolder, writeSource } from '../support.ts';

const memory = 2 ** 24;
const context = { signal: new AbortController().signal, drop() {}, quarantine() {} };

/** A picture's bytes: large enough that a page of a megabyte holds three. */
const image = (i: number) => new Uint8Array(300_000 + i * 1000).fill(i);
const rowOf = (i: number) => ({ key: `k${i}`, image: i % 7 === 5 ? null : image(i) });

let path: string;
let read: RecordBatch[];

beforeAll(async () => {
  path = join(await temporaryFolder(), 'a.parquet');
  await writeSource(
    path,
    Array.from({ length: 20 }, (_, i) => rowOf(i)),
    3_000_000,
  );
  const batches = readShards([path], { preset: 'webli', batchRows: 4, memory }, context);
  read = await collect(hashImages().run(batches, context));
});

describe('openImageRows', () => {
  it('gives any rows of any row groups, in any order', async () => {
    const places = read.flatMap((batch) =>
      Array.from(
        { length: batch.numRows },
        (_, i): ImagePlace => ({
          shard: path,
          rowGroup: batch.getChild('row_group')?.get(i),
          row: batch.getChild('row')?.get(i),
        }),
      ),
    );
    expect(new Set(places.map(({ rowGroup }) => rowGroup)).size).toBeGreaterThan(1);
    const indices = fc.array(fc.nat(places.length - 1), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fc.array(indices, { minLength: 1, maxLength: 3 }), async (asked) => {
        const images = openImageRows(inputKind({ preset: 'webli' }), memory);
        for (const rows of asked) {
          const found = await images.read(rows.map((i) => places[i] as ImagePlace));
          const offsets = found.valueOffsets as Int32Array;
          for (const [at, i] of rows.entries()) {
            const bytes = (found.values as Uint8Array).subarray(offsets[at], offsets[at + 1]);
            const expected = rowOf(i).image ?? new Uint8Array();
            expect(Buffer.compare(bytes, expected), `row ${i}`).toBe(0);
          }
        }
        await images.close();
      }),
      { numRuns: 10 },
    );
  });
});

const whole = (batches: RecordBatch[]) =>
  collect(withImages(iterate(batches), { input: { shards: [] }, memory }));

async function* iterate(batches: RecordBatch[]): AsyncGenerator<RecordBatch> {
  yield* batches;
}

/** Rows as they are admitted: those that have an image, some of them dropped since. */
function admitted(): RecordBatch[] {
  return read.map((batch) => {
    const rows = Array.from({ length: batch.numRows }, (_, i) => i);
    return takeRows(
      batch,
      rows.filter((i) => imageBytes(batch, i).length > 0 && batch.getChild('row')?.get(i) !== 2),
    );
  });
}

describe('withImages', () => {
  it('gives back what was left in the shards, whatever was dropped meanwhile', async () => {
    const rows = admitted();
    const left = rows.map(withoutImageBytes);
    for (const batch of left)
      expect(batch.getChild('image')?.getChild('bytes')?.nullCount).toBe(batch.numRows);
    const back = await whole(left);
    for (const [b, batch] of rows.entries()) {
      for (let i = 0; i < batch.numRows; i += 1) {
        const got = back[b] as RecordBatch;
        expect(Buffer.compare(imageBytes(got, i), imageBytes(batch, i))).toBe(0);
        expect(got.getChild('image')?.getChild('path')?.get(i)).toBe(batch.getChild('key')?.get(i));
      }
    }
  });

  it('passes on what has its images', async () => {
    const rows = admitted();
    const back = await whole(rows);
    expect(back.map((batch, b) => batch === rows[b])).toEqual(rows.map(() => true));
  });

  it('reads them where the shard lies now', async () => {
    const elsewhere = join(await temporaryFolder(), 'moved.parquet');
    await rename(path, elsewhere);
    try {
      const left = admitted().map(withoutImageBytes);
      await expect(whole(left)).rejects.toThrow('a.parquet: there is no such file');
      const [batch] = await whole(left.map((one) => readFrom(one, elsewhere)));
      expect(Buffer.compare(imageBytes(batch as RecordBatch, 0), image(0))).toBe(0);
    } finally {
      await rename(elsewhere, path);
    }
  });

  it('refuses an image that is another than the one that was admitted, and says which', async () => {
    const [batch] = admitted().map(withoutImageBytes) as [RecordBatch];
    const values = Array.from(batch.getChild('row') ?? [], (row: number) => row + 1);
    const other = withColumns(batch, { row: { type: batch.getChild('row')?.type, values } } as never);
    await expect(whole([other])).rejects.toThrow(/row group 0, row 1: isn't the image that was admitted/);
  });
});
