import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeCurated } from '../pipeline/curated-pool.ts';
import { temporaryFolder } from '../support.ts';
import { freePort, type Started, startFeed, startTrainer } from './processes.ts';

const steps = 50;
const recipe = `
seed: 3
threads: 1
distill:
  superBatch: 16
  batch: 8
  chunks: 4
  english: 0.5
  shuffleRows: 48
  training: { steps: ${steps} }
feed:
  stateEvery: 5
`;

let folder: string;
const started: Started[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeCurated(folder, 90);
  await writeFile(join(folder, 'recipe.yaml'), recipe);
});

afterEach(() => {
  for (const { child } of started.splice(0)) child.kill('SIGKILL');
});

const feedAt = async (run: string, port = '0') => {
  const args = ['--data', folder, '--config', 'recipe.yaml', '--out', run, '--port', port];
  const feed = await startFeed(folder, args);
  started.push(feed);
  return feed;
};

const trainerAt = (url: string, name: string) => {
  const trainer = startTrainer(folder, [url, join(folder, `${name}.safetensors`), String(steps)]);
  started.push(trainer);
  return trainer;
};

/** The selections of a fine-tune once its feed has ended as it was asked to. */
async function endedWith(feed: Started, run: string): Promise<Buffer> {
  feed.child.kill('SIGTERM');
  await feed.ended();
  return readFile(join(folder, run, 'selections.parquet'));
}

async function undisturbed(): Promise<{ selections: Buffer; losses: string[] }> {
  const feed = await feedAt('undisturbed');
  const trainer = trainerAt(feed.url, 'undisturbed');
  await trainer.ended();
  return { selections: await endedWith(feed, 'undisturbed'), losses: trainer.lines };
}

async function killed(): Promise<{ selections: Buffer; losses: string[]; resumedAt: number }> {
  const port = await freePort();
  const feed = await feedAt('killed', port);
  const first = trainerAt(feed.url, 'killed');
  while (!(await first.line()).startsWith('22 ')) {}
  // Both at once, wherever they are.
  feed.child.kill('SIGKILL');
  first.child.kill('SIGKILL');
  await Promise.all([first, feed].map((process) => process.ended().catch(() => {})));
  const again = await feedAt('killed', port);
  const second = trainerAt(again.url, 'killed');
  await second.ended();
  const resumedAt = Number.parseInt(second.lines[0] ?? '', 10);
  return { selections: await endedWith(again, 'killed'), losses: second.lines, resumedAt };
}

describe('a fine-tune through a feed, the trainer in its own process', () => {
  it('that is killed with its feed at a step goes on to the same selections, byte for byte', async () => {
    const [whole, broken] = await Promise.all([undisturbed(), killed()]);
    expect(whole.losses).toHaveLength(steps);
    expect(broken.resumedAt).toBe(20);
    expect(broken.losses).toEqual(whole.losses.slice(20));
    expect(broken.selections.equals(whole.selections)).toBe(true);
    expect(whole.selections.length).toBeGreaterThan(steps * 8);
  }, 300_000);
});
