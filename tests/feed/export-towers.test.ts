import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openTowers } from '../../models/siglip/open-towers.ts';
import { temporaryFolder } from '../support.ts';
import { missing, python, runPython } from './python.ts';

const root = new URL('../..', import.meta.url).pathname;
const models = join(root, 'tests/models/conformance');
const why = await missing('transformers, torch, onnx, onnxscript');
const sentencepieceWhy = await missing('sentencepiece');
for (const [what, missed] of [
  ['export_towers.py', why],
  ['export_towers.py of a SentencePiece tokenizer', sentencepieceWhy],
]) {
  if (missed !== null) process.stderr.write(`${what}: not run: ${python}: ${missed}\n`);
}

describe.skipIf(why !== null)('export_towers.py', () => {
  let out: string;
  let answer: Record<string, unknown>;
  beforeAll(async () => {
    out = await temporaryFolder();
    const script = join(root, 'tests/feed/export_check.py');
    const more = sentencepieceWhy === null ? ['sentencepiece'] : [];
    const { stdout } = await runPython([script, join(root, 'docs/clients'), models, out, ...more]);
    answer = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  }, 200_000);

  it('leaves a model as it was, each of its parts that trains or evaluates, also where it fails', () => {
    expect(answer).toMatchObject({ siglip2: [], naflex: [] });
    expect(answer).toMatchObject({ failed: 'it failed', modes: [true, true, false], patched: false });
  });

  it.each(['siglip2', 'naflex'])(
    'writes a model in bfloat16 as one in float32, which runs: %s',
    async (name) => {
      const texts = ['a cat', 'a red house', 'boats'];
      const rows: Float32Array[] = [];
      for (const folder of [name, `${name}-bfloat16`]) {
        const towers = await openTowers(join(out, folder), { threads: 1 });
        expect(towers.facts.logits.from).toBe('assay.json');
        const colours = [0, 90, 200].map((value) => ({
          pixels: new Uint8Array(64 * 48 * 3).map((_, i) => (value + i * (1 + (i % 3))) & 255),
          width: 64,
          height: 48,
        }));
        rows.push(
          Float32Array.of(...(await towers.embedPictures(colours)), ...(await towers.embedTexts(texts))),
        );
        await towers.dispose();
      }
      const [whole = new Float32Array(), brief = new Float32Array()] = rows;
      const d = whole.length / 6;
      for (let row = 0; row < 6; row += 1) {
        let cosine = 0;
        for (let k = row * d; k < (row + 1) * d; k += 1) cosine += (whole[k] ?? 0) * (brief[k] ?? 0);
        expect(cosine).toBeGreaterThan(0.99);
      }
    },
  );

  it.skipIf(sentencepieceWhy !== null)(
    "copies tokenizer.json beside SentencePiece's model, and says so where there is none",
    () => {
      expect(answer.saved).toEqual(expect.arrayContaining(['preprocessor_config.json', 'tokenizer.json']));
      expect(answer.same).toBe(true);
      expect(answer.none).toMatch(/source has no tokenizer.json, which Assay reads in place of spiece.model/);
    },
  );
});
