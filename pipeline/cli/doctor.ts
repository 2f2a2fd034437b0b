import type { Command } from 'commander';
import { version } from '../version.ts';
import { printReport, type Shell } from './shell.ts';

/** `assay doctor`: what is there, what is missing, and how to get it. */
export function addDoctor(program: Command, _shell: Shell): void {
  program
    .command('doctor')
    .description('versions, compute backends, threads, and what is missing')
    .option('--json', 'print the findings as JSON')
    .action(async (options: { json?: boolean }) => {
      const { examine } = await import('../doctor.ts');
      const findings = await examine();
      const lines = findings.map(
        ({ what, found, ok, advice }) =>
          `${ok ? 'ok     ' : 'MISSING'} ${what.padEnd(34)} ${found}${advice ? `\n        get it: ${advice}` : ''}`,
      );
      printReport({ version, findings }, [`assay ${version}`, ...lines], options.json);
      if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
    });
}
