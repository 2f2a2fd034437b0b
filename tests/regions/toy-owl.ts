import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createGraph, type Dimension } from '../../models/onnx/graph.ts';

/** The words that the toy model knows, and what each adds to a query's embedding: red, green, blue. */
export const toyWords: Readonly<Record<string, readonly [number, number, number]>> = {
  red: [2, -2, -2],
  green: [-2, 2, -2],
  blue: [-2, -2, 2],
  big: [1, 1, 1],
};

/** What is taken from every logit, so that what a query doesn't name scores low. */
export const toyBias = -3;

/** The side of its input, 3 x 3 patches of 16 pixels. */
export const toySide = 48;

/** How a toy model's graph may differ from a sound one. */
export interface ToyGraphOptions {
  /** Queries that it is made for; any number unless told. */
  readonly queries?: number;
  readonly batch?: number;
  readonly logitsName?: string;
  readonly idsType?: 'int64' | 'int32';
  readonly boxes?: Float32Array;
}

const start = '<|startoftext|>';
const end = '<|endoftext|>';

/** A tokenizer.json of CLIP's form, with the words above as tokens. */
export function toyTokenizer() {
  const vocabulary: Record<string, number> = { '!': 0 };
  const merges: string[] = [];
  const add = (token: string) => {
    vocabulary[token] ??= Object.keys(vocabulary).length;
  };
  for (const letter of 'abcdefghijklmnopqrstuvwxyz') {
    add(letter);
    add(`${letter}</w>`);
  }
  for (const word of Object.keys(toyWords)) {
    const pieces = [...word].map((letter, i) => (i === word.length - 1 ? `${letter}</w>` : letter));
    let whole = pieces[0] ?? '';
    for (const piece of pieces.slice(1)) {
      merges.push(`${whole} ${piece}`);
      whole += piece;
      add(whole);
    }
  }
  add(start);
  add(end);
  const special = (content: string) => ({
    id: vocabulary[content],
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: true,
    special: true,
  });
  return {
    version: '1.0',
    added_tokens: [special(start), special(end)],
    normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: '[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+' },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [end, vocabulary[end]],
      cls: [start, vocabulary[start]],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
    model: {
      type: 'BPE',
      unk_token: end,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      vocab: vocabulary,
      merges,
    },
  };
}

/** The mean colour of each patch against the sum of each query's words, less a bias; a box a patch. */
export function toyGraph(options: ToyGraphOptions = {}): Uint8Array {
  const { queries, batch = 1, logitsName = 'logits', idsType = 'int64' } = options;
  const vocabulary: Record<string, number> = toyTokenizer().model.vocab;
  const size = Object.keys(vocabulary).length;
  const table = new Float32Array(size * 3);
  for (const [word, colours] of Object.entries(toyWords))
    table.set(colours, (vocabulary[`${word}</w>`] ?? 0) * 3);
  const graph = createGraph();
  const asked: Dimension = queries ?? 'queries';
  graph.input('input_ids', [asked, 16], idsType);
  graph.input('pixel_values', [batch, 3, toySide, toySide], 'float32');
  graph.input('attention_mask', [asked, 16], 'int64');
  const words = graph.node('Gather', [graph.constant([size, 3], 'float32', table), 'input_ids']);
  const mask = graph.node('Unsqueeze', [
    graph.node('Cast', ['attention_mask'], { to: 1 }),
    graph.integers([2]),
  ]);
  const texts = graph.node('ReduceSum', [graph.node('Mul', [words, mask]), graph.integers([1])], {
    keepdims: 0,
  });
  const pooled = graph.node('AveragePool', ['pixel_values'], { kernel_shape: [16, 16], strides: [16, 16] });
  const patches = graph.node('Transpose', [graph.node('Reshape', [pooled, graph.integers([batch, 3, 9])])], {
    perm: [0, 2, 1],
  });
  const similarities = graph.node('MatMul', [patches, graph.node('Transpose', [texts], { perm: [1, 0] })]);
  const logits = graph.node('Add', [similarities, graph.scalar(toyBias, 'float32')]);
  const boxes =
    options.boxes ??
    Float32Array.from({ length: 36 }, (_, i) => {
      const patch = Math.floor(i / 4);
      return [((patch % 3) + 0.5) / 3, (Math.floor(patch / 3) + 0.5) / 3, 1 / 3, 1 / 3][i % 4] ?? 0;
    });
  graph.output(logitsName, logits, [batch, 9, asked], 'float32');
  graph.output('pred_boxes', graph.constant([1, 9, 4], 'float32', boxes), [1, 9, 4], 'float32');
  return graph.encode('owl');
}

/** Writes a model's folder as it is laid out on the Hugging Face Hub. */
export async function writeToyOwl(
  folder: string,
  graph: Uint8Array = toyGraph(),
  type: 'owlv2' | 'owlvit' = 'owlv2',
): Promise<string> {
  await mkdir(join(folder, 'onnx'), { recursive: true });
  const write = (name: string, value: unknown) => writeFile(join(folder, name), JSON.stringify(value));
  await write('config.json', { model_type: type, text_config: {} });
  await write('preprocessor_config.json', {
    size: { height: toySide, width: toySide },
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
  });
  await write('tokenizer.json', toyTokenizer());
  await write('tokenizer_config.json', { pad_token: '!' });
  await writeFile(join(folder, 'onnx', 'model.onnx'), graph);
  return folder;
}
