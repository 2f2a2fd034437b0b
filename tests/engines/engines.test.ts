import { localEngine } from '../../pipeline/engines/local.ts';
import { shareEngine } from '../../pipeline/engines/share.ts';
import { testEngine } from './conformance.ts';

// One process is enough for what goes wrong in it.
testEngine('local', (program) => localEngine({ workers: program === undefined ? 2 : 1, program }));

testEngine('share', (program) => ({
  name: 'share',
  // A share that fails makes the others stop: nobody does its tasks.
  async run(run, options) {
    const stop = new AbortController();
    const shares = program === undefined ? [0, 1] : [0];
    const signal = AbortSignal.any([options.signal, stop.signal]);
    await Promise.all(
      shares.map((index) =>
        shareEngine({ index, of: shares.length, workers: 1, patienceMs: 60_000, pollMs: 50, program })
          .run(run, { ...options, signal })
          .catch((error) => {
            stop.abort(error);
            throw error;
          }),
      ),
    );
  },
}));
