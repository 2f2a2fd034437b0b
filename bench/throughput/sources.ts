import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Float64, Int32, Int64, Utf8 } from 'apache-arrow';
import PQueue from 'p-queue';
import sharp from 'sharp';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { createRandom } from '../../schemas/random.ts';
import { rowTypes } from '../../schemas/rows.ts';

const words = 'a red blue old small dog cat house tree river on in the with of near street morning'.split(
  ' ',
);

function textOf(row: number): string {
  const random = createRandom(`text:${row}`);
  return `${Array.from({ length: 6 + random.integer(6) }, () => random.pick(words)).join(' ')} ${row}`;
}

/** Pictures to build: how many, of which size, how many a shard. */
export interface PictureSource {
  readonly rows: number;
  readonly width: number;
  readonly height: number;
  readonly shardRows: number;
}

/** Builds shards of JPEGs, no two alike, of blurred noise: as large as photos of their size. */
export async function buildPictures(folder: string, source: PictureSource): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const queue = new PQueue({ concurrency: 4 });
  const paths: string[] = [];
  for (let start = 0; start < source.rows; start += source.shardRows) {
    const rows = Array.from({ length: Math.min(source.shardRows, source.rows - start) }, (_, i) => start + i);
    const images = await queue.addAll(rows.map((row) => () => picture(row, source)));
    const path = join(folder, `${String(paths.length).padStart(5, '0')}.parquet`);
    const writer = await openParquetWriter(path, { rowGroupBytes: 8 * 1024 * 1024 });
    await writer.write(
      batchOf({
        key: { type: rowTypes.key, values: rows.map((row) => `k${row}`) },
        image: {
          type: rowTypes.image,
          values: images.map((bytes, i) => ({ bytes, path: `${rows[i]}.jpg` })),
        },
        alt_texts: { type: rowTypes.alt_texts, values: rows.map((row) => [textOf(row)]) },
      }),
    );
    await writer.close();
    paths.push(path);
  }
  return paths;
}

async function picture(row: number, { width, height }: PictureSource): Promise<Buffer> {
  const random = createRandom(`picture:${row}`);
  const [w, h] = [Math.ceil(width / 8), Math.ceil(height / 8)];
  const noise = Uint8Array.from({ length: w * h * 3 }, () => random.integer(256));
  return sharp(noise, { raw: { width: w, height: h, channels: 3 } })
    .resize(width, height)
    .jpeg({ quality: 90 })
    .toBuffer();
}

/** Builds one shard of metadata with LAION's columns: addresses and texts, no images. */
export async function buildMetadata(path: string, rows: number): Promise<void> {
  const writer = await openParquetWriter(path);
  const chunk = 20_000;
  for (let start = 0; start < rows; start += chunk) {
    const ids = Array.from({ length: Math.min(chunk, rows - start) }, (_, i) => start + i);
    await writer.write(
      batchOf({
        SAMPLE_ID: { type: new Int64(), values: ids.map(BigInt) },
        URL: { type: new Utf8(), values: ids.map((id) => `https://example.org/images/${id}.jpg`) },
        TEXT: { type: new Utf8(), values: ids.map(textOf) },
        HEIGHT: { type: new Int32(), values: ids.map((id) => 200 + (id % 800)) },
        WIDTH: { type: new Int32(), values: ids.map((id) => 200 + (id % 900)) },
        similarity: { type: new Float64(), values: ids.map((id) => (id % 100) / 250) },
      }),
    );
  }
  await writer.close();
}
