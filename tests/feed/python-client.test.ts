import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tableFromIPC } from 'apache-arrow';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeCurated } from '../pipeline/curated-pool.ts';
import { temporaryFolder } from '../support.ts';
import { recipeOf, serve } from './served.ts';

const root = new URL('../..', import.meta.url).pathname;
const execute = promisify(execFile);
/** Where PyTorch and pyarrow are in an environment of their own, its interpreter. */
const python = process.env.ASSAY_PYTHON ?? 'python3';

const missing = async (modules: string): Promise<string | null> =>
  execute(python, ['-c', `import ${modules}`]).then(
    () => null,
    (error: Error) => error.message.trim().split('\n').at(-1) ?? 'it failed',
  );
const pythonWhy = await missing('ast');
const why = await missing('requests, pyarrow, numpy');
const torchWhy = await missing('torch');
if (why !== null) process.stderr.write(`the Python client is not run: ${python}: ${why}\n`);
else if (torchWhy !== null) process.stderr.write(`FeedDataset is not run: ${python}: ${torchWhy}\n`);

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeCurated(folder, 60);
});

const views = `  views:
    selfDistillation: { from: 0, globalSide: 16, localSide: 8 }
    maskedPrediction: { from: 0, patch: 8 }`;

describe('the Python client', () => {
  it.skipIf(why !== null)(
    'gets, selects and iterates, with NumPy and with PyTorch',
    async () => {
      const feed = await serve(folder, 'python', recipeOf('', views));
      try {
        const script = join(root, 'tests/feed/client_check.py');
        const { stdout } = await execute(python, [script, join(root, 'docs/clients'), feed.url]);
        const answer = JSON.parse(stdout);
        expect(answer.numpy.map((keys: string[]) => keys.length)).toEqual([6, 6, 6]);
        // What it was given is what the feed selected.
        const first = await fetch(`${feed.url}/v1/batches?step=0&image=none`);
        const keys = [...(tableFromIPC(new Uint8Array(await first.arrayBuffer())).getChild('key') ?? [])];
        expect(answer.numpy[0]).toEqual(keys);
        expect(answer.views).toEqual({
          pixels: [6, 16, 16, 3],
          global_views: [6, 1, 16, 16, 3],
          local_views: [6, 8, 8, 8, 3],
          patch_mask: [6, 4],
        });
        expect(answer.error).toMatch(/POST \/v1\/selections: 422: the body has 5 rows where 12/);
        if (torchWhy === null) {
          expect(answer.torch).toHaveLength(2);
          expect(answer.torch[0].slice(1)).toEqual([[6, 16, 16, 3], 'torch.uint8']);
        }
      } finally {
        await feed.close();
      }
    },
    60_000,
  );

  it.skipIf(why !== null || torchWhy !== null)(
    'trains as docs/fine-tune.md says, in PyTorch, to the last step',
    async () => {
      const feed = await serve(folder, 'guide');
      try {
        const args = ['tests/feed/guide_trainer.py', 'docs/fine-tune.md', 'docs/clients'];
        const { stdout } = await execute(python, [...args.map((path) => join(root, path)), feed.url]);
        expect(Number(stdout)).toBeGreaterThan(0);
        const status = await fetch(`${feed.url}/v1/status`);
        expect(await status.json()).toMatchObject({ step: 20, steps: 20 });
      } finally {
        await feed.close();
      }
    },
    60_000,
  );

  it.skipIf(pythonWhy !== null)(
    'is one file that Python reads, and so is the trainer of the guide',
    async () => {
      const check = 'import ast, sys; print(len(ast.parse(open(sys.argv[1]).read()).body))';
      const { stdout } = await execute(python, ['-c', check, join(root, 'docs/clients/assay_client.py')]);
      expect(Number(stdout)).toBeGreaterThan(8);
      const guide = await readFile(join(root, 'docs/fine-tune.md'), 'utf8');
      const [, snippet = ''] = /```python\n([\s\S]*?)```/.exec(guide) ?? [];
      const path = join(folder, 'snippet.py');
      await writeFile(path, snippet);
      expect(Number((await execute(python, ['-c', check, path])).stdout)).toBe(5);
    },
  );
});
