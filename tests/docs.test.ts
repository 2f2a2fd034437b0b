import { execFile } from 'node:child_process';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../pipeline/config.ts';
import { temporaryFolder } from './support.ts';

const root = new URL('..', import.meta.url).pathname;
const program = join(root, 'pipeline/cli/assay.js');
const execute = promisify(execFile);

/** The commands of a guide that reads top to bottom, in the order of a person's work. */
const guides = [
  'curate.md',
  'distill.md',
  'duplicates.md',
  'stages/mix-languages.md',
  'stages/balance-terms.md',
  'schedule.md',
];

interface Block {
  readonly language: string;
  readonly text: string;
  /** The file that the sentence before the block names. */
  readonly file: string | undefined;
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/(?:`([\w-]+\.yaml)`:\n\n)?```(\w+)\n([\s\S]*?)```/g)].map(
    ([, file, language, text]) => ({ language: language ?? '', text: text ?? '', file }),
  );
}

const guide = (name: string) => readFile(join(root, 'docs', name), 'utf8');

/** The recipes as they stand, but for their length. */
const shortened = (yaml: string) =>
  yaml
    .replace(/steps: \d+/g, 'steps: 2')
    .replace(/images: \d+/, 'images: 8')
    .replace(/warmup: \d+/, 'warmup: 1')
    .replace(/batch: \d+/, 'batch: 8')
    .replace(/superBatch: \d+/, 'superBatch: 16');

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
});

async function ask(sql: string): Promise<unknown[]> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(`set file_search_path = '${folder}'`);
  const rows = (await connection.runAndReadAll(sql)).getRowObjectsJson();
  connection.closeSync();
  instance.closeSync();
  return rows;
}

describe('the guides', () => {
  for (const name of guides) {
    it(`${name}: every recipe, command and question works, in order`, async () => {
      const blocks = blocksOf(await guide(name));
      expect(blocks.filter(({ language }) => language === 'sh').length).toBeGreaterThan(1);
      for (const { language, text, file } of blocks) {
        if (language === 'yaml') {
          expect(file).toBeDefined();
          await writeFile(join(folder, file ?? ''), shortened(text));
        } else if (language === 'sh') {
          const words = text.trim().replace('--rows 2000', '--rows 200').split(/\s+/);
          expect(words.slice(0, 2)).toEqual(['npx', 'assay']);
          const { stdout } = await execute(process.execPath, [program, ...words.slice(2)], { cwd: folder });
          expect(stdout.length).toBeGreaterThan(20);
        } else {
          for (const sql of text.split(';').filter((part) => part.trim() !== '')) {
            expect((await ask(sql)).length).toBeGreaterThan(0);
          }
        }
      }
    }, 300_000);
  }

  it("a run's folder: the questions have answers", async () => {
    await symlink(join(folder, 'runs', 'mine'), join(folder, 'runs', 'demo-curated'));
    const [block] = blocksOf(await guide('run-folder.md')).filter(({ language }) => language === 'sql');
    const questions = (block?.text ?? '').split(';').filter((part) => part.trim() !== '');
    expect(questions.length).toBeGreaterThan(1);
    for (const sql of questions) {
      expect((await ask(sql.replace('runs/demo/curated', 'runs/demo-curated'))).length).toBeGreaterThan(0);
    }
  });
});

describe('the recipes', () => {
  it('are all sound', async () => {
    const recipes = join(root, 'pipeline', 'recipes');
    const names = await readdir(recipes);
    expect(names.length).toBeGreaterThan(1);
    for (const name of names) await expect(loadConfig(join(recipes, name))).resolves.toHaveProperty('seed');
  });
});

describe('the commands that README and the recipes name', () => {
  it('exist, with every flag', async () => {
    const recipe = await readFile(join(root, 'pipeline/recipes/emoji-109-teacher.yaml'), 'utf8');
    const text = `${await readFile(join(root, 'README.md'), 'utf8')}\n${recipe.replace(/\\\n# +/g, '')}`;
    const commands = [...text.matchAll(/npx assay ([a-z]+(?:-[a-z]+)?(?: emoji)?)([^`\n]*)/g)];
    expect(commands.length).toBeGreaterThan(8);
    const helps = new Map<string, string>();
    for (const [, command = '', flags = ''] of commands) {
      if (!helps.has(command)) {
        const { stdout } = await execute(process.execPath, [program, ...command.split(' '), '--help']);
        helps.set(command, stdout);
      }
      expect(helps.get(command)).toContain(`Usage: assay ${command} `);
      for (const [flag] of flags.matchAll(/--[a-z]+/g)) expect(helps.get(command)).toContain(flag);
    }
  });
});
