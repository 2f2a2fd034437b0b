import { Command, Option } from 'commander';
import { countOf } from '../../pipeline/cli/sources.ts';
import { createProgress } from '../../pipeline/progress.ts';
import { collectAcidEvidence } from './acid.ts';
import { type EvidencePlan, type MethodName, methods, type Noise } from './plan.ts';
import { summarize } from './summary.ts';
import { teacherCommand } from './teacher.ts';
import { writeEvidence } from './write.ts';

const list = (value: string) => value.split(',');

interface EvidenceOptions {
  readonly style: EvidencePlan['style'];
  readonly rows: number;
  readonly emoji: number;
  readonly steps: number;
  readonly selectedSteps: number;
  readonly distilledSteps: number;
  readonly evaluations: number;
  readonly batch: number;
  readonly superBatch: number;
  readonly rate: number;
  readonly weight: number;
  readonly seeds: string[];
  readonly methods: string[];
  readonly noise: string[];
  readonly work: string;
  readonly out: string;
  readonly threads?: number;
  readonly json?: boolean;
}

await new Command('evidence')
  // A command's own options come after its name.
  .enablePositionalOptions()
  .addCommand(teacherCommand())
  .addArgument(new Command().createArgument('<name>', 'what is shown').choices(['acid']))
  .addOption(
    new Option('--style <name>', 'the held-out style')
      .choices(['evaluation', 'validation'])
      .default('evaluation'),
  )
  .option('--rows <n>', 'rows of the pool', countOf, 24_000)
  .option('--emoji <n>', 'emoji that the pool is drawn of', countOf, 400)
  .option('--steps <n>', 'steps of a run with uniform batches', countOf, 2000)
  .option('--selected-steps <n>', 'steps of a run with selected batches', countOf, 400)
  .option('--distilled-steps <n>', 'steps of a run that is only distilled', countOf, 800)
  .option('--evaluations <n>', 'evaluations of a run', countOf, 20)
  .option('--batch <n>', 'pairs of a batch', countOf, 128)
  .option('--super-batch <n>', 'pairs that a batch is chosen from', countOf, 512)
  .option('--rate <x>', 'the learning rate', Number, 0.0008)
  .option('--weight <x>', 'of explicit distillation', Number, 4)
  .option('--seeds <list>', 'seeds of the runs', list, ['1', '2', '3'])
  .option('--methods <list>', 'the ways of choosing', list, Object.keys(methods))
  .option('--noise <list>', 'web, none', list, ['web', 'none'])
  .option('--threads <n>', 'threads of the models', countOf)
  .option('--work <dir>', 'where pools and finished runs are kept', 'runs/evidence/acid')
  .option('--out <dir>', 'where the page and the figures go', 'docs/evidence')
  .option('--json', 'print one JSON object last')
  .action(async (_name: string, options: EvidenceOptions) => {
    const controller = new AbortController();
    process.once('SIGINT', () => controller.abort(new Error('stopped: run the command again to go on')));
    const plan: EvidencePlan = {
      style: options.style,
      rows: options.rows,
      emoji: options.emoji,
      steps: options.steps,
      selectedSteps: options.selectedSteps,
      distilledSteps: options.distilledSteps,
      evaluations: options.evaluations,
      batch: options.batch,
      superBatch: options.superBatch,
      learningRate: options.rate,
      logitBias: -Math.round(Math.log(options.batch)) - 1,
      weight: options.weight,
      seeds: options.seeds.map(Number),
      noises: options.noise as Noise[],
      methods: options.methods as MethodName[],
    };
    const context = { signal: controller.signal, progress: createProgress(), configPath: 'evidence' };
    const { results, timings } = await collectAcidEvidence(plan, options, context);
    const figures = summarize(plan, results, timings);
    await writeEvidence(options.out, figures);
    process.stdout.write(options.json ? `${JSON.stringify(figures)}\n` : `${options.out}/acid.md\n`);
  })
  .parseAsync();
