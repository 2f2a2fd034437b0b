import { Command } from 'commander';
import { benchTrain } from './train.ts';

/** The benches by name: each answers figures, ratios where two things are compared in one run. */
const benches: Readonly<Record<string, () => Promise<Record<string, number | string>>>> = {
  train: () => benchTrain({ seconds: 15 }),
};

await new Command('bench')
  .argument('<name>', Object.keys(benches).join(', '))
  .option('--json', 'print one JSON object last')
  .action(async (name: string, options: { json?: boolean }) => {
    const bench = benches[name];
    if (bench === undefined) {
      process.stderr.write(`no bench ${name}: there are ${Object.keys(benches).join(', ')}\n`);
      process.exitCode = 2;
      return;
    }
    const figures = await bench();
    for (const [figure, value] of Object.entries(figures)) process.stdout.write(`${figure}: ${value}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  })
  .parseAsync();
