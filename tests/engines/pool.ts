import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Config } from '../../pipeline/config.ts';
import { parseConfig } from '../../pipeline/config.ts';
import type { RunContext } from '../../pipeline/curate.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { type SourceRow, writeSource } from '../support.ts';

const texts = ['a red apple on a plate', 'the happy dog runs', 'blue car in the street', 'ein roter Apfel'];

/** Rows from `from` on: one in four German, one in nine a broken picture, one in seven without a text; some alike. */
export async function poolRows(from: number, count: number): Promise<SourceRow[]> {
  const rows: SourceRow[] = [];
  for (let i = from; i < from + count; i += 1) {
    const background = { r: (i * 7) % 256, g: (i * 31) % 256, b: i % 5 };
    const image = await sharp({ create: { width: 40, height: 40, channels: 3, background } })
      .png()
      .toBuffer();
    rows.push({
      key: `row-${i}`,
      image: i % 9 === 4 ? image.subarray(0, 60) : image,
      altTexts: [i % 7 === 3 ? 'IMG_0001.JPG' : `${texts[i % 4]} ${i}`],
      pageLanguage: i % 4 === 3 ? 'de' : 'en',
    });
  }
  return rows;
}

/** Writes shards of so many rows each, `s0.parquet` and on, and one that is no parquet file. */
export async function writePool(folder: string, rows: readonly number[]): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  let from = 0;
  for (const [i, count] of rows.entries()) {
    const path = join(folder, `s${i}.parquet`);
    await writeSource(path, await poolRows(from, count), 2_000);
    paths.push(path);
    from += count;
  }
  const broken = join(folder, 'broken.parquet');
  await writeFile(broken, 'no parquet file');
  return [...paths, broken];
}

/** A recipe over shards: pictures are plain ones, and no filter of theirs is asked. */
export function poolRecipe(shards: readonly string[], more = ''): string {
  const list = JSON.stringify(shards);
  return `seed: 3\ninput: {shards: ${list}, batchRows: 16}\nmix: {english: 0.6}\noutput: {shardRows: 20}\nimages: {minDeviation: 0, minEntropy: 0}\n${more}`;
}

/** A recipe that keeps every sound row of a folder, or of what else is named, in shards of 20 rows. */
export function keepingRecipe(input: string, more = ''): string {
  return `seed: 3
input: {shards: ${JSON.stringify(input)}, batchRows: 8}
images: {minDeviation: 0, minEntropy: 0}
mix: {enabled: false}
boilerplate: {enabled: false}
output: {shardRows: 20}
${more}`;
}

/** {@link poolRecipe}, read. */
export const poolConfig = (shards: readonly string[], more = ''): Config =>
  parseConfig(poolRecipe(shards, more), 'test.yaml');

/** The context of a run that nobody watches. */
export const quietRun = (): RunContext => ({
  signal: new AbortController().signal,
  progress: silentProgress,
  configPath: 'test.yaml',
});

/** Every file of a run that rows end in, by name. */
export async function outputsOf(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const part of ['shards', 'dropped', 'quarantine']) {
    for (const name of await readdir(join(folder, part))) {
      const bytes = await readFile(join(folder, part, name));
      found[`${part}/${name}`] = createHash('sha256').update(bytes).digest('hex');
    }
  }
  return found;
}
