import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../models/safetensors.ts';
import { tensor } from './toy-towers.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

const tensors = {
  b: tensor([2, 3], 'b'),
  a: { shape: [3], dtype: 'int32', data: Int32Array.of(-1, 0, 7) },
  scalar: { shape: [], dtype: 'float32', data: Float32Array.of(1.5) },
  empty: { shape: [0, 4], dtype: 'float32', data: new Float32Array() },
} as const;

/** A file of a given header and data. */
function fileOf(header: unknown, data = Buffer.alloc(0), length?: bigint): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([size, text, data]);
}

describe('writing and reading', () => {
  it('gives tensors and texts back exactly', async () => {
    const path = join(folder, 'round.safetensors');
    await writeSafetensors(path, tensors, { note: 'ünï' });
    const file = await readSafetensors(path);
    expect(file.tensors).toEqual(tensors);
    expect(file.metadata).toEqual({ note: 'ünï' });
  });

  it('stores half precision when asked, and integers as they are', async () => {
    const path = join(folder, 'half.safetensors');
    await writeSafetensors(path, tensors, {}, { dtype: 'F16' });
    const file = await readSafetensors(path);
    expect(file.tensors.a).toEqual(tensors.a);
    for (const [i, value] of tensors.b.data.entries()) {
      const error = Math.abs((file.tensors.b?.data[i] ?? Number.NaN) - value);
      expect(error).toBeLessThanOrEqual(Math.abs(value) * 2 ** -11);
    }
  });

  it('writes the same bytes whatever the order of the names, and no other file', async () => {
    const { a, ...rest } = tensors;
    const inside = join(folder, 'order');
    await rm(inside, { recursive: true, force: true });
    const { mkdir } = await import('node:fs/promises');
    await mkdir(inside);
    await writeSafetensors(join(inside, '1'), { a, ...rest }, { x: '1', y: '2' });
    await writeSafetensors(join(inside, '2'), { ...rest, a }, { y: '2', x: '1' });
    expect(await readFile(join(inside, '1'))).toEqual(await readFile(join(inside, '2')));
    expect(await readdir(inside)).toEqual(['1', '2']);
  });

  it('begins the data at a multiple of 8 bytes', async () => {
    const path = join(folder, 'aligned.safetensors');
    for (const note of ['', 'x', 'xx', 'xxx']) {
      await writeSafetensors(path, tensors, { note });
      expect(Number((await readFile(path)).readBigUInt64LE(0)) % 8).toBe(0);
    }
  });

  it('leaves the former file alone, and nothing behind, when it fails', async () => {
    const inside = await mkdtemp(join(folder, 'fails-'));
    const path = join(inside, 'kept.safetensors');
    await writeSafetensors(path, { b: tensors.b });
    const before = await readFile(path);
    const broken = { b: { ...tensors.b, shape: [7] } };
    await expect(writeSafetensors(path, broken)).rejects.toThrow(/'b' \[7\] can't hold 6 values/);
    expect(await readFile(path)).toEqual(before);
    expect(await readdir(inside)).toEqual(['kept.safetensors']);
  });
});

describe('hostile files', () => {
  const entry = (from: number, to: number, shape = [(to - from) / 4], dtype = 'F32') => ({
    dtype,
    shape,
    data_offsets: [from, to],
  });
  const eight = Buffer.alloc(8);

  it.each<[string, Buffer, RegExp]>([
    ['an empty file', Buffer.alloc(0), /shorter than/],
    ['a cut length', Buffer.alloc(7), /shorter than/],
    ['a header longer than the file', fileOf({}, eight, 4096n), /header would be 4096 bytes/],
    ['a header of 2^64 - 1 bytes', fileOf({}, eight, 2n ** 64n - 1n), /header would be 18446744073709551615/],
    ['a header that is not JSON', fileOf('{"a":'), /not a JSON object/],
    ['a header that is a list', fileOf([]), /not a JSON object/],
    ['a header that is not UTF-8', fileOf({}, Buffer.of(0xff), 3n), /not a JSON object/],
    ['data cut short', fileOf({ a: entry(0, 8) }, Buffer.alloc(7)), /take 8 bytes, but it holds 7/],
    ['data left over', fileOf({ a: entry(0, 4) }, eight), /take 4 bytes, but it holds 8/],
    ['overlapping tensors', fileOf({ a: entry(0, 8), b: entry(4, 8) }, eight), /overlap or leave a gap/],
    ['a gap', fileOf({ a: entry(4, 8) }, eight), /overlap or leave a gap at byte 0/],
    ['the same bytes twice', fileOf({ a: entry(0, 8), b: entry(0, 8) }, eight), /overlap/],
    ['a shape too large', fileOf({ a: entry(0, 8, [3]) }, eight), /'a' F32 \[3\] can't lie at 0 to 8/],
    ['a shape beyond numbers', fileOf({ a: entry(0, 8, [2 ** 53, 2 ** 53]) }, eight), /'a'/],
    ['a negative size', fileOf({ a: entry(0, 8, [-1, -2]) }, eight), /'a': shape/],
    ['a fractional size', fileOf({ a: entry(0, 8, [0.5, 4]) }, eight), /'a': shape/],
    ['offsets backwards', fileOf({ a: entry(8, 0, [0]) }, eight), /can't lie at 8 to 0/],
    ['offsets below 0', fileOf({ a: entry(-8, 0, [2]) }, eight), /'a': data_offsets/],
    ['another dtype', fileOf({ a: entry(0, 8, [1], 'F64') }, eight), /F32, F16 or I32/],
    ['an unknown field', fileOf({ a: { ...entry(0, 8), url: 'x' } }, eight), /'a'/],
    ['metadata that is not text', fileOf({ __metadata__: { a: 1 } }), /__metadata__ must map texts/],
  ])('%s is refused, and the file named', async (_, bytes, message) => {
    const path = join(folder, 'hostile.safetensors');
    await writeFile(path, bytes);
    await expect(readSafetensors(path)).rejects.toThrow(message);
    await expect(readSafetensors(path)).rejects.toThrow(path);
  });

  it('a tensor named __proto__ does no harm', async () => {
    const path = join(folder, 'proto.safetensors');
    await writeFile(path, fileOf(`{"__proto__":${JSON.stringify(entry(0, 8))}}`, eight));
    await readSafetensors(path).catch(() => {});
    expect(Object.hasOwn(Object.prototype, 'dtype')).toBe(false);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});
