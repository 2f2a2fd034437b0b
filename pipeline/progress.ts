import { Presets, SingleBar } from 'cli-progress';

/** One long piece of work, as a person follows it. */
export interface Task {
  /** How much is done, of the total. */
  update(done: number): void;
  end(): void;
}

/** Shows what takes long: nothing for the first 2 s, then a bar on a terminal, a line every 10 s elsewhere. */
export interface Progress {
  start(label: string, total: number, unit: string): Task;
}

const quietMs = 2_000;
const lineEveryMs = 10_000;

/** Progress on stderr, so that stdout stays the program's answer. */
export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  return {
    start: (label, total, unit) =>
      stream.isTTY ? barTask(stream, label, total, unit) : lineTask(stream, label, total, unit),
  };
}

/** Progress that nobody watches. */
export const silentProgress: Progress = { start: () => ({ update() {}, end() {} }) };

function barTask(stream: NodeJS.WriteStream, label: string, total: number, unit: string): Task {
  const started = Date.now();
  let bar: SingleBar | null = null;
  return {
    update(done) {
      const elapsed = Date.now() - started;
      if (bar === null && elapsed > quietMs) {
        bar = new SingleBar({ stream, format: barFormat(unit), hideCursor: true }, Presets.shades_classic);
        bar.start(total, done, { label: label.padEnd(22), rate: '' });
      }
      bar?.update(done, { rate: rateOf(done, elapsed) });
    },
    end: () => bar?.stop(),
  };
}

function barFormat(unit: string): string {
  return `{label} {bar} {percentage}% | {value}/{total} ${unit} | {rate}/s | ETA {eta_formatted}`;
}

function lineTask(stream: NodeJS.WriteStream, label: string, total: number, unit: string): Task {
  const started = Date.now();
  let last = started;
  return {
    update(done) {
      const now = Date.now();
      if (now - last < lineEveryMs) return;
      last = now;
      stream.write(`${progressLine(label, done, total, unit, now - started)}\n`);
    },
    end() {
      const elapsed = Date.now() - started;
      if (elapsed > quietMs) stream.write(`${label}: done in ${(elapsed / 1000).toFixed(1)} s\n`);
    },
  };
}

/** One plain line: label, how much, rate and time left. */
export function progressLine(
  label: string,
  done: number,
  total: number,
  unit: string,
  elapsedMs: number,
): string {
  const percent = total > 0 ? `${Math.min(100, (100 * done) / total).toFixed(0)}%` : '';
  const left = done > 0 && total > done ? ((total - done) * elapsedMs) / done / 1000 : 0;
  const rate = rateOf(done, elapsedMs);
  return `${label}: ${done}/${total} ${unit} ${percent}, ${rate} ${unit}/s, ETA ${left.toFixed(0)} s`;
}

function rateOf(done: number, elapsedMs: number): string {
  const rate = elapsedMs > 0 ? (1000 * done) / elapsedMs : 0;
  return rate >= 10 ? rate.toFixed(0) : rate.toFixed(2);
}
