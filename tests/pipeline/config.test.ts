import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../../pipeline/config.ts';
import { UsageError } from '../../pipeline/errors.ts';
import { resolveFile, resolveShards } from '../../pipeline/inputs.ts';
import { temporaryFolder, writeSource } from '../support.ts';

const folder = await temporaryFolder();

describe('recipes', () => {
  it('needs nothing: every section has a default', () => {
    const config = parseConfig('', 'x.yaml');
    expect(config.mix).toMatchObject({ english: 0.9, rest: 'natural', enabled: true });
    expect(config.regions).toMatchObject({ minScore: 0.1, minBestScore: 0.3, detector: 'windows' });
    expect(config.teacher).toBeUndefined();
    expect(config.deduplicate).toMatchObject({ mode: 'drop', near: true, radius: 5, colours: 3 });
    expect(config.decontaminate).toBeUndefined();
  });

  it('takes one path or a list of them', () => {
    const one = parseConfig('input: {shards: a.parquet}', 'x.yaml');
    const two = parseConfig('input:\n  shards: [a.parquet, b]\n  preset: webli', 'x.yaml');
    expect(one.input?.shards).toEqual(['a.parquet']);
    expect(two.input?.shards).toEqual(['a.parquet', 'b']);
  });

  it.each([
    ['mix: {englsh: 0.9}', 'x.yaml: unknown key mix.englsh'],
    ['mixx: {}', 'x.yaml: unknown key mixx'],
    ['mix: {english: most}', 'x.yaml: mix.english: Invalid input: expected number, received string'],
    ['images: {minSide: -1}', 'x.yaml: images.minSide: Too small: expected number to be >0'],
    ['deduplicate: {radius: 17}', 'x.yaml: deduplicate.radius: Too big: expected number to be <=16'],
    ['decontaminate: {mode: drop}', 'x.yaml: decontaminate.shards: a path or a list of paths is expected'],
    ['input: {shards: 3}', 'x.yaml: input.shards: a path or a list of paths is expected'],
    ['memory: lots', 'x.yaml: memory: bytes are expected, 16MiB at the least, such as 2GiB: it is lots'],
    ['memory: 1KiB', 'x.yaml: memory: bytes are expected, 16MiB at the least, such as 2GiB: it is 1KiB'],
    [
      'input: {shards: a, preset: laion5}',
      'x.yaml: input.preset: Invalid option: expected one of "webli"|"img2dataset"|"webdataset"|"hf-image"|"laion"|"datacomp"',
    ],
  ])('says in one line what is wrong with %j', (text, message) => {
    expect(() => parseConfig(text, 'x.yaml')).toThrow(new UsageError(message));
  });

  it('says that a file is no YAML, in one line', () => {
    const wrong = () => parseConfig('a: [1,\nb: }', 'x.yaml');
    expect(wrong).toThrow(UsageError);
    expect(wrong).toThrow(/^x\.yaml: not YAML: [^\n]+$/);
  });

  it('names a recipe that is missing', async () => {
    await expect(loadConfig('/nowhere/r.yaml')).rejects.toThrow('config: no such file: /nowhere/r.yaml');
  });

  it.each(['emoji-109.yaml', 'emoji-109-teacher.yaml'])('ships a sound %s', async (name) => {
    const path = new URL(`../../pipeline/recipes/${name}`, import.meta.url).pathname;
    expect((await loadConfig(path)).input?.preset).toBe('webli');
  });
});

describe('inputs', async () => {
  await mkdir(join(folder, 'deep', 'er'), { recursive: true });
  for (const name of ['b.parquet', 'a.parquet', 'deep/er/c.parquet']) {
    await writeSource(join(folder, name), [{ key: name }]);
  }
  const names = (paths: string[]) => paths.map((path) => path.slice(folder.length + 1));

  it('finds the shards of folders, globs and files, each once, by name', async () => {
    expect(names(await resolveShards([folder], 'input.shards', 'x.yaml'))).toEqual([
      'a.parquet',
      'b.parquet',
      'deep/er/c.parquet',
    ]);
    expect(names(await resolveShards([`${folder}/*.parquet`, `${folder}/a.parquet`], 'k', 'x'))).toEqual([
      'a.parquet',
      'b.parquet',
    ]);
    expect(names(await resolveShards([`${folder}/**/c.parquet`], 'k', 'x'))).toEqual(['deep/er/c.parquet']);
  });

  it('is in the same order however the paths are given', async () => {
    const there = await resolveShards([`${folder}/b.parquet`, folder], 'k', 'x');
    expect(there).toEqual(await resolveShards([folder, `${folder}/b.parquet`], 'k', 'x'));
  });

  it('names the key and the path that is missing or holds no shard', async () => {
    await expect(resolveShards([`${folder}/no.parquet`], 'input.shards', 'x.yaml')).rejects.toThrow(
      `x.yaml: input.shards: no such file or folder: ${folder}/no.parquet`,
    );
    await mkdir(join(folder, 'deep', 'empty'));
    await expect(resolveShards([`${folder}/deep/empty`], 'input.shards', 'x.yaml')).rejects.toThrow(
      `x.yaml: input.shards: no .parquet file matches ${folder}/deep/empty`,
    );
    await expect(resolveFile(folder, 'teacher.checkpoint', 'x.yaml')).rejects.toThrow(
      `x.yaml: teacher.checkpoint: no such file: ${folder}`,
    );
  });

  it('says what is wrong with a folder that it cannot use', async () => {
    await writeFile(join(folder, 'notes.txt'), 'mine');
    const { prepareRunFolder } = await import('../../pipeline/run-folder.ts');
    await expect(prepareRunFolder(folder)).rejects.toThrow(/which no run made: choose an empty folder/);
    await expect(prepareRunFolder(join(folder, 'notes.txt'))).rejects.toThrow(/is a file, not a folder/);
  });
});
