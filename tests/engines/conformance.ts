import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { finishRun, readReport } from '../../pipeline/curate.ts';
import { freezeRun } from '../../pipeline/curation/plan/freeze.ts';
import type { FrozenRun } from '../../pipeline/curation/plan/plan-files.ts';
import type { Engine, EngineProgress } from '../../pipeline/engines/engine.ts';
import { inlineEngine } from '../../pipeline/engines/inline.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { type SourceRow, temporaryFolder, writeSource } from '../support.ts';
import type { Fault } from './faulty-worker.ts';

/** Makes an engine whose tasks are run by processes of a program; the usual one where it is absent. */
export type EngineFactory = (program?: string) => Engine;

/** A program of workers that go wrong as a file says. */
export const faultyProgram = fileURLToPath(new URL('./faulty-worker.js', import.meta.url));
const signal = () => new AbortController().signal;

/** Rows with a picture and a text each. */
export async function sourceRows(count: number): Promise<SourceRow[]> {
  const rows: SourceRow[] = [];
  for (let i = 0; i < count; i += 1) {
    const background = { r: (i * 7) % 256, g: (i * 31) % 256, b: i % 5 };
    const image = await sharp({ create: { width: 40, height: 40, channels: 3, background } })
      .png()
      .toBuffer();
    rows.push({ key: `row-${i}`, image, altTexts: [`a red apple on a plate ${i}`], pageLanguage: 'en' });
  }
  return rows;
}

/** Every file of a run that rows end in, by name. */
export async function outputsOf(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const part of ['shards', 'dropped', 'quarantine']) {
    for (const name of await readdir(join(folder, part))) {
      found[`${part}/${name}`] = (await readFile(join(folder, part, name))).toString('base64');
    }
  }
  return found;
}

/** What every engine does, tested with real processes: declares its tests. */
export function testEngine(name: string, make: EngineFactory): void {
  describe(`the engine ${name}`, () => {
    let folder: string;
    let reference: Record<string, string>;
    const before = process.env.ASSAY_TEST_FAULTS;

    const frozen = (run: string): Promise<FrozenRun> => {
      const recipe = `seed: 3\ninput: {shards: ${folder}/in, batchRows: 8}\nimages: {minDeviation: 0, minEntropy: 0}\nmix: {enabled: false}\nboilerplate: {enabled: false}\ndeduplicate: {near: false}\noutput: {shardRows: 20}`;
      return freezeRun(parseConfig(recipe, 'test.yaml'), join(folder, run), 'test.yaml');
    };
    const context = (engine: Engine) => ({
      ...{ signal: signal(), progress: silentProgress, configPath: 'test.yaml', engine },
    });
    const withFaults = async (run: string, faults: readonly Fault[]): Promise<FrozenRun> => {
      const at = join(folder, `faults-${run}`);
      await mkdir(at);
      await writeFile(join(at, 'faults.json'), JSON.stringify(faults));
      process.env.ASSAY_TEST_FAULTS = at;
      return frozen(run);
    };

    beforeAll(async () => {
      folder = await temporaryFolder();
      await mkdir(join(folder, 'in'));
      const rows = await sourceRows(60);
      await writeSource(join(folder, 'in', 'a.parquet'), rows.slice(0, 40), 6_000);
      await writeSource(join(folder, 'in', 'b.parquet'), rows.slice(40));
      await writeFile(join(folder, 'in', 'c.parquet'), 'no parquet file');
      const run = await frozen('reference');
      await finishRun(run, context(inlineEngine()));
      reference = await outputsOf(run.folder);
      expect(Object.keys(reference).filter((file) => file.startsWith('shards/')).length).toBe(3);
    });

    afterAll(() => {
      if (before === undefined) delete process.env.ASSAY_TEST_FAULTS;
      else process.env.ASSAY_TEST_FAULTS = before;
    });

    it('does every task, says how far it is, and leaves the bytes of any other engine', async () => {
      const run = await frozen('whole');
      const seen: EngineProgress[] = [];
      await make().run(run, { signal: signal(), progress: (state) => seen.push(state) });
      expect(await outputsOf(run.folder)).toEqual(reference);
      expect([...new Set(seen.map(({ phase }) => phase))]).toEqual(
        expect.arrayContaining(['admit', 'finish', 'commit']),
      );
      expect(
        seen.some(
          ({ phase, tasks, done, rows, rowsDone }) =>
            phase === 'admit' && tasks === 3 && done === 3 && rows === rowsDone,
        ),
      ).toBe(true);
    });

    it('tries a task once more that failed, or whose process was killed, and says which one failed for good', async () => {
      const run = await withFaults('again', [
        { how: 'throw', phase: 'admit', times: 1 },
        { how: 'throw', phase: 'decide', times: 2 },
        { how: 'kill', phase: 'finish', times: 1 },
      ]);
      const outcome = make(faultyProgram).run(run, { signal: signal() });
      await expect(outcome).rejects.toThrow(/decide 0.*a fault of the test/);
      await make(faultyProgram).run(run, { signal: signal() });
      expect(await outputsOf(run.folder)).toEqual(reference);
    });

    it('quarantines the row group alone that ends every process that reads it', async () => {
      const run = await withFaults('crashing', [{ how: 'kill', phase: 'admit', rowGroup: 1, times: 100 }]);
      await make(faultyProgram).run(run, { signal: signal() });
      const report = await readReport(run.folder);
      const lost = report.reasons.quarantined.find(({ reason }) => reason === 'crashed-reader');
      expect(lost?.rows).toBeGreaterThan(0);
      expect(lost?.rows).toBeLessThan(40);
      expect(report).toMatchObject({ read: 60, kept: 60 - (lost?.rows ?? 0), balanced: true });
    });

    it('stops when it is told to, and goes on from there, also where another one does the same', async () => {
      const run = await frozen('stopped');
      const stop = new AbortController();
      const progress = ({ phase, done }: EngineProgress) => {
        if (phase === 'admit' && done > 0) stop.abort(new Error('stopped'));
      };
      await expect(make().run(run, { signal: stop.signal, progress })).rejects.toThrow('stopped');
      await Promise.all([0, 1].map(() => make().run(run, { signal: signal() })));
      expect(await outputsOf(run.folder)).toEqual(reference);
    });
  });
}
