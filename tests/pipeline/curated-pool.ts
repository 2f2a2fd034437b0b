import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Field, List, Struct, Utf8 } from 'apache-arrow';
import sharp from 'sharp';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { createRandom, type Random } from '../../schemas/random.ts';
import { curatedTypes, embeddingType, rowTypes } from '../../schemas/rows.ts';

const words = ['red', 'cat', 'house', 'tree', 'boat', 'sun', 'Haus', 'Baum', 'gato', 'casa'];
const d = 4;
const languages = ['en', 'en', 'en', 'de', 'es'];

async function noise(random: Random, [width, height]: readonly [number, number]): Promise<Uint8Array> {
  const pixels = Uint8Array.from({ length: width * height * 3 }, () => random.integer(256));
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

const text = (random: Random) => [1, 2, 3].map(() => random.pick(words)).join(' ');

type Shapes = readonly (readonly [width: number, height: number])[];
const squares: Shapes = [[16, 16]];

const images = async (count: number, random: Random, shapes = squares) => {
  const all: { bytes: Uint8Array; path: string }[] = [];
  for (let i = 0; i < count; i += 1) {
    all.push({ bytes: await noise(random, shapes[i % shapes.length] ?? [16, 16]), path: `${i}.png` });
  }
  return { type: rowTypes.image, values: all };
};

async function write(path: string, columns: Parameters<typeof batchOf>[0], metadata = {}): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  const writer = await openParquetWriter(path, { metadata });
  await writer.write(batchOf(columns));
  await writer.close();
}

/** Writes a curated folder of rows of noise, three in five English, as a teacher of 4 dimensions embedded them. */
export async function writeCurated(folder: string, rows: number, seed = 1, shapes = squares): Promise<void> {
  const random = createRandom(seed);
  const range = Array.from({ length: rows }, (_, i) => i);
  const units = () => ({
    type: embeddingType(d),
    values: range.map(() => {
      const row = Array.from({ length: d }, () => random.normal());
      return row.map((value) => value / Math.hypot(...row));
    }),
  });
  await write(
    join(folder, 'shards', '00000.parquet'),
    {
      key: { type: rowTypes.key, values: range.map((i) => `row-${i}`) },
      image: await images(rows, random, shapes),
      language: { type: curatedTypes.language, values: range.map((i) => languages[i % languages.length]) },
      text: { type: curatedTypes.text, values: range.map(() => text(random)) },
      teacher_image: units(),
      teacher_text: units(),
    },
    { teacher: JSON.stringify({ dimension: d, scale: 20, bias: -5 }) },
  );
}

/** Writes an evaluation set of noise, named in two languages. */
export async function writeHeldOut(path: string, count: number): Promise<void> {
  const random = createRandom(99);
  const field = (name: string) => new Field(name, new Utf8(), true);
  const name = new Struct([field('language'), field('name')]);
  await write(path, {
    key: { type: rowTypes.key, values: Array.from({ length: count }, (_, i) => `held-${i}`) },
    image: await images(count, random),
    names: {
      type: new List(new Field('element', name, true)),
      values: Array.from({ length: count }, () =>
        ['en', 'de'].map((language) => ({ language, name: text(random) })),
      ),
    },
  });
}
