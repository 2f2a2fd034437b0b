import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { program, type StopCase } from './stops.ts';

const demoRecipe = fileURLToPath(new URL('../../pipeline/recipes/emoji-109.yaml', import.meta.url));
const checkout = fileURLToPath(new URL('../../', import.meta.url));

/** What commands are started on. */
export interface StopSources {
  /** A folder for what they read. */
  readonly folder: string;
  /** A recipe over pictures, which takes some seconds. */
  readonly recipe: string;
  /** Where a Redis is; without one nothing that needs it is told to stop. */
  readonly redis: string | null;
}

async function assay(...args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`assay ${args.join(' ')} ended with ${code}: ${said}`);
}

/** Another process that waits for workers meanwhile. */
function drivenBy(recipe: string, folder: string, redis: string): NonNullable<StopCase['busy']> {
  return async (signal) => {
    const out = join(folder, 'driven');
    const flags = ['--config', recipe, '--out', out, '--engine', 'bullmq', '--redis', redis];
    const driver = spawn(process.execPath, [program, 'run', ...flags], { stdio: 'ignore' });
    const ended = once(driver, 'exit');
    if (!signal.aborted) await once(signal, 'abort');
    driver.kill('SIGTERM');
    await ended;
    await rm(out, { recursive: true, force: true });
  };
}

/** Asks a feed for the same super-batches again and again: it makes them for the first time, and sends them each time. */
const asking: NonNullable<StopCase['busy']> = async (signal, said) => {
  while (!signal.aborted) {
    const url = /http:\/\/\S+/.exec(said())?.[0];
    if (url === undefined) {
      await delay(50);
      continue;
    }
    // It ends with the feed, which is what is waited for.
    const answer = await fetch(`${url}/v1/super-batches?step=0`).catch(() => null);
    if (answer === null) return;
    const body = await answer.text().catch(() => '');
    if (!answer.ok) throw new Error(`the feed answered ${answer.status}: ${body}`);
  }
};

/** The commands that run for long, each with what it needs. */
export async function stopCases({ folder, recipe, redis }: StopSources): Promise<StopCase[]> {
  const planned = join(folder, 'planned');
  await assay('plan', '--config', recipe, '--out', planned);
  const plan = (out: string) => cp(planned, out, { recursive: true });
  const demo = join(folder, 'demo');
  const small = join(folder, 'demo.yaml');
  const text = (await readFile(demoRecipe, 'utf8'))
    .replaceAll('runs/demo/', `${demo}/`)
    .replace('checkpoint: models/', `checkpoint: ${checkout}models/`)
    .replace('superBatch: 512', 'superBatch: 128')
    .replace('batch: 128', 'batch: 32')
    .replace('steps: 400', 'steps: 12');
  await writeFile(small, text);
  const story = (out: string) => ['demo', '--config', small, '--rows', '400', '--out', out];
  await assay(...story(demo));
  const data = ['--config', small, '--data', join(demo, 'curated')];
  const given = ['--config', recipe];
  const local = ['--workers', '2'];
  const cases: StopCase[] = [
    { name: 'curate', args: (out) => ['curate', ...given, '--out', out, ...local] },
    { name: 'resume', prepare: plan, args: (out) => ['resume', out, ...local] },
    {
      ...{ name: 'run --task-index', prepare: plan, seconds: 14 },
      // The other share never comes.
      args: (out) => ['run', '--plan', out, '--task-index', '0', '--of', '2', ...local],
    },
    { name: 'schedule --once', args: (out) => ['schedule', ...given, '--out', out, '--once', ...local] },
    {
      ...{ name: 'schedule', seconds: 14 },
      args: (out) => ['schedule', ...given, '--out', out, '--cron', '* * * * * *', ...local],
    },
    { name: 'demo', args: story, last: /^report: /m },
    { name: 'distill', args: (out) => ['distill', ...data, '--out', out], last: /^Report: /m },
    {
      ...{ name: 'feed', seconds: 8, code: 0, busy: asking },
      args: (out) => ['feed', ...data, '--out', out, '--port', '0'],
    },
    { name: 'gallery', seconds: 6, args: () => ['gallery', join(demo, 'curated'), '--port', '0'] },
  ];
  if (redis === null) return cases;
  const worker = ['worker', '--redis', redis, '--concurrency', '2'];
  return [
    ...cases,
    { name: 'worker', seconds: 14, args: () => worker, busy: drivenBy(recipe, folder, redis) },
    {
      ...{ name: 'run --engine bullmq', seconds: 8, prepare: plan },
      args: (out) => ['resume', out, '--engine', 'bullmq', '--redis', redis],
    },
  ];
}
