import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { beforeAll, describe, expect, it } from 'vitest';
import { openTowers } from '../../models/siglip/open-towers.ts';
import { writeCurated } from '../pipeline/curated-pool.ts';
import { temporaryFolder } from '../support.ts';
import { missing, python, runPython } from './python.ts';
import { recipeOf, serve } from './served.ts';

const root = new URL('../..', import.meta.url).pathname;
const models = join(root, 'tests/models/conformance');
const pythonWhy = await missing('ast');
const why = await missing('requests, pyarrow, numpy');
const torchWhy = await missing('torch');
const jaxWhy = await missing('jax');
const transformersWhy = await missing('transformers, torch, onnx, onnxscript');
for (const [what, missed] of [
  ["the guide's JAX loop", jaxWhy],
  ["the guide's SigLIP 2 and export_towers.py", transformersWhy],
]) {
  if (why === null && missed !== null) process.stderr.write(`${what}: not run: ${python}: ${missed}\n`);
}
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
        const { stdout } = await runPython([script, join(root, 'docs/clients'), feed.url]);
        const answer = JSON.parse(stdout);
        expect(answer.patient).toEqual([20, 20]);
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

  const trainers = [
    ['in PyTorch', [], torchWhy],
    ['in PyTorch, its SigLIP 2', ['siglip2', join(models, 'siglip2')], transformersWhy],
    ['in JAX', ['jax'], jaxWhy],
  ] as const;
  for (const [name, kind, missed] of trainers) {
    it.skipIf(why !== null || missed !== null)(
      `trains as docs/fine-tune.md says, to the last step: ${name}`,
      async () => {
        const feed = await serve(folder, `guide ${name}`);
        try {
          const args = ['tests/feed/guide_trainer.py', 'docs/fine-tune.md', 'docs/clients'];
          const paths = args.map((path) => join(root, path));
          const { stdout } = await runPython([...paths, feed.url, ...kind]);
          expect(Number(stdout)).toBeGreaterThan(0);
          const status = await fetch(`${feed.url}/v1/status`);
          expect(await status.json()).toMatchObject({ step: 20, steps: 20 });
        } finally {
          await feed.close();
        }
      },
      120_000,
    );
  }

  it.skipIf(transformersWhy !== null)(
    'exports the towers of a checkpoint, which run',
    async () => {
      const [checkpoint, out] = [join(folder, 'checkpoint'), join(folder, 'towers')];
      const save = [
        'import shutil, sys',
        'from transformers import AutoConfig, AutoModel',
        'shutil.copytree(sys.argv[1], sys.argv[2])',
        'AutoModel.from_config(AutoConfig.from_pretrained(sys.argv[1])).save_pretrained(sys.argv[2])',
      ];
      await runPython(['-c', save.join('\n'), join(models, 'naflex'), checkpoint]);
      await runPython([join(root, 'docs/clients/export_towers.py'), checkpoint, out]);
      const towers = await openTowers(out, { threads: 1 });
      expect(towers.facts).toMatchObject({
        kind: 'siglip2',
        logits: { from: 'assay.json', scale: 1, bias: 0 },
      });
      expect(await towers.embedTexts(['a cat', 'a dog', 'a house'])).toHaveLength(3 * towers.dimension);
      await towers.dispose();
    },
    120_000,
  );

  it.skipIf(pythonWhy !== null)(
    'is one file that Python reads, and so is the trainer of the guide',
    async () => {
      const check = 'import ast, sys; print(len(ast.parse(open(sys.argv[1]).read()).body))';
      const { stdout } = await runPython(['-c', check, join(root, 'docs/clients/assay_client.py')]);
      expect(Number(stdout)).toBeGreaterThan(8);
      const guide = await readFile(join(root, 'docs/fine-tune.md'), 'utf8');
      const snippets = [...guide.matchAll(/```python\n([\s\S]*?)```/g)].map(([, snippet = '']) => snippet);
      expect(snippets).toHaveLength(4);
      for (const [i, snippet] of snippets.entries()) {
        const path = join(folder, `snippet-${i}.py`);
        await writeFile(path, snippet);
        expect(Number((await runPython(['-c', check, path])).stdout)).toBeGreaterThan(3);
      }
    },
  );
});
