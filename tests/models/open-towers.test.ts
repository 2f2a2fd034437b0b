import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTowers } from '../../models/siglip/open-towers.ts';
import { embedEncoded } from '../../models/teacher.ts';
import { temporaryFolder } from '../support.ts';
import { type ToyOptions, toy, toyColours, toyText, toyVision, writeToySiglip } from './toy-siglip.ts';

const root = new URL('conformance', import.meta.url).pathname;
let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const limits = { maxPixels: 1_000_000, concurrency: 2 };

function picture(colour: string, width = 40, height = 24): Promise<Uint8Array> {
  const shade = (value: number) => (value > 0 ? 255 : 0);
  const [r, g, b] = (toyColours[colour] ?? [0, 0, 0]).map(shade) as [number, number, number];
  return sharp({ create: { width, height, channels: 3, background: { r, g, b } } })
    .png()
    .toBuffer();
}

const colours = Object.keys(toyColours);

/** The similarities [images, texts] of one picture a colour and its name. */
async function similarities(options: ToyOptions, suffix = '', precision: 'fp32' | 'fp16' | 'int8' = 'fp32') {
  await writeToySiglip(folder, options, suffix);
  const towers = await openTowers(folder, { precision, batch: 2, threads: 1 });
  try {
    const images = await embedEncoded(towers, await Promise.all(colours.map((c) => picture(c))), limits);
    const texts = await towers.embedTexts(colours.map((colour) => colour[0]?.toUpperCase() ?? ''));
    const d = towers.dimension;
    const rows = (flat: Float32Array) => colours.map((_, i) => [...flat.slice(i * d, (i + 1) * d)]);
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, k) => sum + value * (b[k] ?? 0), 0);
    for (const row of [...rows(images), ...rows(texts)]) expect(Math.hypot(...row)).toBeCloseTo(1, 5);
    return { facts: towers.facts, matrix: rows(images).map((a) => rows(texts).map((b) => dot(a, b))) };
  } finally {
    await towers.dispose();
  }
}

function expectMatched(matrix: readonly (readonly number[])[]) {
  matrix.forEach((row, i) => {
    expect(row.indexOf(Math.max(...row))).toBe(i);
  });
}

describe('towers of a Hugging Face folder', () => {
  it.each([
    ['siglip2', {}],
    ['siglip', { kind: 'siglip' }],
    ['naflex', { kind: 'naflex' }],
    ['a fixed batch', { batch: 4 }],
    ['an attention mask', { attentionMask: true }],
    ['32-bit ids', { idsType: 'int32' }],
  ] as const)('match pictures and texts: %s', async (_, options) => {
    const { matrix } = await similarities(options);
    expectMatched(matrix);
  });

  it('run half-precision files', async () => {
    const { facts, matrix } = await similarities({ ports: 'float16' }, '_fp16', 'fp16');
    expectMatched(matrix);
    expect(facts.precisions).toEqual(['fp16']);
  });

  it('run 8-bit files, near the whole ones', async () => {
    const whole = await similarities({});
    const eighth = await similarities({ quantized: true }, '_int8', 'int8');
    expect(eighth.facts.precisions).toEqual(['fp32', 'int8']);
    eighth.matrix.flat().forEach((value, i) => {
      expect(Math.abs(value - (whole.matrix.flat()[i] ?? 0))).toBeLessThan(0.05);
    });
    expectMatched(eighth.matrix);
  });

  it('tell SigLIP 2 by its vocabulary, NaFlex by its type', async () => {
    expect((await similarities({ kind: 'siglip' })).facts.kind).toBe('siglip');
    expect((await similarities({})).facts).toMatchObject({
      kind: 'siglip2',
      resolution: { kind: 'fixed', side: toy.side, kernel: 'bilinear' },
      textTokens: 64,
    });
    expect((await similarities({ kind: 'naflex' })).facts.resolution).toEqual({
      kind: 'naflex',
      patchSize: toy.patchSize,
      sequenceLength: toy.sequenceLength,
    });
  });

  it.each([
    [{ tokenizer_class: 'GemmaTokenizer' }, 300, 'siglip2'],
    [{ tokenizer_class: 'Siglip2Tokenizer' }, 300, 'siglip2'],
    [{ tokenizer_class: 'SiglipTokenizer' }, 256_000, 'siglip'],
    [{ tokenizer_class: 'TokenizersBackend' }, 256_000, 'siglip2'],
    // SigLIP's multilingual models.
    [{}, 250_000, 'siglip'],
  ])('tell the two at a fixed resolution: %o with %i pieces is %s', async (special, pieces, kind) => {
    await writeToySiglip(folder);
    const write = (name: string, value: object) => writeFile(join(folder, name), JSON.stringify(value));
    await write('config.json', { model_type: 'siglip', text_config: { vocab_size: pieces } });
    await write('tokenizer_config.json', { eos_token: '<eos>', pad_token: '<pad>', ...special });
    const towers = await openTowers(folder);
    expect(towers.facts.kind).toBe(kind);
    await towers.dispose();
  });

  it('of NaFlex are read as transformers 4.57 saves their processor, null where it has nothing', async () => {
    await writeToySiglip(folder, { kind: 'naflex' });
    const saved = await readFile(join(root, 'naflex-4.57/preprocessor_config.json'), 'utf8');
    const sizes = { patch_size: toy.patchSize, max_num_patches: toy.sequenceLength };
    const write = (value: object) =>
      writeFile(join(folder, 'preprocessor_config.json'), JSON.stringify(value));
    const nothing = { size: null, patch_size: null, max_num_patches: null, resample: null };
    for (const preprocessor of [
      { ...JSON.parse(saved), ...sizes },
      { ...nothing, image_mean: null, image_std: null },
    ]) {
      await write(preprocessor);
      const towers = await openTowers(folder);
      expect(towers.facts.resolution).toEqual({
        kind: 'naflex',
        patchSize: toy.patchSize,
        sequenceLength: toy.sequenceLength,
      });
      await towers.dispose();
    }
    expect(JSON.parse(saved)).toMatchObject({ size: null, resample: 2, patch_size: 16 });
  });

  it('give an image the same embedding whatever it comes with', async () => {
    await writeToySiglip(folder, { kind: 'naflex' });
    const towers = await openTowers(folder, { batch: 3 });
    const images = await Promise.all([picture('red', 30, 10), picture('blue', 9, 50), picture('green')]);
    const together = await towers.embedEncoded([...images, ...images], limits);
    const alone = await towers.embedEncoded([images[1] as Uint8Array], limits);
    alone.forEach((value, k) => {
      expect(together[towers.dimension + k]).toBeCloseTo(value, 6);
      expect(together[4 * towers.dimension + k]).toBeCloseTo(value, 6);
    });
    await towers.dispose();
  });

  it('take the scale and the bias from settings, assay.json, config.json or the weights, else assume them', async () => {
    await writeToySiglip(folder);
    const logitsOf = async (options = {}) => {
      const towers = await openTowers(folder, options);
      await towers.dispose();
      expect(towers.scale).toBe(towers.facts.logits.scale);
      return towers.facts.logits;
    };
    expect(await logitsOf()).toEqual({ scale: 112.67, bias: -16.772, from: 'assumed' });
    const header = Buffer.from(
      JSON.stringify({
        logit_scale: { dtype: 'F32', shape: [1], data_offsets: [8, 12] },
        logit_bias: { dtype: 'BF16', shape: [1], data_offsets: [4, 6] },
      }),
    );
    const data = Buffer.alloc(12);
    data.writeUInt16LE(0xc120, 4);
    data.writeFloatLE(Math.log(50), 8);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    await writeFile(join(folder, 'model.safetensors'), Buffer.concat([length, header, data]));
    const read = await logitsOf();
    expect(read).toMatchObject({ bias: -10, from: 'model.safetensors' });
    expect(read.scale).toBeCloseTo(50, 4);
    await rename(join(folder, 'model.safetensors'), join(folder, 'model-00001-of-00002.safetensors'));
    const parts = ['logit_scale', 'logit_bias'].map((name) => [name, 'model-00001-of-00002.safetensors']);
    await writeFile(
      join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: Object.fromEntries(parts) }),
    );
    expect(await logitsOf()).toEqual(read);
    await writeFile(join(folder, 'assay.json'), '{"logitScale": 20, "logitBias": -3}');
    expect(await logitsOf()).toEqual({ scale: 20, bias: -3, from: 'assay.json' });
    expect(await logitsOf({ logits: { scale: 2, bias: 1 } })).toEqual({ scale: 2, bias: 1, from: 'given' });
  });
});

describe('a folder that is not sound', () => {
  const refused = async (pattern: RegExp, options = {}) => {
    const error = await openTowers(folder, options).then(
      () => null,
      (thrown: Error) => thrown,
    );
    expect(error?.message).toMatch(pattern);
    expect(error?.message).not.toContain('\n');
  };

  it.each([
    [
      'another input',
      { pixelsName: 'images' },
      /no input pixel_values; expected inputs pixel_values.*it has inputs images float32 \[batch_size, 3, 32, 32\]/,
    ],
    [
      'another output',
      { outputName: 'logits' },
      /no output holds embeddings; expected .*pooler_output.*logits float32/,
    ],
    ['another dimension', { dimension: 5 }, /pooler_output has 5 values, and the config says 4/],
  ] as const)('is refused for %s', async (_, options, pattern) => {
    await writeToySiglip(folder, options);
    await refused(pattern);
  });

  it('is refused for a side that the config has not', async () => {
    await writeToySiglip(folder);
    await writeFile(join(folder, 'preprocessor_config.json'), '{"size": 64}');
    await refused(/the input pixel_values is \[batch_size, 3, 32, 32\]; expected .*\[batch, 3, 64, 64\]/);
  });

  it('is refused without its files, naming those that are there', async () => {
    await refused(/config.json: no such file/);
    await writeToySiglip(folder);
    await writeFile(join(folder, 'model.onnx'), 'both');
    await refused(/text_model_fp16.onnx \(fp16; there are fp32\)$/, { precision: 'fp16' });
    await writeFile(join(folder, 'onnx', 'vision_model.onnx'), 'nothing');
    await refused(/vision_model.onnx: not an ONNX file/);
    await writeFile(join(folder, 'config.json'), '{"model_type": "clip"}');
    await refused(/config.json: model_type: 'siglip' or 'siglip2' is expected, not "clip"/);
  });

  it('may have its graphs beside the config; one graph of both towers is refused', async () => {
    await writeToySiglip(folder);
    const move = (name: string) => rename(join(folder, 'onnx', name), join(folder, name));
    await Promise.all(['vision_model.onnx', 'text_model.onnx'].map(move));
    const towers = await openTowers(folder);
    expect(towers.facts.files).toContain(join(folder, 'vision_model.onnx'));
    await towers.dispose();
    await rename(join(folder, 'vision_model.onnx'), join(folder, 'model.onnx'));
    await refused(/no onnx\/vision_model.onnx .*model.onnx holds both towers in one.*export_towers.py/);
  });

  it('reads nothing outside itself', async () => {
    const inside = join(folder, 'model');
    await mkdir(inside);
    await writeToySiglip(inside);
    const outside = join(folder, 'elsewhere.json');
    await writeFile(outside, '{}');
    await rm(join(inside, 'tokenizer_config.json'));
    await symlink(outside, join(inside, 'tokenizer_config.json'));
    await expect(openTowers(inside)).rejects.toThrow(
      /tokenizer_config.json: a model's files must lie in its folder/,
    );
  });

  it.each([
    ['../../../elsewhere.bin', /keeps weights in .*elsewhere.bin.*must lie in its folder/],
    ['/etc/passwd', /keeps weights in "\/etc\/passwd".*must lie in its folder/],
    ['weights.bin', /its weights "weights.bin" aren't there/],
  ])('is refused for weights in %s', async (location, pattern) => {
    await writeToySiglip(folder);
    await writeFile(join(folder, 'onnx', 'vision_model.onnx'), withExternalData(toyVision(), location));
    await refused(pattern);
  });

  it('runs with weights beside the graph, and counts them among its files', async () => {
    await writeToySiglip(folder);
    await writeFile(join(folder, 'onnx', 'vision_model.onnx'), withExternalData(toyVision(), 'weights.bin'));
    await writeFile(join(folder, 'onnx', 'weights.bin'), Buffer.alloc(4));
    const towers = await openTowers(folder);
    expect(towers.facts.files).toContain(join(folder, 'onnx', 'weights.bin'));
    await towers.dispose();
  });

  it("a tower's graph is scanned whole, however it is cut", async () => {
    await writeToySiglip(folder);
    const text = toyText();
    for (const length of [1, 7, text.length - 3]) {
      await writeFile(join(folder, 'onnx', 'text_model.onnx'), text.subarray(0, length));
      await refused(/text_model.onnx: /);
    }
  });
});

/** Appends a graph with an initializer whose values lie elsewhere: protobuf joins the parts of one message. */
function withExternalData(model: Uint8Array, location: string): Uint8Array {
  const field = (number: number, contents: Uint8Array) =>
    Buffer.concat([Buffer.from([number * 8 + 2, contents.length]), contents]);
  const entry = Buffer.concat([field(1, Buffer.from('location')), field(2, Buffer.from(location))]);
  const tensor = Buffer.concat([
    Buffer.from([0x08, 1, 0x10, 1]),
    field(8, Buffer.from('beyond')),
    field(13, entry),
    Buffer.from([0x70, 1]),
  ]);
  return Buffer.concat([model, field(7, field(5, tensor))]);
}
