import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { loadConfig } from '../pipeline/config.ts';
import { createS3Storage } from '../schemas/storage/s3-storage.ts';
import { storageSettingsSchema } from '../schemas/storage/settings.ts';
import { settingsFor, startObjectStore } from './storage/object-store.ts';
import { temporaryFolder, writeSource } from './support.ts';

const root = new URL('..', import.meta.url).pathname;
const program = join(root, 'pipeline/cli/assay.js');
const execute = promisify(execFile);

/** The commands of a guide that reads top to bottom, in the order of a person's work. */
const guides = [
  'curate.md',
  'distill.md',
  'models.md',
  'operations.md',
  'duplicates.md',
  'stages/mix-languages.md',
  'stages/balance-terms.md',
  'inspect.md',
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

/** A command's words, as a shell would cut it. */
const wordsOf = (command: string) =>
  [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '');

/** What the guides made, under the names that the demo would have given them. */
async function linkDemo(): Promise<void> {
  const demo = join(folder, 'runs', 'demo');
  await mkdir(demo);
  await symlink(join(folder, 'runs', 'curated'), join(demo, 'curated'));
  await symlink(join(folder, 'runs', 'learner'), join(demo, 'distilled'));
  await symlink(join(folder, 'data'), join(demo, 'emoji-109'));
}

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
  const built = new Set<string>();
  for (const name of guides) {
    it(`${name}: every recipe, command and question works, in order`, async () => {
      if (name === 'inspect.md') await linkDemo();
      const blocks = blocksOf(await guide(name));
      expect(blocks.filter(({ language }) => language === 'sh').length).toBeGreaterThan(1);
      for (const { language, text, file } of blocks) {
        if (language === 'yaml') {
          expect(file).toBeDefined();
          await writeFile(join(folder, file ?? ''), shortened(text));
        } else if (language === 'sh') {
          const words = wordsOf(text.replace('--rows 2000', '--rows 200'));
          expect(words.slice(0, 2)).toEqual(['npx', 'assay']);
          // Guides begin with the same data: it is there already.
          if (words.includes('sources') && built.has(text)) continue;
          built.add(text);
          const { stdout } = await execute(process.execPath, [program, ...words.slice(2)], { cwd: folder });
          expect(stdout.length).toBeGreaterThan(20);
        } else if (language === 'sql') {
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

describe('the guide to object storage', () => {
  it('storage.md: its recipe and command work, on a store of this machine', async () => {
    const store = await startObjectStore();
    try {
      const blocks = blocksOf(await guide('storage.md'));
      expect(blocks.map(({ language }) => language)).toEqual(['yaml', 'sh']);
      const [recipe, command] = blocks.map(({ text }) => text);
      await writeFile(
        join(folder, 's3.yaml'),
        recipe?.replace('http://127.0.0.1:9000', store.endpoint) ?? '',
      );
      const storage = createS3Storage(settingsFor(store));
      const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
      const image = () =>
        sharp({ create: { width: 64, height: 64, channels: 3, background: 'white', noise } })
          .png()
          .toBuffer();
      const english = ['red', 'green', 'yellow', 'small', 'large', 'sour', 'sweet', 'ripe', 'round'];
      const texts = english.map((kind) => `a ${kind} apple that lies on a plate`);
      const rows = [];
      for (const text of [...texts, 'ein roter Apfel liegt auf einem Teller']) {
        rows.push({ key: text, image: await image(), altTexts: [text] });
      }
      await writeSource(join(folder, 'one.parquet'), rows);
      await storage.put('s3://pool/shards/one.parquet', await readFile(join(folder, 'one.parquet')));
      const words = command?.trim().split(/\s+/) ?? [];
      expect(words.slice(0, 2)).toEqual(['npx', 'assay']);
      await execute(process.execPath, [program, ...words.slice(2)], { cwd: folder });
      expect(await storage.stat('s3://pool/runs/mine/shards/00000.parquet')).not.toBeNull();
      expect(await storage.stat('s3://pool/runs/mine/manifest.json')).not.toBeNull();
      expect((await readdir(join(folder, 'cache'))).length).toBe(1);
      await storage.close();
    } finally {
      await store.stop();
    }
  }, 120_000);

  it('storage.md: its table names every setting and its default', async () => {
    const text = await guide('storage.md');
    const defaults: Record<string, unknown> = storageSettingsSchema.parse({});
    for (const key of Object.keys(storageSettingsSchema.shape)) {
      expect(text).toMatch(new RegExp(`\\| \`${key}`));
      if (typeof defaults[key] === 'number' && key !== 'partBytes') {
        expect(text).toMatch(new RegExp(`\\| \`${key}\` +\\| \`${defaults[key]}\` `));
      }
    }
  });
});

describe('the guide to operations', () => {
  it('has a batch script and a job that are sound, and name flags that there are', async () => {
    // What they come to is tested where engines are: tests/engines/clusters.test.ts.
    const blocks = blocksOf(await guide('operations.md'));
    const script = (blocks.find(({ language }) => language === 'bash')?.text ?? '').replaceAll('\\\n', '');
    const manifest = blocks.find(({ text }) => text.startsWith('apiVersion: batch/v1'))?.text ?? '';
    await writeFile(join(folder, 'curate.sbatch'), script);
    await execute('bash', ['-n', join(folder, 'curate.sbatch')]);
    const job = parseYaml(manifest);
    expect(job).toMatchObject({ kind: 'Job', spec: { completionMode: 'Indexed', backoffLimitPerIndex: 5 } });
    const { completions, template } = job.spec;
    const [container] = template.spec.containers;
    const [shell, option, command] = container.command;
    await execute(shell, ['-n', option, command]);
    expect(container.volumeMounts[0].name).toBe(template.spec.volumes[0].name);
    const { stdout: help } = await execute(process.execPath, [program, 'run', '--help']);
    for (const [line, of] of [
      [script, '"$SLURM_ARRAY_TASK_COUNT"'],
      [command, completions],
    ]) {
      expect(line).toContain(`--of ${of} `);
      const flags = [...line.matchAll(/assay run (.*)/g)].flatMap(([, text]) => text.match(/--[a-z-]+/g));
      expect(flags).toEqual(expect.arrayContaining(['--plan', '--task-index', '--of', '--workers']));
      for (const flag of flags) expect(help).toContain(` ${flag} `);
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
