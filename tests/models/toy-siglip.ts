import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toFloat16 } from '../../models/float16.ts';
import { createGraph, type Dimension, type Graph } from '../../models/onnx/graph.ts';

/** d, the side, the patch and the sequence of toy models. */
export const toy = { dimension: 4, side: 32, patchSize: 4, sequenceLength: 16, textTokens: 64 } as const;

/** What a toy model's words are embedded as: the colours, as `pixel_values` in [-1, 1] have them. */
export const toyColours: Readonly<Record<string, readonly [number, number, number]>> = {
  red: [1, -1, -1],
  green: [-1, 1, -1],
  blue: [-1, -1, 1],
};

const pieces = ['<pad>', '<eos>', '<bos>', '<unk>', ...'abcdefghijklmnopqrstuvwxyzéÉ '];
/** The id of a piece of the toy vocabulary. */
export const toyId = (piece: string) => pieces.indexOf(piece);

/** How a toy's graphs may differ from sound ones. */
export interface ToyOptions {
  readonly kind?: 'siglip' | 'siglip2' | 'naflex';
  /** Samples of a run that the graphs are made for; any number unless told. */
  readonly batch?: number;
  readonly ports?: 'float32' | 'float16';
  readonly quantized?: boolean;
  readonly pixelsName?: string;
  readonly outputName?: string;
  readonly idsType?: 'int64' | 'int32';
  readonly dimension?: number;
  readonly attentionMask?: boolean;
  /** Every image's features are the first one's, as of a graph that was traced with a batch of one. */
  readonly knowsFirst?: boolean;
}

/** A tokenizer.json of single letters, written as Gemma's is: no normalizer lower-cases. */
export function toyTokenizer() {
  const special = (content: string) => ({
    id: toyId(content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  return {
    version: '1.0',
    added_tokens: ['<pad>', '<eos>', '<bos>', '<unk>'].map(special),
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: [],
    },
  };
}

/** The mean colour of an image, and of NaFlex the shape of its grid, by a matrix [., d]. */
export function toyVision(options: ToyOptions = {}): Uint8Array {
  const { kind = 'siglip2', ports = 'float32', pixelsName = 'pixel_values' } = options;
  const graph = createGraph();
  const batch: Dimension = options.batch ?? 'batch_size';
  const { side, patchSize, sequenceLength: n } = toy;
  const float = (name: string) => (ports === 'float16' ? graph.node('Cast', [name], { to: 1 }) : name);
  let features: string;
  if (kind === 'naflex') {
    graph.input(pixelsName, [batch, n, patchSize * patchSize * 3], ports);
    graph.input('pixel_attention_mask', [batch, n], 'int64');
    graph.input('spatial_shapes', [batch, 2], 'int64');
    const cast = (name: string) => graph.node('Cast', [name], { to: 1 });
    const mask = graph.node('Unsqueeze', [cast('pixel_attention_mask'), graph.integers([2])]);
    const colours = graph.node(
      'ReduceMean',
      [
        graph.node('Reshape', [float(pixelsName), graph.integers([0, n, patchSize * patchSize, 3])]),
        graph.integers([2]),
      ],
      { keepdims: 0 },
    );
    const sum = graph.node('ReduceSum', [graph.node('Mul', [colours, mask]), graph.integers([1])], {
      keepdims: 0,
    });
    const mean = graph.node('Div', [
      sum,
      graph.node('ReduceSum', [mask, graph.integers([1])], { keepdims: 0 }),
    ]);
    const shapes = graph.node('Mul', [cast('spatial_shapes'), graph.scalar(0.01, 'float32')]);
    features = graph.node('Concat', [mean, shapes], { axis: 1 });
  } else {
    graph.input(pixelsName, [batch, 3, side, side], ports);
    const pooled = graph.node('ReduceMean', [float(pixelsName), graph.integers([2, 3])], { keepdims: 0 });
    const first = () => graph.node('Gather', [pooled, graph.integers([0])], { axis: 0 });
    features = options.knowsFirst
      ? graph.node('Add', [graph.node('Mul', [pooled, graph.scalar(0, 'float32')]), first()])
      : pooled;
  }
  const width = kind === 'naflex' ? 5 : 3;
  finish(graph, features, batch, width, options);
  return graph.encode('vision');
}

/** The mean over a text's letters of what each stands for: r, g and b the colours, the rest nothing. */
export function toyText(options: ToyOptions = {}): Uint8Array {
  const { idsType = 'int64' } = options;
  const graph = createGraph();
  const batch: Dimension = options.batch ?? 'batch_size';
  graph.input('input_ids', [batch, 'sequence_length'], idsType);
  if (options.attentionMask) graph.input('attention_mask', [batch, 'sequence_length'], 'int64');
  const table = new Float32Array(pieces.length * 3);
  for (const [word, colour] of Object.entries(toyColours)) table.set(colour, toyId(word[0] ?? '') * 3);
  const letters = graph.node('Gather', [graph.constant([pieces.length, 3], 'float32', table), 'input_ids']);
  const seen = options.attentionMask
    ? graph.node('Mul', [
        letters,
        graph.node('Unsqueeze', [graph.node('Cast', ['attention_mask'], { to: 1 }), graph.integers([2])]),
      ])
    : letters;
  const mean = graph.node('ReduceMean', [seen, graph.integers([1])], { keepdims: 0 });
  finish(graph, mean, batch, 3, options);
  return graph.encode('text');
}

/** Multiplies features by the first rows of an identity, in the precision that is asked for, and names the output. */
function finish(graph: Graph, features: string, batch: Dimension, width: number, options: ToyOptions): void {
  const { dimension: d = toy.dimension, outputName = 'pooler_output', ports = 'float32' } = options;
  const identity = Float32Array.from({ length: width * d }, (_, i) => Number(Math.floor(i / d) === i % d));
  let pooled: string;
  if (options.quantized) {
    const [values = '', scale = '', zero = ''] = graph.nodes('DynamicQuantizeLinear', [features], 3);
    const weights = graph.constant(
      [width, d],
      'int8',
      Int8Array.from(identity, (value) => value * 127),
    );
    const product = graph.node('MatMulInteger', [values, weights, zero]);
    const rescaled = graph.node('Mul', [graph.node('Cast', [product], { to: 1 }), scale]);
    pooled = graph.node('Mul', [rescaled, graph.scalar(1 / 127, 'float32')]);
  } else if (ports === 'float16') {
    const half = graph.node('Cast', [features], { to: 10 });
    pooled = graph.node('MatMul', [half, graph.constant([width, d], 'float16', toFloat16(identity))]);
  } else {
    pooled = graph.node('MatMul', [features, graph.constant([width, d], 'float32', identity)]);
  }
  graph.output(outputName, pooled, [batch, d], ports);
}

/** Writes a model's folder in the Hugging Face layout, the graphs under `suffix`. */
export async function writeToySiglip(folder: string, options: ToyOptions = {}, suffix = ''): Promise<string> {
  const { kind = 'siglip2' } = options;
  await mkdir(join(folder, 'onnx'), { recursive: true });
  const write = (name: string, value: unknown) => writeFile(join(folder, name), JSON.stringify(value));
  await write('config.json', {
    model_type: kind === 'naflex' ? 'siglip2' : 'siglip',
    text_config: { vocab_size: kind === 'siglip' ? 32_000 : 256_000, hidden_size: toy.dimension },
    vision_config: {
      hidden_size: toy.dimension,
      patch_size: toy.patchSize,
      ...(kind === 'naflex' ? { num_patches: toy.sequenceLength } : { image_size: toy.side }),
    },
  });
  await write(
    'preprocessor_config.json',
    kind === 'naflex'
      ? { patch_size: toy.patchSize, max_num_patches: toy.sequenceLength, resample: 2 }
      : { size: { height: toy.side, width: toy.side }, resample: kind === 'siglip' ? 3 : 2 },
  );
  await write('tokenizer.json', toyTokenizer());
  await write('tokenizer_config.json', { eos_token: '<eos>', pad_token: '<pad>' });
  await writeFile(join(folder, 'onnx', `vision_model${suffix}.onnx`), toyVision(options));
  await writeFile(join(folder, 'onnx', `text_model${suffix}.onnx`), toyText(options));
  return folder;
}
