import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareRunFolder } from '../../pipeline/run-folder.ts';
import { temporaryFolder } from '../support.ts';

async function folderWith(...names: string[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const name of names) {
    if (name.includes('.')) await writeFile(join(folder, name), '{}');
    else await mkdir(join(folder, name));
  }
  return folder;
}

describe("a run's folder", () => {
  it('is made where there is none', async () => {
    const folder = join(await temporaryFolder(), 'deep', 'run');
    await prepareRunFolder(folder);
    expect(await readdir(folder)).toEqual(['work']);
  });

  it.each([
    ['a run that ended', ['shards', 'dropped', 'manifest.json', 'report.json']],
    ['a run that was cut short', ['shards', 'work']],
  ])('is cleared of %s', async (_, names) => {
    const folder = await folderWith(...names);
    await prepareRunFolder(folder);
    expect(await readdir(folder)).toEqual(['work']);
  });

  it('is never made of a folder with data: shards that no run left', async () => {
    const folder = await folderWith('shards');
    await writeFile(join(folder, 'shards', '00000.parquet'), 'data');
    await expect(prepareRunFolder(folder)).rejects.toThrow(/holds shards and no manifest\.json/);
    expect(await readdir(join(folder, 'shards'))).toEqual(['00000.parquet']);
  });

  it('is never made of a folder with anything else, nor of a file', async () => {
    const folder = await folderWith('shards', 'manifest.json', 'thesis.tex');
    await expect(prepareRunFolder(folder)).rejects.toThrow(/thesis\.tex, which no run made/);
    expect(await readdir(folder)).toHaveLength(3);
    await expect(prepareRunFolder(join(folder, 'thesis.tex'))).rejects.toThrow(/is a file/);
  });
});
