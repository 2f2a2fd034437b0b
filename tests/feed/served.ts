import { join } from 'node:path';
import pino from 'pino';
import { parseConfig } from '../../pipeline/config.ts';
import { type ServedFeed, serveFeed } from '../../pipeline/feed.ts';
import { createRandom } from '../../schemas/random.ts';

/** A recipe of small super-batches over the pool of the tests. */
export const recipeOf = (distill = '', feed = '') => `
seed: 5
threads: 1
distill:
  superBatch: 12
  batch: 6
  chunks: 3
  english: 0.5
  shuffleRows: 24
  training: { steps: 20 }
${distill}
feed:
  side: 16
  patch: 8
${feed}
`;

/** Serves a folder in this process. */
export function serve(
  data: string,
  run: string,
  recipe = recipeOf(),
  settings: {
    readonly host?: string;
    readonly token?: string;
    readonly from?: number;
    readonly fresh?: boolean;
  } = {},
): Promise<ServedFeed> {
  const config = parseConfig(recipe, 'recipe.yaml');
  return serveFeed(config, {
    data,
    out: join(data, run),
    configPath: 'recipe.yaml',
    host: '127.0.0.1',
    port: 0,
    log: pino({ level: process.env.ASSAY_LOG ?? 'silent' }),
    ...settings,
  });
}

/** Unit rows [rows, d] from a seed. */
export function unitRows(rows: number, d: number, seed: string): Float32Array {
  const random = createRandom(seed);
  const values = Float32Array.from({ length: rows * d }, () => random.normal());
  for (let row = 0; row < rows; row += 1) {
    const part = values.subarray(row * d, (row + 1) * d);
    const length = Math.hypot(...part);
    part.forEach((value, k) => {
      part[k] = value / length;
    });
  }
  return values;
}

/** A learner's embeddings, made up. */
export function learnerOf(rows: number, seed = 'learner', d = 8) {
  const images = unitRows(rows, d, `${seed}:images`);
  return { images, texts: unitRows(rows, d, `${seed}:texts`), dimension: d, scale: 10, bias: -10 };
}
