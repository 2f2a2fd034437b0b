import { Command, Option } from 'commander';
import { type ComputeOptions, computeOptionsSchema } from '../models/compute-options.ts';
import { openExecutor } from '../models/open-executor.ts';
import { countOf } from '../pipeline/cli/sources.ts';
import { benchCuration } from './curation.ts';
import { benchDuplicates } from './duplicates.ts';
import { benchFaults } from './faults.ts';
import { benchFeed } from './feed.ts';
import { benchInspect } from './inspect.ts';
import { benchLanguage } from './language.ts';
import { benchReduction } from './reduction.ts';
import { benchSelect } from './select.ts';
import { benchStorage } from './storage.ts';
import { benchThroughput } from './throughput.ts';
import { benchTrain } from './train.ts';

type Figures = Record<string, number | string>;

/** What a bench may be told; those that have no use for it leave it. */
interface BenchOptions {
  readonly large: boolean;
  readonly rows?: number;
  readonly kills?: number;
  readonly executor?: ComputeOptions['executor'];
  readonly provider?: ComputeOptions['provider'];
  readonly teacher?: string;
}

/** The benches by name: each answers figures, ratios where two things are compared in one run. */
const benches: Readonly<Record<string, (options: BenchOptions) => Promise<Figures>>> = {
  curation: benchCuration,
  duplicates: benchDuplicates,
  inspect: benchInspect,
  feed: benchFeed,
  faults: benchFaults,
  language: benchLanguage,
  reduction: benchReduction,
  select: benchSelect,
  storage: benchStorage,
  train: async ({ executor, provider }) => {
    const options = computeOptionsSchema.parse({ executor, provider });
    return benchTrain({ seconds: 15, executor: await openExecutor(options) });
  },
  throughput: benchThroughput,
};

await new Command('bench')
  .argument('<name>', Object.keys(benches).join(', '))
  .option('--json', 'print one JSON object last')
  .option('--large', "select: SigLIP 2's size, 65,536 to 32,768 at d = 768, by itself", false)
  .addOption(new Option('--executor <name>', 'train: what runs the models').choices(['onnx', 'tensorflow']))
  .addOption(
    new Option('--provider <name>', 'train: what it computes on').choices(['auto', 'cpu', 'webgpu', 'cuda']),
  )
  .option(
    '--rows <n>',
    'curation, duplicates, feed, inspect, reduction, storage: rows of the pool that is built; throughput, faults: pictures',
    countOf,
  )
  .option('--kills <n>', 'faults: times that a run is killed', countOf)
  .option('--teacher <file>', "curation: a teacher's checkpoint, the demo's unless told")
  .action(async (name: string, options: BenchOptions & { json?: boolean }) => {
    const bench = benches[name];
    if (bench === undefined) {
      process.stderr.write(`no bench ${name}: there are ${Object.keys(benches).join(', ')}\n`);
      process.exitCode = 2;
      return;
    }
    const figures = await bench(options);
    for (const [figure, value] of Object.entries(figures)) process.stdout.write(`${figure}: ${value}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  })
  .parseAsync();
