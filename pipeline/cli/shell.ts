import type { Logger } from 'pino';
import { redact } from '../../schemas/redact.ts';
import type { RunContext } from '../curate.ts';
import { createProgress } from '../progress.ts';
import type { RunTarget } from '../publish-run.ts';

/** What every command is handed. */
export interface Shell {
  readonly log: Logger;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** A run's context for a recipe. */
export function runContext(shell: Shell, configPath: string): RunContext {
  return { signal: shell.signal, progress: createProgress(), configPath };
}

/** Brings a finished run to where it was asked for, and says so where that isn't this machine. */
export async function publishTo(target: RunTarget, { log, signal }: Shell): Promise<void> {
  const published = await target.publish(signal);
  if (published === null) return;
  const { location, uploaded, skipped } = published;
  log.info(
    `published to ${location}: ${uploaded} files sent, ${skipped} there already; ${target.folder} may go`,
  );
}

/** Prints a report: as JSON for programs, or as lines for people. */
export function printReport(report: object, lines: readonly string[], json: boolean | undefined): void {
  process.stdout.write(redact(json ? `${JSON.stringify(report)}\n` : `${lines.join('\n')}\n`));
}

/** A share as people read it. */
export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)}%`;
}
