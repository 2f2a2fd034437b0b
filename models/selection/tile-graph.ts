import { createGraph, type Graph } from '../onnx/graph.ts';
import type { SelectionLoss } from './pair-model.ts';

/** How products and their reductions are computed. */
export type Precision = 'float32' | 'float64';

/** What a tile's graph is written for. */
export interface TileGraphOptions {
  readonly loss: SelectionLoss;
  readonly precision: Precision;
  /**
   * Factors 1 + e^x whose product goes through one logarithm (1: a logarithm each). It divides the picked rows of a
   * tile.
   */
  readonly group: number;
  /** Whether the factors are 1 + e^logit, whose product can overflow, and not 1 + e^-|logit|, at most 2. */
  readonly bounded: boolean;
}

/**
 * The ONNX model of a tile: the inputs `images` and `texts` [rows, d] with `pickedTexts` and `pickedImages`
 * [picked, d] (float32), and `scale` and `bias` [1] (of the precision). Outputs [rows] for the sigmoid: `sums`, of
 * the losses as negatives of each row with all picked, in both directions; for the softmax: `toTexts` and `toImages`,
 * the log-sum-exp of its logits with the picked ones. Products are reduced where they are made: nothing of size
 * rows x picked leaves the graph.
 */
export function tileGraph(options: TileGraphOptions): Uint8Array {
  const { loss, precision } = options;
  const graph = createGraph();
  for (const name of ['images', 'texts']) graph.input(name, ['rows', 'd'], 'float32');
  for (const name of ['pickedImages', 'pickedTexts']) graph.input(name, ['picked', 'd'], 'float32');
  for (const name of ['scale', 'bias']) graph.input(name, [1], precision);
  // ONNX's codes of the types: FLOAT and DOUBLE.
  const cast = (name: string) => (precision === 'float32' ? name : graph.node('Cast', [name], { to: 11 }));
  const logits = (rows: string, picked: string) =>
    graph.node('Gemm', [cast(rows), graph.node('Mul', [cast(picked), 'scale']), 'bias'], { transB: 1 });
  const [toTexts, toImages] = [logits('images', 'pickedTexts'), logits('texts', 'pickedImages')];
  if (loss === 'sigmoid') {
    const sums = graph.node('Add', [
      softplusSums(graph, toTexts, options),
      softplusSums(graph, toImages, options),
    ]);
    graph.output('sums', sums, ['rows'], precision);
  } else {
    graph.output('toTexts', logSumExp(graph, toTexts), ['rows'], precision);
    graph.output('toImages', logSumExp(graph, toImages), ['rows'], precision);
  }
  return graph.encode('selection tile');
}

/** The sums along rows of softplus(logits): sum max(l, 0) + log prod (1 + e^-|l|), or log prod (1 + e^l). */
function softplusSums(graph: Graph, logits: string, { precision, group, bounded }: TileGraphOptions): string {
  const exponent = bounded ? logits : graph.node('Neg', [graph.node('Abs', [logits])]);
  const one =
    precision === 'float32' ? graph.scalar(1, 'float32') : graph.constant([], 'float64', Float64Array.of(1));
  const factors = graph.node('Add', [graph.node('Exp', [exponent]), one]);
  const logs = sum(graph, graph.node('Log', [group === 1 ? factors : products(graph, factors, group)]));
  return bounded ? logs : graph.node('Add', [logs, sum(graph, graph.node('Relu', [logits]))]);
}

/** Products of each `group` neighbours of a row: [rows, n] to [rows, n / group]. */
function products(graph: Graph, values: string, group: number): string {
  const groups = graph.node('Reshape', [values, graph.integers([0, -1, group])]);
  return graph.node('ReduceProd', [groups, graph.integers([2])], { keepdims: 0 });
}

function sum(graph: Graph, values: string): string {
  return graph.node('ReduceSum', [values, graph.integers([1])], { keepdims: 0 });
}

function logSumExp(graph: Graph, logits: string): string {
  const highest = graph.node('ReduceMax', [logits, graph.integers([1])], { keepdims: 1 });
  const exponentials = graph.node('Exp', [graph.node('Sub', [logits, highest])]);
  const flat = graph.node('Squeeze', [highest, graph.integers([1])]);
  return graph.node('Add', [graph.node('Log', [sum(graph, exponentials)]), flat]);
}
