import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Data, Struct, type StructRowProxy } from 'apache-arrow';
import { Feed } from '../../docs/clients/assay-client.mjs';
import { toFloat16 } from '../../models/float16.ts';
import { batchOf, batchOfData, columnData } from '../../schemas/batches.ts';
import { binaryColumn, listColumn } from '../../schemas/columns.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { createRandom } from '../../schemas/random.ts';
import { curatedTypes, rowTypes } from '../../schemas/rows.ts';

/** Writes a curated folder of one shard: images of `bytes` bytes about, embeddings of d numbers. */
export async function writePool(folder: string, rows: number, bytes: number, d: number): Promise<void> {
  await mkdir(join(folder, 'shards'), { recursive: true });
  const random = createRandom('pool');
  const noise = Buffer.from(Uint32Array.from({ length: 1 << 20 }, () => random.integer(2 ** 32)).buffer);
  const metadata = { teacher: JSON.stringify({ dimension: d, scale: 100, bias: -15 }) };
  const path = join(folder, 'shards', '00000.parquet');
  const writer = await openParquetWriter(path, { metadata, rowGroupBytes: 16 * 1024 * 1024 });
  // Numbers as embeddings have them, of which a dictionary makes nothing; a row's length is about 1.
  const numbers = toFloat16(
    Float32Array.from({ length: Math.max(1 << 18, 512 * d) }, () => random.normal() / Math.sqrt(d)),
  );
  for (let from = 0; from < rows; from += 256) {
    const count = Math.min(256, rows - from);
    const texts = batchOf({
      key: { type: rowTypes.key, values: Array.from({ length: count }, (_, i) => `row-${from + i}`) },
      language: { type: curatedTypes.language, values: Array.from({ length: count }, () => 'en') },
      text: {
        type: curatedTypes.text,
        values: Array.from({ length: count }, (_, i) => `a photo of ${from + i}`),
      },
    });
    const images = Array.from({ length: count }, () => {
      const start = random.integer(noise.length - 2 * bytes);
      return noise.subarray(start, start + Math.round(bytes * (0.5 + random.uniform())));
    });
    const { children } = rowTypes.image;
    const paths = columnData(texts, 'key');
    const image = new Data(new Struct<StructRowProxy>(children as never), 0, count, 0, {}, [
      binaryColumn(images),
      paths,
    ]);
    const halves = () => {
      const start = random.integer(numbers.length - count * d);
      return listColumn(numbers.slice(start, start + count * d), d);
    };
    await writer.write(
      batchOfData([
        ...['key', 'language', 'text'].map((name) => [name, columnData(texts, name)] as const),
        ['image', image],
        ['teacher_image', halves()],
        ['teacher_text', halves()],
      ]),
    );
  }
  await writer.close();
}

/** Serves a folder by a process of its own, started with these flags of Node, for as long as the work takes. */
export async function withFeed<T>(
  folder: string,
  recipe: object,
  work: (feed: Feed) => Promise<T>,
  flags: readonly string[] = [],
): Promise<T> {
  await writeFile(join(folder, 'feed.yaml'), JSON.stringify(recipe));
  const program = fileURLToPath(new URL('../../pipeline/cli/assay.js', import.meta.url));
  const args = [
    'feed',
    '--data',
    folder,
    '--config',
    join(folder, 'feed.yaml'),
    '--out',
    join(folder, 'run'),
  ];
  const child: ChildProcess = spawn(
    process.execPath,
    [...flags, program, ...args, '--port', '0', '--json', '--fresh'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  try {
    const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    const { url } = JSON.parse(String(line)) as { url: string };
    return await work(new Feed(url, { retries: 0 }));
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

/** To a thousandth. */
export const round = (value: number): number => Math.round(value * 1000) / 1000;
