import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createRandom } from '../../schemas/random.ts';

/** The program that is told to stop. */
export const program = fileURLToPath(new URL('../../pipeline/cli/assay.js', import.meta.url));

/** Signals as they come: one to the program, one to all of its processes as a terminal sends it. */
type Signal = 'SIGTERM' | 'SIGINT';
const codes: Readonly<Record<Signal, number>> = { SIGTERM: 143, SIGINT: 130 };

/** A command that runs for long. */
export interface StopCase {
  readonly name: string;
  /** Its arguments, where it writes to `out`. */
  readonly args: (out: string) => readonly string[];
  /** What is done before it is started. */
  readonly prepare?: (out: string) => Promise<unknown>;
  /** What is asked of it while it runs; until the signal. */
  readonly busy?: (signal: AbortSignal, said: () => string) => Promise<void>;
  /** How long it runs where it ends only when it is told to, in seconds. */
  readonly seconds?: number;
  /** The exit code where it may be another than the signal's. */
  readonly code?: number;
  /** What it says last, once all is done: a signal that comes after it stops nothing. */
  readonly last?: RegExp;
}

/** What became of one command that was told to stop. */
export interface Stopped {
  readonly name: string;
  readonly signal: Signal;
  /** When it was told, and how long it took to be gone with all of its processes, in seconds. */
  readonly after: number;
  readonly seconds: number;
  readonly code: number | null;
  /** Processes of it that were there still a second after it was gone. */
  readonly orphans: number;
  /** Unfinished files that it left. */
  readonly left: readonly string[];
  readonly said: string;
  /** Whether it ended by itself, with the code that says by which signal, and left neither processes nor files. */
  readonly clean: boolean;
}

/** Processes of a group that go on. */
async function membersOf(group: number): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const text = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const [state, , of] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (Number(of) === group && state !== 'Z') found.push(Number(name));
  }
  return found;
}

async function unfinishedIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => /\.partial$|\.tmp$|temporary\/.|\.wal$/.test(name));
}

/** Files in a folder for temporary ones, without those that tsx and ONNX Runtime keep there for the next program. */
async function temporaryIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !/^tsx-|^\.ses$|^mat-debug/.test(name));
}

/** Seconds within which what has said its last word is gone by itself. */
const atOnce = 0.5;

/** Starts a command, and tells it to stop after so many seconds; null where it ended before. */
export async function stopOne(
  { name, args, prepare, busy, code, last }: StopCase,
  { folder, signal, after }: { readonly folder: string; readonly signal: Signal; readonly after: number },
): Promise<Stopped | null> {
  const out = join(folder, 'out');
  const temporary = join(folder, 'tmp');
  await mkdir(temporary, { recursive: true });
  await prepare?.(out);
  const child = spawn(process.execPath, [program, ...args(out)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, TMPDIR: temporary },
  });
  const pid = child.pid ?? 0;
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stopped = new AbortController();
  const working = busy?.(stopped.signal, () => said);
  // What went wrong with it is thrown when the program is gone.
  working?.catch(() => {});
  await Promise.race([delay(1000 * after), exited]);
  if (child.exitCode !== null || child.signalCode !== null) {
    await rm(folder, { recursive: true, force: true });
    return null;
  }
  const hadEnded = last?.test(said) ?? false;
  const told = performance.now();
  process.kill(signal === 'SIGINT' ? -pid : pid, signal);
  const late = setTimeout(() => process.kill(-pid, 'SIGKILL'), 60_000);
  await exited;
  // What ends with it is given a second, which counts.
  const gone = performance.now();
  let orphans = await membersOf(pid);
  while (orphans.length > 0 && performance.now() - gone < 1000) {
    await delay(20);
    orphans = await membersOf(pid);
  }
  const seconds = (performance.now() - told) / 1000;
  if (orphans.length > 0) process.kill(-pid, 'SIGKILL');
  clearTimeout(late);
  stopped.abort();
  await working;
  const left = [...(await unfinishedIn(out)), ...(await temporaryIn(temporary))];
  await rm(folder, { recursive: true, force: true });
  const { exitCode, signalCode } = child;
  // On its way out nothing hears the signal any more: it may end as if there had been none, or by it.
  const isOver = hadEnded && seconds < atOnce && (exitCode === 0 || signalCode === signal);
  const isCode = exitCode === code || exitCode === codes[signal] || isOver;
  const clean = isCode && left.length === 0 && orphans.length === 0;
  return { name, signal, after, seconds, code: exitCode, orphans: orphans.length, left, said, clean };
}

/** How long a command takes that nothing happens to, in seconds. */
async function secondsOf(one: StopCase, folder: string): Promise<number> {
  if (one.seconds !== undefined) return one.seconds;
  const out = join(folder, 'out');
  await mkdir(folder, { recursive: true });
  await one.prepare?.(out);
  const started = performance.now();
  const child = spawn(process.execPath, [program, ...one.args(out)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += String(chunk)));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`${one.name} ended with ${code}: ${said}`);
  await rm(folder, { recursive: true, force: true });
  return (performance.now() - started) / 1000;
}

/** Tells each command to stop at `times` moments of its work, by both signals in turn. */
export async function stopAll(
  cases: readonly StopCase[],
  {
    folder,
    times,
    tell = () => {},
  }: { readonly folder: string; readonly times: number; readonly tell?: (one: Stopped) => void },
): Promise<Stopped[]> {
  const random = createRandom('moments of stops');
  const all: Stopped[] = [];
  for (const one of cases) {
    const whole = await secondsOf(one, join(folder, 'whole'));
    for (let i = 0; i < times; i += 1) {
      // Before a second or so nothing of the program is there to hear it.
      const after = 1.2 + Math.max(0, whole - 1.2) * ((i + random.uniform()) / times);
      const signal = i % 2 === 0 ? 'SIGTERM' : 'SIGINT';
      const stopped = await stopOne(one, { folder: join(folder, 'one'), signal, after });
      if (stopped === null) continue;
      tell(stopped);
      all.push(stopped);
    }
  }
  return all;
}
