import { type Command, Option } from 'commander';
import { precisions } from '../../models/siglip/precisions.ts';
import type { Finding } from '../doctor.ts';
import type { ExamineModelOptions } from '../doctor-model.ts';
import { version } from '../version.ts';
import { printReport, runContext, type Shell } from './shell.ts';

interface DoctorFlags extends Partial<Pick<ExamineModelOptions, 'model' | 'precision' | 'provider'>> {
  readonly json?: boolean;
}

/** `assay doctor`: what is there, what is missing, and how to get it; with `--model` what a model is and does. */
export function addDoctor(program: Command, shell: Shell): void {
  program
    .command('doctor')
    .description('versions, compute backends, threads, and what is missing; or what a model is and does')
    .option('--model <path or name>', 'a folder of ONNX towers, a checkpoint, or a name such as owner/model')
    .addOption(new Option('--precision <name>', "which of the model's files").choices(precisions))
    .addOption(
      new Option('--provider <name>', 'what the model runs on').choices(['auto', 'cpu', 'webgpu', 'cuda']),
    )
    .option('--json', 'print the findings as JSON')
    .action(async ({ model, json, ...flags }: DoctorFlags) => {
      if (model !== undefined) {
        const { examineModel, modelFindings } = await import('../doctor-model.ts');
        const { signal, progress } = runContext(shell, '--model');
        const report = await examineModel({ ...flags, model, signal, progress });
        return print({ version, ...report }, modelFindings(report), json);
      }
      const { examine } = await import('../doctor.ts');
      const findings = await examine();
      print({ version, findings }, findings, json);
    });
}

function print(report: object, findings: readonly Finding[], json: boolean | undefined): void {
  const lines = findings.map(
    ({ what, found, ok, advice }) =>
      `${ok ? 'ok     ' : 'MISSING'} ${what.padEnd(34)} ${found}${advice ? `\n        get it: ${advice}` : ''}`,
  );
  printReport(report, [`assay ${version}`, ...lines], json);
  if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
}
