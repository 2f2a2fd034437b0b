import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate } from '../../pipeline/curate.ts';
import { freezeRun } from '../../pipeline/curation/plan/freeze.ts';
import { inlineEngine } from '../../pipeline/engines/inline.ts';
import { temporaryFolder, writeSource } from '../support.ts';
import { outputsOf, sourceRows } from './conformance.ts';
import { keepingRecipe, quietRun } from './pool.ts';
import { childrenOf, isRunning } from './processes.ts';
import { assay, isAtWork, recordsIn, until } from './program.ts';

let folder: string;
let recipe: string;
const config = () => parseConfig(recipe, 'test.yaml');

beforeAll(async () => {
  folder = await temporaryFolder();
  const input = join(folder, 'in');
  await mkdir(input);
  const rows = await sourceRows(60);
  for (const [i, name] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
    await writeSource(join(input, `${name}.parquet`), rows.slice(10 * i, 10 * i + 10));
  }
  recipe = keepingRecipe(input);
  await writeFile(join(folder, 'recipe.yaml'), recipe);
  await curate(config(), join(folder, 'whole'), { ...quietRun(), engine: inlineEngine() });
});

describe('a share, and a gallery, that are told to stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('end on %s, and leave nothing', async (signal) => {
    const run = join(folder, `share-${signal}`);
    await freezeRun(config(), run, 'test.yaml');
    const flags = ['--plan', run, '--task-index', '0', '--of', '2', '--workers', '1'];
    const share = assay('run', ...flags);
    const gallery = assay('gallery', join(folder, 'whole'), '--port', '0');
    let url: string | undefined;
    gallery.child.stdout.on('data', (text) => {
      url ??= /http:\S+/.exec(String(text))?.[0];
    });
    // Until it waits for the other share, and the gallery has somebody to serve.
    await until(share.child, async () => (await recordsIn(run)) >= 3 && !(await isAtWork(run)));
    await until(gallery.child, async () => url !== undefined);
    expect((await fetch(url ?? '')).status).toBe(200);
    const children = await childrenOf(share.child);
    const told = { SIGTERM: 143, SIGINT: 130 }[signal];
    for (const { child } of [share, gallery]) process.kill(-(child.pid ?? 0), signal);
    expect((await share.ended).code).toBe(told);
    expect((await share.ended).said.at(-1)).toBe(`stopped; to go on: assay resume ${run}`);
    expect((await gallery.ended).code).toBe(told);
    for (const pid of children) expect(await isRunning(pid)).toBe(false);
    expect(await isAtWork(run)).toBe(false);
  });
});

describe('a data set whose process is told to stop', () => {
  const grow = (set: string) =>
    assay('schedule', '--config', join(folder, 'recipe.yaml'), '--out', set, '--once', '--workers', '2');

  it('has no process left, and grows to the bytes of one that was not', async () => {
    const [stopped, sound] = [join(folder, 'stopped-set'), join(folder, 'sound-set')];
    const { child, ended: over } = grow(stopped);
    const at = join(stopped, 'increments', '0001');
    await until(child, () => isAtWork(at));
    const children = await childrenOf(child);
    expect(children.length).toBeGreaterThan(0);
    for (const pid of children) process.kill(pid, 'SIGSTOP');
    process.kill(-(child.pid ?? 0), 'SIGINT');
    const { said, code } = await over;
    expect(code).toBe(130);
    expect(said).toEqual([expect.stringContaining('SIGINT'), 'stopped; to go on: the same command again']);
    for (const pid of children) expect(await isRunning(pid)).toBe(false);
    expect(await isAtWork(at)).toBe(false);
    for (const set of [stopped, sound]) expect((await grow(set).ended).code).toBe(0);
    expect(await outputsOf(stopped)).toEqual(await outputsOf(sound));
    expect(await readdir(stopped)).not.toContain('increments.lock');
  });
});
