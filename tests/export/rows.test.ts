import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Int32, Utf8 } from 'apache-arrow';
import { expect, it } from 'vitest';
import { openExported, selectedRows } from '../../pipeline/export/rows.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { curatedTypes, rowTypes } from '../../schemas/rows.ts';
import { collect, temporaryFolder } from '../support.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of the buffers that something holds. What is collected is freed a little later. */
async function bytesHeld(): Promise<number> {
  for (let turn = 0; turn < 5; turn += 1) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage().arrayBuffers;
}

const [groups, rowsOfGroup, imageBytes] = [40, 8, 120_000];

async function write(path: string, columns: Parameters<typeof batchOf>[0], rowGroupBytes?: number) {
  const writer = await openParquetWriter(path, rowGroupBytes === undefined ? {} : { rowGroupBytes });
  await writer.write(batchOf(columns));
  await writer.close();
}

/** Writes row groups of a few images each, and a selection of one row of each. */
async function writeRows(shard: string, selections: string): Promise<number[]> {
  const rows = Array.from({ length: groups * rowsOfGroup }, (_, i) => i);
  const images = rows.map((i) => ({ bytes: imageOf(i), path: null }));
  const columns = {
    key: { type: rowTypes.key, values: rows.map((i) => `k${i}`) },
    image: { type: rowTypes.image, values: images },
    language: { type: curatedTypes.language, values: rows.map(() => 'en') },
    text: { type: curatedTypes.text, values: rows.map((i) => `text ${i}`) },
  };
  await write(shard, columns, rowsOfGroup * (imageBytes + 100));
  const picked = Array.from({ length: groups }, (_, i) => i * rowsOfGroup + (i % rowsOfGroup));
  await write(selections, {
    step: { type: new Int32(), values: picked.map((_, i) => i) },
    position: { type: new Int32(), values: picked.map(() => 0) },
    key: { type: new Utf8(), values: picked.map((row) => `k${row}`) },
  });
  return picked;
}

const imageOf = (row: number) => new Uint8Array(imageBytes).fill(row);

it('selected rows hold no memory but their own, though each came from a row group of its own', async () => {
  const folder = await temporaryFolder();
  const [shard, selections] = [join(folder, 'a.parquet'), join(folder, 'selections.parquet')];
  const picked = await writeRows(shard, selections);
  const source = await openExported([shard], { teacher: false });
  expect(source.groups).toEqual(new Array(groups).fill(rowsOfGroup));
  const shards = [{ path: shard, groups: source.groups }];
  const chunks = await collect(selectedRows(source, shards, selections, 2 * rowsOfGroup * imageBytes));
  const all = await bytesHeld();
  const selected = chunks.splice(0).flat();
  expect(selected.map(({ key }) => key)).toEqual(picked.map((row) => `k${row}`));
  for (const [i, { image }] of selected.entries()) {
    expect(Buffer.compare(image, imageOf(picked[i] ?? 0))).toBe(0);
  }
  selected.length = 0;
  const held = all - (await bytesHeld());
  expect(held).toBeLessThan(2 * groups * imageBytes);
});
