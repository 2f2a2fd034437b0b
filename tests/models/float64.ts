import type { AdamOptions } from '../../models/adam.ts';
import type { TensorValue } from '../../models/executor.ts';

type Inputs = Readonly<Record<string, TensorValue>>;

/** The values of an input, in doubles, with one of them moved. */
export interface Moved {
  readonly input: string;
  readonly index: number;
  readonly by: number;
}

/** The losses from their definitions, in plain double precision. */
export const lossesInDoubles = {
  sigmoid(inputs: Inputs, moved?: Moved): number {
    const bias = numbersOf(inputs, 'bias', moved)[0] ?? Number.NaN;
    const rows = logits(inputs, ['images', 'texts', 'scaleLog'], moved);
    let sum = 0;
    rows.forEach((row, i) => {
      row.forEach((logit, j) => {
        sum += Math.log1p(Math.exp((i === j ? -1 : 1) * (logit + bias)));
      });
    });
    return sum / rows.length;
  },
  softmax(inputs: Inputs, moved?: Moved): number {
    const rows = logits(inputs, ['images', 'texts', 'scaleLog'], moved);
    const pairs = rows.map((_, i) => rows.map((_, j) => Number(i === j)));
    return (crossEntropy(pairs, rows) + crossEntropy(pairs, transposed(rows))) / (2 * rows.length);
  },
  distillation(inputs: Inputs, moved?: Moved): number {
    const rows = logits(inputs, ['images', 'texts', 'scaleLog'], moved);
    const teacher = logits(inputs, ['teacherImages', 'teacherTexts', 'teacherScaleLog'], moved);
    const [byImage, byText] = [teacher, transposed(teacher)].map((all) => all.map(softmax));
    const both = crossEntropy(byImage ?? [], rows) + crossEntropy(byText ?? [], transposed(rows));
    return both / (2 * rows.length);
  },
} as const;

/** The gradient of a loss with respect to an input, by central differences in double precision. */
export function differences(
  loss: (inputs: Inputs, moved?: Moved) => number,
  inputs: Inputs,
  input: string,
): number[] {
  const by = 1e-5;
  return Array.from(inputs[input]?.data ?? [], (_, index) => {
    const at = (sign: number) => loss(inputs, { input, index, by: sign * by });
    return (at(1) - at(-1)) / (2 * by);
  });
}

/** AdamW with clipping (arXiv 1412.6980, 1711.05101) in double precision, an element at a time. */
export function adamReference(
  start: ArrayLike<number>,
  decays: ArrayLike<number>,
  gradients: readonly Float32Array[],
  rate: number,
  options: AdamOptions,
): number[] {
  const p = Array.from(start);
  const [m, v] = [p.map(() => 0), p.map(() => 0)];
  for (const [t, gradient] of gradients.entries()) {
    const norm = Math.hypot(...gradient);
    const clip = norm > options.clipNorm ? options.clipNorm / norm : 1;
    for (let i = 0; i < p.length; i += 1) {
      const g = (gradient[i] ?? 0) * clip;
      m[i] = options.beta1 * (m[i] ?? 0) + (1 - options.beta1) * g;
      v[i] = options.beta2 * (v[i] ?? 0) + (1 - options.beta2) * g * g;
      const mean = (m[i] ?? 0) / (1 - options.beta1 ** (t + 1));
      const square = (v[i] ?? 0) / (1 - options.beta2 ** (t + 1));
      const decay = options.weightDecay * (decays[i] ?? 0) * (p[i] ?? 0);
      p[i] = (p[i] ?? 0) - rate * (mean / (Math.sqrt(square) + (options.epsilon ?? 1e-8)) + decay);
    }
  }
  return p;
}

function numbersOf(inputs: Inputs, name: string, moved?: Moved): number[] {
  const values = Array.from(inputs[name]?.data ?? []);
  if (moved?.input === name) values[moved.index] = (values[moved.index] ?? 0) + moved.by;
  return values;
}

function logits(inputs: Inputs, names: readonly [string, string, string], moved?: Moved): number[][] {
  const [images, texts, scaleLog] = names.map((name) => numbersOf(inputs, name, moved));
  const [count = 0, width = 0] = inputs[names[0]]?.shape ?? [];
  const scale = Math.exp(scaleLog?.[0] ?? Number.NaN);
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: count }, (_, j) => {
      let dot = 0;
      for (let k = 0; k < width; k += 1)
        dot += (images?.[i * width + k] ?? 0) * (texts?.[j * width + k] ?? 0);
      return scale * dot;
    }),
  );
}

function softmax(row: readonly number[]): number[] {
  const weights = row.map(Math.exp);
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

function crossEntropy(targets: readonly number[][], rows: readonly number[][]): number {
  return -targets.reduce(
    (sum, row, i) =>
      sum + row.reduce((part, p, j) => part + p * Math.log(softmax(rows[i] ?? [])[j] ?? Number.NaN), 0),
    0,
  );
}

function transposed(rows: readonly number[][]): number[][] {
  return rows.map((_, j) => rows.map((row) => row[j] ?? Number.NaN));
}
