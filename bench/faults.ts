import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../pipeline/curation/duplicates/database.ts';
import { exactly, parquetOf } from '../pipeline/sql-text.ts';
import { createRandom, type Random } from '../schemas/random.ts';
import type { CurationReport } from '../schemas/reports.ts';
import { redisMissing, startRedis } from './faults/redis-server.ts';
import { stopCases } from './faults/stop-cases.ts';
import { program, type Stopped, stopAll } from './faults/stops.ts';
import { buildPictures } from './throughput/sources.ts';

/** How much is tried. */
export interface FaultOptions {
  /** Pictures of the pool. */
  readonly rows?: number | undefined;
  /** Times that a run is killed. */
  readonly kills?: number | undefined;
  /** Whether two workers of Redis are held against one; not where it isn't installed. */
  readonly workers?: boolean | undefined;
  /** Moments at which each command that runs for long is told to stop. */
  readonly stops?: number | undefined;
}

const seed = 1;

/**
 * Kills real runs and damages real shards, and holds what comes out against runs that nothing happened to:
 *
 * - `killsSurvived`: times that `assay run` or `assay resume` was ended by SIGKILL at a random moment (seeded) and a
 *   resumed run ended well; `killsBeforePlan`: those among them before there was a plan, where the run began anew.
 * - `bytesIdentical`: 1 where each of those runs left the bytes of an undisturbed one.
 * - `rowsLost`, `rowsTwice`: rows of the undisturbed runs that the others lack, or have more than once.
 * - `badShards`: shards cut short, of a broken footer, of a broken page, of no length, tried among good ones.
 * - `stops`: times that a command that runs for long (`curate`, `resume`, shares, `schedule`, `worker`, `distill`, `demo`,
 *   `feed`, `gallery`) was told to stop, by SIGTERM and by Ctrl-C in turn, at random moments (seeded).
 * - `stopsWithinSeconds`: the longest that one of them took to be gone, with all of its processes.
 * - `stopsUnclean`: those that ended with another exit code than the signal's, or left a process or an unfinished file.
 * - `bullmqTwoOverOne`: seconds of a run by one worker over Redis over those of one by two, a task at a time each.
 */
export async function benchFaults({
  rows = 240,
  kills = 30,
  workers = true,
  stops = 2,
}: FaultOptions): Promise<Record<string, number | string>> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-faults-'));
  try {
    const size = { width: 320, height: 240, shardRows: Math.ceil(rows / 8) };
    const shards = await buildPictures(join(folder, 'in'), { rows, ...size });
    const recipe = await writeRecipe(folder, 'good', join(folder, 'in'));
    const killed = await killRuns(folder, recipe, kills);
    const damaged = await damageShards(folder, shards, killed.reference);
    return {
      ...killed.figures,
      rowsLost: killed.figures.rowsLost + damaged.rowsLost,
      rowsTwice: killed.figures.rowsTwice + damaged.rowsTwice,
      badShards: damaged.badShards,
      badShardsQuarantined: damaged.quarantined,
      ...(stops > 0 ? await tellToStop(folder, rows, stops) : {}),
      ...(workers ? await compareWorkers(folder, rows) : {}),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A recipe that keeps every sound row: what is lost is then seen. */
async function writeRecipe(folder: string, name: string, shards: string, shardRows = 64): Promise<string> {
  const path = join(folder, `${name}.yaml`);
  const parts = [
    `input: { shards: ${JSON.stringify(shards)}, batchRows: 32 }`,
    'mix: { enabled: false }',
    `output: { shardRows: ${shardRows} }`,
    // An image in flight: a worker is then one core's work, and two are held against one.
    'images: { concurrency: 1 }',
  ];
  await writeFile(path, `seed: ${seed}\n${parts.join('\n')}\n`);
  return path;
}

interface Ended {
  readonly code: number | null;
  readonly seconds: number;
  readonly said: string;
}

/** Runs the program; with `killAfter` it is ended by SIGKILL after so many seconds, unless it ended before. */
async function assay(args: readonly string[], killAfter?: number): Promise<Ended> {
  const started = performance.now();
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  const timer =
    killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), 1000 * killAfter);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  return { code, seconds: (performance.now() - started) / 1000, said };
}

async function succeed(args: readonly string[]): Promise<Ended> {
  const ended = await assay(args);
  if (ended.code !== 0) throw new Error(`assay ${args.join(' ')} ended with ${ended.code}: ${ended.said}`);
  return ended;
}

const exists = async (path: string) => (await stat(path).catch(() => null)) !== null;

async function killRuns(folder: string, recipe: string, kills: number) {
  const reference = join(folder, 'undisturbed');
  const { seconds } = await succeed(['run', '--config', recipe, '--out', reference, '--workers', '2']);
  const expected = await bytesOf(reference);
  const random = createRandom(seed);
  let [survived, beforePlan, runs, identical, rowsLost, rowsTwice] = [0, 0, 0, 0, 0, 0];
  while (survived < kills) {
    const out = join(folder, `killed-${runs}`);
    let pending = 0;
    for (;;) {
      const isPlanned = await exists(join(out, 'work', 'plan.json'));
      const args = isPlanned ? ['resume', out] : ['run', '--config', recipe, '--out', out];
      const isLast = survived + pending >= kills;
      // A resumed run has less to do: moments are of what an undisturbed one takes.
      const after = isLast ? undefined : (0.15 + 0.85 * random.uniform()) * seconds;
      const { code, said } = await assay([...args, '--workers', '2'], after);
      if (code === 0) break;
      if (code !== null) throw new Error(`${args[0]} after ${pending} kills ended with ${code}: ${said}`);
      pending += 1;
      if (!(await exists(join(out, 'work', 'plan.json')))) beforePlan += 1;
    }
    survived += pending;
    runs += 1;
    identical += (await bytesOf(out)) === expected ? 1 : 0;
    const { lost, twice } = await compareKeys(reference, out);
    rowsLost += lost;
    rowsTwice += twice;
    await rm(out, { recursive: true });
  }
  return {
    reference,
    figures: {
      killsSurvived: survived,
      killsBeforePlan: beforePlan,
      runs,
      bytesIdentical: identical === runs ? 1 : 0,
      rowsLost,
      rowsTwice,
    },
  };
}

/** A digest of every byte of a run's shards and ledger, and of their names. */
async function bytesOf(run: string): Promise<string> {
  const hash = createHash('sha256');
  for (const part of ['shards', 'dropped', 'quarantine']) {
    for (const name of (await readdir(join(run, part))).sort()) {
      hash.update(`${part}/${name}\n`);
      for await (const chunk of createReadStream(join(run, part, name))) hash.update(chunk);
    }
  }
  return hash.digest('hex');
}

/** Rows of a run, by their bytes, that another one lacks, and those that the other has more than once. */
async function compareKeys(expected: string, run: string): Promise<{ lost: number; twice: number }> {
  const database = await openDatabase(run);
  const keys = (of: string) => parquetOf(join(exactly(of), 'shards', '*.parquet'));
  const count = async (sql: string) => Number((await database.rows(sql))[0]?.rows ?? 0);
  try {
    return {
      lost: await count(
        `SELECT count(*) AS rows FROM (SELECT sha256 FROM ${keys(expected)} EXCEPT SELECT sha256 FROM ${keys(run)})`,
      ),
      twice: await count(`SELECT count(*) - count(DISTINCT sha256) AS rows FROM ${keys(run)}`),
    };
  } finally {
    database.close();
  }
}

const damages: Readonly<Record<string, (path: string, bytes: Buffer, random: Random) => Promise<void>>> = {
  truncated: (path, bytes, random) => truncate(path, 1 + random.integer(bytes.length - 8)),
  footer: (path, bytes, random) => {
    const from = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
    return scramble(path, bytes, from, bytes.length - 8, random);
  },
  page: (path, bytes, random) => {
    const middle = Math.floor(bytes.length / 2);
    return scramble(path, bytes, middle, middle + 4096, random);
  },
  empty: (path) => truncate(path, 0),
};

async function scramble(path: string, bytes: Buffer, from: number, to: number, random: Random) {
  const copy = Buffer.from(bytes);
  for (let at = from; at < Math.min(to, copy.length); at += 1) copy[at] = random.integer(256);
  await writeFile(path, copy);
}

/** Curates the good shards with damaged copies of other ones beside them. */
async function damageShards(folder: string, shards: readonly string[], reference: string) {
  const mixed = join(folder, 'mixed');
  await mkdir(mixed);
  for (const [i, path] of shards.entries()) await copyFile(path, join(mixed, `good-${i}.parquet`));
  const extra = await buildPictures(join(folder, 'extra'), { rows: 8, width: 64, height: 48, shardRows: 8 });
  const bytes = await readFile(extra[0] ?? '');
  const random = createRandom(seed);
  let badShards = 0;
  for (const [name, damage] of Object.entries(damages)) {
    for (let i = 0; i < 3; i += 1) {
      const path = join(mixed, `${name}-${i}.parquet`);
      await writeFile(path, bytes);
      await damage(path, bytes, random);
      badShards += 1;
    }
  }
  const recipe = await writeRecipe(folder, 'mixed', mixed);
  const out = join(folder, 'with-bad-shards');
  await succeed(['run', '--config', recipe, '--out', out, '--workers', '2']);
  const report = JSON.parse(await readFile(join(out, 'report.json'), 'utf8')) as CurationReport;
  if (!report.balanced) throw new Error('rows of the run with bad shards do not add up');
  const { lost, twice } = await compareKeys(reference, out);
  const quarantined = report.quarantined + report.quarantinedShards;
  return { badShards, quarantined, rowsLost: lost, rowsTwice: twice };
}

/** Tells each command that runs for long to stop, at several moments of its work. */
async function tellToStop(folder: string, rows: number, times: number) {
  const pool = join(folder, 'photos-to-stop');
  await buildPictures(pool, { rows, width: 640, height: 480, shardRows: Math.ceil(rows / 8) });
  const recipe = await writeRecipe(folder, 'to-stop', pool);
  const redis = redisMissing() === null ? await startRedis() : null;
  try {
    const sources = join(folder, 'sources-to-stop');
    await mkdir(sources);
    const cases = await stopCases({ folder: sources, recipe, redis: redis?.url ?? null });
    const tell = ({ name, signal, after, seconds, clean, said, left }: Stopped) => {
      const how = clean ? '' : `, not clean (${left.join(', ')}): ${said.slice(-500)}`;
      const line = `${name}: ${signal} after ${after.toFixed(1)} s: gone in ${seconds.toFixed(2)} s${how}`;
      process.stderr.write(`${line}\n`);
    };
    const stopped = await stopAll(cases, { folder: join(folder, 'stopped'), times, tell });
    return {
      stops: stopped.length,
      stopsWithinSeconds: Math.round(100 * Math.max(...stopped.map(({ seconds }) => seconds))) / 100,
      stopsUnclean: stopped.filter(({ clean }) => !clean).length,
    };
  } finally {
    await redis?.close();
  }
}

/** Pictures that workers are compared by, at the least. */
const leastPictures = 4_800;

/** A run by one worker over Redis, and one by two, in turn. */
async function compareWorkers(folder: string, rows: number): Promise<Record<string, number | string>> {
  const missing = redisMissing();
  if (missing !== null) return { bullmqTwoOverOne: missing };
  const pool = join(folder, 'photos');
  // Tasks are of 32 MiB, a shard each: enough of them that neither the first ones nor a last one alone weigh much. Of the
  // shards that come out as well: those of a few pictures would measure how often the disk can be flushed.
  const pictures = Math.max(4 * rows, leastPictures);
  const size = { width: 640, height: 480, shardRows: Math.ceil(pictures / 16) };
  await buildPictures(pool, { rows: pictures, ...size });
  const recipe = await writeRecipe(folder, 'photos', pool, 256);
  const redis = await startRedis();
  const start = async () => {
    const flags = ['worker', '--redis', redis.url, '--concurrency', '1'];
    const child = spawn(process.execPath, [program, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk) => String(chunk).includes('working for') && resolve());
    });
    return child;
  };
  const run = async (name: string) => {
    const flags = ['--engine', 'bullmq', '--redis', redis.url];
    const out = join(folder, name);
    await succeed(['run', '--config', recipe, '--out', out, ...flags]);
    const { phases } = JSON.parse(await statusOf(out)) as { phases: Phases };
    const bytes = await bytesOf(out);
    await rm(out, { recursive: true });
    return { seconds: phases.reduce((sum, one) => sum + secondsOf(one), 0), bytes };
  };
  const children = [await start()];
  try {
    // The first run opens processes and models; of two others the one that less came in the way of.
    const quickest = async (name: string) => {
      await run(`${name}-first`);
      const [a, b] = [await run(`${name}-second`), await run(`${name}-third`)];
      if (a.bytes !== b.bytes) throw new Error(`two runs by ${name} left other bytes`);
      return a.seconds < b.seconds ? a : b;
    };
    const one = await quickest('one');
    children.push(await start());
    const two = await quickest('two');
    return {
      bullmqTwoOverOne: Math.round((100 * one.seconds) / two.seconds) / 100,
      bullmqBytesIdentical: one.bytes === two.bytes ? 1 : 0,
    };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await redis.close();
  }
}

type Phases = readonly { readonly rows: number; readonly rowsPerSecond: number | null }[];

/** Of the phases whose tasks run side by side: from the first task's beginning to the last one's end. */
function secondsOf({ rows, rowsPerSecond }: Phases[number]): number {
  return rowsPerSecond === null ? 0 : rows / rowsPerSecond;
}

async function statusOf(out: string): Promise<string> {
  const child = spawn(process.execPath, [program, 'status', out, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += String(chunk);
  });
  await once(child, 'close');
  return text;
}
