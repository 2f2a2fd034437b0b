import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type StopCase, stopAll } from '../../bench/faults/stops.ts';
import { benchFaults } from '../../bench/faults.ts';
import { temporaryFolder, writeSource } from '../support.ts';

describe('runs that are killed, and shards that are damaged', () => {
  it('lose nothing, do nothing twice, and leave the same bytes', async () => {
    const figures = await benchFaults({ rows: 48, kills: 2, stops: 0, workers: false });
    expect(figures).toMatchObject({
      killsSurvived: 2,
      bytesIdentical: 1,
      rowsLost: 0,
      rowsTwice: 0,
      badShards: 12,
    });
    expect(figures.badShardsQuarantined).toBeGreaterThanOrEqual(9);
  }, 400_000);

  it('tells commands to stop, and sees what they leave', async () => {
    const folder = await temporaryFolder();
    await writeSource(join(folder, 'a.parquet'), [{ key: 'a', altTexts: ['a red apple'] }]);
    const recipe = join(folder, 'rows.yaml');
    await writeFile(recipe, `input: {shards: ${folder}/a.parquet}`);
    const waits = ['--cron', '0 0 1 1 *'];
    const schedule: StopCase = {
      ...{ name: 'schedule', seconds: 8 },
      args: (out) => ['schedule', '--config', recipe, '--out', out, ...waits],
    };
    const leaves: StopCase = {
      ...{ ...schedule, name: 'leaves' },
      prepare: (out) => writeFile(join(out, '..', 'tmp', 'left'), 'by a program'),
    };
    const stopped = await stopAll([schedule, leaves], { folder: join(folder, 'stops'), times: 2 });
    expect(stopped.map(({ name, signal, code, orphans }) => ({ name, signal, code, orphans }))).toEqual(
      ['schedule', 'leaves'].flatMap((name) => [
        { name, signal: 'SIGTERM', code: 143, orphans: 0 },
        { name, signal: 'SIGINT', code: 130, orphans: 0 },
      ]),
    );
    expect(stopped.map(({ clean }) => clean)).toEqual([true, true, false, false]);
    expect(stopped.map(({ left }) => left)).toEqual([[], [], ['left'], ['left']]);
  }, 120_000);
});
