import { Command } from 'commander';
import { benchSelect } from './select.ts';
import { benchTrain } from './train.ts';

/** The benches by name: each answers figures, ratios where two things are compared in one run. */
const benches: Readonly<
  Record<string, (options: { large: boolean }) => Promise<Record<string, number | string>>>
> = {
  select: benchSelect,
  train: () => benchTrain({ seconds: 15 }),
};

await new Command('bench')
  .argument('<name>', Object.keys(benches).join(', '))
  .option('--json', 'print one JSON object last')
  .option('--large', "select: SigLIP 2's size, 65,536 to 32,768 at d = 768, by itself", false)
  .action(async (name: string, options: { json?: boolean; large: boolean }) => {
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
