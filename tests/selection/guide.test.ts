import { execFile } from 'node:child_process';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support.ts';

const root = new URL('../..', import.meta.url).pathname;
const program = join(root, 'pipeline/cli/assay.js');
const execute = promisify(execFile);

interface Block {
  readonly language: string;
  readonly text: string;
}

let folder: string;
let blocks: Block[];
const of = (language: string) =>
  blocks.filter((block) => block.language === language).map(({ text }) => text);

beforeAll(async () => {
  folder = await temporaryFolder();
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  const guide = await readFile(join(root, 'docs/select.md'), 'utf8');
  blocks = [...guide.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language = '', text = '']) => ({
    language,
    text: text.trim(),
  }));
});

describe('the guide to selecting for another trainer', () => {
  it('has commands that work, in order, and a question that has an answer', async () => {
    expect(of('js')).toHaveLength(1);
    await writeFile(join(folder, 'embed.mjs'), of('js')[0] ?? '');
    const said: string[] = [];
    for (const command of of('sh')) {
      const [first, second, ...words] = command.split(/\s+/);
      const isNode = first === 'node';
      if (!isNode) expect([first, second]).toEqual(['npx', 'assay']);
      const args = isNode ? [second ?? '', ...words] : [program, ...words];
      said.push((await execute(process.execPath, args, { cwd: folder })).stdout);
    }
    expect(said[1]).toContain('256 of 1024 pairs by learnability');
    expect(JSON.parse(said[2] ?? '')).toMatchObject({ batch: 256, method: 'hard', loss: 'softmax' });
    const instance = await DuckDBInstance.create();
    const connection = await instance.connect();
    await connection.run(`set file_search_path = '${folder}'`);
    const rows = (await connection.runAndReadAll(of('sql')[0] ?? '')).getRowObjectsJson();
    connection.closeSync();
    instance.closeSync();
    expect(rows).toHaveLength(16);
  });

  it('names flags that there are', async () => {
    const { stdout: help } = await execute(process.execPath, [program, 'select', '--help']);
    const guide = await readFile(join(root, 'docs/select.md'), 'utf8');
    const named = new Set([...guide.matchAll(/--[a-z]+(?:-[a-z]+)*/g)].map(([flag]) => flag));
    named.delete('--large');
    expect(named.size).toBeGreaterThan(10);
    for (const flag of named) expect(help).toContain(flag);
  });
});
