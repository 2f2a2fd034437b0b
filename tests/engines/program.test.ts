import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../support.ts';

const execute = promisify(execFile);
const root = new URL('../..', import.meta.url).pathname;

/** The module as another process would have it: it has compiled nothing. */
async function load() {
  vi.resetModules();
  return import('../../pipeline/engines/program.ts');
}

describe('the program of a process that runs tasks', () => {
  let cache: string;
  beforeEach(async () => {
    cache = join(await temporaryFolder(), 'cache');
  });

  it('is one file of the sources, which find what lies beside them', async () => {
    const { programOf } = await load();
    const { path, execArgv } = await programOf('worker', cache);
    expect(execArgv.join()).not.toContain('tsx');
    const folder = dirname(path);
    const texts = await Promise.all(
      (await readdir(folder))
        .filter((name) => name.endsWith('.mjs'))
        .map((name) => readFile(join(folder, name), 'utf8')),
    );
    const text = texts.join('');
    expect(text).toContain(join(root, 'models/language/model-file.ts'));
    expect(text).not.toMatch(/import\.meta\.url/);
    expect(text).not.toMatch(/from "[./][^"]*\.ts"/);
  });

  it('is compiled once, and what was compiled of sources long gone is removed', async () => {
    const { path } = await (await load()).programOf('sandbox', cache);
    const before = await stat(path);
    const [old, recent] = [join(cache, 'old'), join(cache, 'recent')];
    for (const folder of [old, recent]) await mkdir(folder);
    await utimes(old, 0, 0);
    expect(await (await load()).programOf('sandbox', cache)).toMatchObject({ path });
    expect((await stat(path)).ino).toBe(before.ino);
    // Another cache entry's making clears up.
    const { mtimeMs } = await stat(dirname(path));
    await utimes(dirname(path), 0, 0);
    expect(mtimeMs).toBeGreaterThan(0);
    expect((await readdir(cache)).sort()).toEqual([path.split('/').at(-2), 'old', 'recent'].sort());
  });

  it('is translated as it is loaded where it can not be compiled', async () => {
    await writeFile(cache, 'a file, and no folder');
    const { path, execArgv } = await (await load()).programOf('worker', cache);
    expect(path).toBe(join(root, 'pipeline/engines/worker.ts'));
    expect(execArgv.join()).toContain('tsx');
  });

  it('starts from where programs are kept', async () => {
    const { path, execArgv } = await (await load()).programOf('worker');
    // No one asks it anything: it ends by itself.
    await execute(process.execPath, [...execArgv, path, '1']);
  });
});
