import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support.ts';

const root = new URL('../..', import.meta.url).pathname;
const execute = promisify(execFile);

let project: string;
const cache = () => join(project, 'node_modules', '.cache', 'assay');
const assay = (...words: string[]) =>
  execute(process.execPath, [join(project, 'pipeline/cli/assay.js'), ...words]);

/** The project as somebody checks it out, with its packages. */
beforeEach(async () => {
  project = await temporaryFolder();
  for (const part of ['schemas', 'models', 'stages', 'pipeline', 'package.json']) {
    await cp(join(root, part), join(project, part), { recursive: true });
  }
  await mkdir(join(project, 'node_modules'));
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (name.startsWith('.')) continue;
    await symlink(join(root, 'node_modules', name), join(project, 'node_modules', name));
  }
});

async function setVersion(version: string): Promise<void> {
  const path = join(project, 'package.json');
  const manifest = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...manifest, version }));
}

describe('the program, as it starts', () => {
  it('is bundled once for the sources that there are, and finds what lies beside them', async () => {
    await setVersion('7.7.7');
    const together = await Promise.all([assay('--version'), assay('--version')]);
    expect(together.map(({ stdout }) => stdout)).toEqual(['7.7.7\n', '7.7.7\n']);
    const [bundle = '', ...others] = await readdir(cache());
    expect(others).toEqual([]);
    // What stands there is what runs.
    const main = join(cache(), bundle, 'pipeline/cli/main.js');
    const text = await readFile(main, 'utf8');
    await writeFile(main, `console.log('the bundle');\n${text}`);
    expect((await assay('--version')).stdout).toBe('the bundle\n7.7.7\n');
  });

  it('is bundled again when a source has changed', async () => {
    const path = join(project, 'pipeline/cli/main.ts');
    const source = await readFile(path, 'utf8');
    const { stdout: before } = await assay('--version');
    await writeFile(path, `${source}\nconsole.log('changed');\n`);
    expect((await assay('--help')).stdout).toContain('changed\n');
    expect((await readdir(cache())).length).toBe(2);
    await writeFile(path, source);
    expect((await assay('--version')).stdout).toBe(before);
    expect((await readdir(cache())).length).toBe(2);
  });

  it('is bundled again where the project has moved, for its files are elsewhere', async () => {
    await assay('--version');
    const before = project;
    project = await temporaryFolder();
    await rename(before, project);
    // The version is read from a file of the project.
    expect((await assay('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await readdir(cache())).toHaveLength(2);
  });

  it('leaves no bundle that nothing was started from for a month', async () => {
    const days = (count: number) => new Date(Date.now() - count * 86_400_000);
    for (const [name, age] of [
      ['old', 31],
      ['young', 29],
    ] as const) {
      await mkdir(join(cache(), name), { recursive: true });
      await utimes(join(cache(), name), days(age), days(age));
    }
    await assay('--version');
    const left = await readdir(cache());
    expect(left).toHaveLength(2);
    expect(left).toContain('young');
    const [used = ''] = left.filter((name) => name !== 'young');
    await utimes(join(cache(), used), days(31), days(31));
    await assay('--version');
    expect((await stat(join(cache(), used))).mtime.getTime()).toBeGreaterThan(days(1).getTime());
  });

  it('runs from its sources where a bundle cannot be written or made', async () => {
    await setVersion('8.8.8');
    await writeFile(join(project, 'node_modules', '.cache'), 'in the way');
    expect((await assay('--version')).stdout).toBe('8.8.8\n');
    await rm(join(project, 'node_modules', '.cache'));
    await rm(join(project, 'node_modules', 'esbuild'));
    expect((await assay('--version')).stdout).toBe('8.8.8\n');
  });

  it("names the source's own file and line where something is thrown", async () => {
    const path = join(project, 'pipeline/cli/main.ts');
    const source = await readFile(path, 'utf8');
    const line = source.split('\n').length;
    await writeFile(path, `${source}throw new Error('planted');\n`);
    await expect(assay('--version')).rejects.toThrow(`pipeline/cli/main.ts:${line}`);
  });
});
