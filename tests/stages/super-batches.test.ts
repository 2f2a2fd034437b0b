import { BufferType, Data, Field, FixedSizeList, type RecordBatch, Uint8 } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { batchOf, withColumns } from '../../schemas/batches.ts';
import { createRandom } from '../../schemas/random.ts';
import { curatedTypes, embeddingType, rowTypes } from '../../schemas/rows.ts';
import { formSuperBatches } from '../../stages/form-super-batches.ts';
import { streamOf } from '../support.ts';

/** Decoded rows: each one's pixels and embeddings tell its number. */
function decoded(count: number, isEnglish: (i: number) => boolean): RecordBatch {
  const range = Array.from({ length: count }, (_, i) => i);
  const type = new FixedSizeList(3, new Field('element', new Uint8(), false));
  const bytes = Uint8Array.from(range.flatMap((i) => [i, i, i]));
  const child = new Data(new Uint8(), 0, bytes.length, 0, { [BufferType.DATA]: bytes });
  const half = embeddingType(2);
  return withColumns(
    batchOf({
      key: { type: rowTypes.key, values: range.map(String) },
      language: { type: curatedTypes.language, values: range.map((i) => (isEnglish(i) ? 'en' : 'de')) },
      text: { type: curatedTypes.text, values: range.map((i) => `text ${i}`) },
      teacher_image: { type: half, values: range.map((i) => [i / 256, 1]) },
      teacher_text: { type: half, values: range.map((i) => [-i / 256, 0.5]) },
    }),
    { pixels: new Data(type, 0, count, 0, {}, [child]) },
  );
}

const tenth = (i: number) => i % 10 !== 0;
const options = { size: 20, english: 0.9, shuffleRows: 40 };

async function take(count: number, batches: AsyncGenerator<{ keys: readonly string[] }>) {
  const taken: (readonly string[])[] = [];
  for await (const { keys } of batches) if (taken.push(keys) === count) break;
  return taken;
}

describe('forming super-batches', () => {
  it('gives every one its share of English, and no row twice', async () => {
    const batches = formSuperBatches(() => streamOf(decoded(200, tenth)), options, createRandom(1));
    for (const keys of await take(25, batches)) {
      expect(new Set(keys).size).toBe(20);
      expect(keys.filter((key) => !tenth(Number(key))).length).toBe(2);
    }
  });

  it('offers every row once an epoch when the shares fit', async () => {
    const batches = formSuperBatches(() => streamOf(decoded(200, tenth)), options, createRandom(1));
    const epoch = (await take(10, batches)).flat().map(Number);
    expect(epoch.sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it('keeps pixels, texts and embeddings with their key', async () => {
    const batches = formSuperBatches(() => streamOf(decoded(200, tenth)), options, createRandom(2));
    const { value } = await batches.next();
    value.keys.forEach((key: string, i: number) => {
      expect(value.pixels[i * 3 + 1]).toBe(Number(key));
      expect(value.texts[i]).toBe(`text ${key}`);
      expect(value.teacherImages[i * 2]).toBeCloseTo(Number(key) / 256, 3);
      expect(value.teacherTexts[i * 2]).toBeCloseTo(-Number(key) / 256, 3);
    });
  });

  it('is the same under the same seed, and another under another', async () => {
    const run = (seed: number) =>
      take(
        5,
        formSuperBatches(() => streamOf(decoded(200, tenth)), options, createRandom(seed)),
      );
    expect(await run(1)).toEqual(await run(1));
    expect(await run(1)).not.toEqual(await run(2));
  });

  it('shuffles beyond the order of the rows', async () => {
    const batches = formSuperBatches(() => streamOf(decoded(200, tenth)), options, createRandom(3));
    const [first = []] = await take(1, batches);
    expect(first.map(Number)).not.toEqual([...first].map(Number).sort((a, b) => a - b));
  });

  it('draws from all rows alike without a share', async () => {
    const everything = { ...options, english: null };
    const batches = formSuperBatches(() => streamOf(decoded(40, () => false)), everything, createRandom(1));
    expect((await take(2, batches)).flat().length).toBe(40);
  });

  it('says which part lacks rows', async () => {
    const batches = formSuperBatches(() => streamOf(decoded(50, () => true)), options, createRandom(1));
    await expect(batches.next()).rejects.toThrow(/2 non-English rows, and the data has 0/);
  });
});
