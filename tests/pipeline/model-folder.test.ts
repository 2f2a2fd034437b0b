import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate } from '../../pipeline/curate.ts';
import { examineModel, type ModelReport, modelFindings } from '../../pipeline/doctor-model.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { buildEmojiSources } from '../../pipeline/sources/emoji/build.ts';
import { emojiSourceOptionsSchema } from '../../pipeline/sources/emoji/options.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { toy, writeToySiglip } from '../models/toy-siglip.ts';
import { temporaryFolder } from '../support.ts';

const program = new URL('../../pipeline/cli/assay.js', import.meta.url).pathname;
const signal = new AbortController().signal;
const run = { signal, progress: silentProgress, configPath: 'folder.yaml' };

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeToySiglip(join(folder, 'naflex'), { kind: 'naflex' });
  await writeToySiglip(join(folder, 'fixed'));
  await writeToySiglip(join(folder, 'fixed'), { ports: 'float16' }, '_fp16');
  await writeToySiglip(join(folder, 'wrong'), { outputName: 'logits' });
});

describe('assay doctor --model', () => {
  let report: ModelReport;
  beforeAll(async () => {
    const model = join(folder, 'fixed');
    report = await examineModel({ model, signal, progress: silentProgress, measuredMs: 1 });
  });

  it('says what a model is and does', () => {
    expect(report.check).toMatchObject({ isRight: true, problem: null });
    expect(report.imagesPerSecond).toBeGreaterThan(0);
    const said = Object.fromEntries(modelFindings(report).map(({ what, found }) => [what, found]));
    expect(said).toMatchObject({
      kind: 'SigLIP 2, fixed resolution',
      images: '32 x 32, resized bilinear, antialiased',
      precision: 'fp32; there are fp16 as well',
      'image tower': 'pixel_values float32 [batch_size, 3, 32, 32] to pooler_output float32 [batch_size, 4]',
      'scale and bias': 'scale 112.67, bias -16.77 (assumed)',
    });
    expect(said.tokenizer).toMatch(/^64 tokens of 256000; "a red circle" is 4 .* 1, then pads$/);
    expect(modelFindings(report).find(({ what }) => what === 'scale and bias')?.advice).toContain(
      'assay.json',
    );
    expect(modelFindings(report).every(({ ok }) => ok)).toBe(true);
  });

  it('says so in JSON, and ends with 2 and one line for what is no model', async () => {
    const ask = (...words: string[]) =>
      promisify(execFile)(process.execPath, [program, 'doctor', '--model', ...words]).then(
        ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
        (error: { code: number; stdout: string; stderr: string }) => error,
      );
    const sound = await ask(join(folder, 'naflex'), '--json');
    expect(JSON.parse(sound.stdout)).toMatchObject({
      dimension: toy.dimension,
      towers: { kind: 'siglip2', resolution: { kind: 'naflex', patchSize: 4, sequenceLength: 16 } },
    });
    const wrong = await ask(join(folder, 'wrong'));
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/no output holds embeddings; expected/);
    expect(wrong.stderr).not.toContain('    at ');
  });

  it('finds a graph that was made for a batch of one', async () => {
    const model = await writeToySiglip(join(folder, 'first'), { knowsFirst: true });
    const { check } = await examineModel({ model, signal, progress: silentProgress, measuredMs: 1 });
    expect(check.problem).toMatch(/another beside a second image: the graph was made for a batch of one/);
  });

  it('finds a model whose texts are all alike', () => {
    const problem = 'two different texts have the same embedding';
    const findings = modelFindings({ ...report, check: { ...report.check, problem } });
    expect(findings.filter(({ ok }) => !ok).map(({ found }) => found)).toEqual([problem]);
  });
});

describe('curation with a folder of ONNX towers as its teacher', () => {
  it('embeds, scores and labels regions with it, and writes down its files', async () => {
    await buildEmojiSources(
      emojiSourceOptionsSchema.parse({ out: join(folder, 'emoji'), rows: 60, seed: 5 }),
      { signal, progress: () => {} },
    );
    const config = parseConfig(
      `
seed: 5
threads: 1
input: {shards: ${folder}/emoji/shards, batchRows: 64}
mix: {enabled: false}
scores: {keep: 0.8}
regions: {detector: windows}
teacher: {checkpoint: ${folder}/naflex, precision: fp32, logits: {scale: 30, bias: -2}}
`,
      'folder.yaml',
    );
    const report = await curate(config, join(folder, 'curated'), run);
    expect(report.kept).toBeGreaterThan(10);
    const manifest = JSON.parse(await readFile(join(folder, 'curated', 'manifest.json'), 'utf8'));
    expect(manifest.teacher).toMatchObject({ dimension: 4, imageSize: 16, scale: 30, bias: -2 });
    const names = manifest.teacher.files.map(({ path }: { path: string }) => path);
    expect(names).toContain('onnx/vision_model.onnx');
    const shard = await openShard(
      join(folder, 'curated', 'shards', manifest.output[0].path.replace('shards/', '')),
    );
    const columns = await shard.readRowGroup(0, ['teacher_image', 'text_score', 'regions']);
    const [first] = Array.from(columns.teacher_image ?? []) as ArrayLike<number>[];
    expect(Math.hypot(...Array.from(first ?? []))).toBeCloseTo(1, 2);
    expect(Array.from(columns.regions ?? []).length).toBeGreaterThan(0);
  });

  it('is refused in one line when the folder is no model', async () => {
    const config = parseConfig(
      `input: {shards: ${folder}/emoji/shards}\nteacher: {checkpoint: ${folder}/wrong}`,
      'folder.yaml',
    );
    await expect(curate(config, join(folder, 'refused'), run)).rejects.toThrow(
      /^teacher.checkpoint: .*no output holds embeddings/,
    );
  });
});
