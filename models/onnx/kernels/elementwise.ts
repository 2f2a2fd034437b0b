import * as tf from '@tensorflow/tfjs';
import {
  currentGraph,
  handle,
  sameShape,
  type Traced,
  type TracedType,
  tracedOf,
  tracedType,
} from '../backend.ts';
import { dataTypes } from '../messages.ts';
import { kernel } from './register.ts';

const { assertAndGetBroadcastShape: broadcast } = tf.broadcast_util;

/** A node per element: the result is stored as small as the operand. */
function unary(name: string, make: (x: string) => string, dtype?: TracedType): void {
  kernel(name, ({ input }) => {
    const x = input('x');
    const { name: from, stored } = tracedOf(x);
    return handle({ name: make(from), stored }, x.shape, dtype ?? x.dtype);
  });
}

/** A node per pair of elements, broadcast as NumPy does, which is how both TF.js and ONNX broadcast. */
function binary(
  name: string,
  make: (a: string, b: string) => string,
  options: { dtype?: TracedType; neutral?: number; commutes?: boolean } = {},
): void {
  kernel(name, ({ input }) => {
    const [a, b] = [input('a'), input('b')];
    const shape = broadcast([...a.shape], [...b.shape]);
    const [left, right] = [tracedOf(a), tracedOf(b)];
    const dtype = options.dtype ?? tracedType(a.dtype);
    const { neutral } = options;
    const same = a.dtype === b.dtype;
    if (same && neutral !== undefined && right.fill === neutral) return handle(left, shape, dtype);
    if (same && neutral !== undefined && options.commutes && left.fill === neutral) {
      return handle(right, shape, dtype);
    }
    const stored = broadcast([...left.stored], [...right.stored]);
    return handle({ name: make(left.name, right.name), stored }, shape, dtype);
  });
}

const node =
  (op: string) =>
  (...inputs: string[]) =>
    currentGraph().node(op, inputs);

for (const op of ['Neg', 'Exp', 'Log', 'Sqrt', 'Erf', 'Tanh', 'Sigmoid', 'Softplus', 'Abs', 'Relu']) {
  unary(op, node(op));
}
unary('Rsqrt', (x) => node('Reciprocal')(node('Sqrt')(x)));
unary('Reciprocal', node('Reciprocal'));
unary('Square', (x) => node('Mul')(x, x));
unary('LogicalNot', node('Not'), 'bool');

binary('Add', node('Add'), { neutral: 0, commutes: true });
binary('Sub', node('Sub'), { neutral: 0 });
binary('Multiply', node('Mul'), { neutral: 1, commutes: true });
// TF.js divides integers with a kernel of its own, so these are floats.
binary('RealDiv', node('Div'), { neutral: 1 });
binary('Pow', node('Pow'), { neutral: 1 });
binary('Maximum', node('Max'));
binary('Minimum', node('Min'));
binary('SquaredDifference', (a, b) => {
  const difference = node('Sub')(a, b);
  return node('Mul')(difference, difference);
});
binary('Equal', node('Equal'), { dtype: 'bool' });
binary('NotEqual', (a, b) => node('Not')(node('Equal')(a, b)), { dtype: 'bool' });
binary('Greater', node('Greater'), { dtype: 'bool' });
binary('GreaterEqual', node('GreaterOrEqual'), { dtype: 'bool' });
binary('Less', node('Less'), { dtype: 'bool' });
binary('LessEqual', node('LessOrEqual'), { dtype: 'bool' });
binary('LogicalAnd', node('And'), { dtype: 'bool' });

kernel('Step', ({ input, attributes }) => {
  const x = input('x');
  const { alpha = 0 } = attributes as { alpha?: number };
  const graph = currentGraph();
  const { name, stored } = tracedOf(x);
  const positive = graph.node('Greater', [name, graph.scalar(0, 'float32')]);
  const steps = graph.node('Where', [positive, graph.scalar(1, 'float32'), graph.scalar(alpha, 'float32')]);
  return handle({ name: steps, stored }, x.shape, x.dtype);
});

// Pairwise, so that small operands stay small for as long as they can.
kernel('AddN', ({ list }) => {
  const first = list[0];
  if (first === undefined) throw new Error('AddN was given no tensors');
  const sum = list.slice(1).reduce<Traced>((total, info) => {
    const next = tracedOf(info);
    const stored = broadcast([...total.stored], [...next.stored]);
    return { name: node('Add')(total.name, next.name), stored };
  }, tracedOf(first));
  return handle(sum, first.shape, first.dtype);
});

kernel('Select', ({ input }) => {
  const [condition, t, e] = [input('condition'), input('t'), input('e')];
  if (!sameShape(condition.shape, t.shape)) {
    throw new Error('where() must be given a condition of the same shape as its values');
  }
  const values = [tracedOf(condition), tracedOf(t), tracedOf(e)];
  const stored = values.reduce<number[]>((shape, value) => broadcast(shape, [...value.stored]), []);
  return handle({ name: node('Where')(...values.map((value) => value.name)), stored }, t.shape, t.dtype);
});

kernel('Identity', ({ input }) => {
  const x = input('x');
  return handle(tracedOf(x), x.shape, x.dtype);
});

kernel('Cast', ({ input, attributes }) => {
  const x = input('x');
  const dtype = tracedType(String(attributes.dtype));
  const value = tracedOf(x);
  if (x.dtype === dtype) return handle(value, x.shape, dtype);
  const graph = currentGraph();
  if (value.fill !== undefined) return filled(castNumber(value.fill, dtype), x.shape, dtype);
  const name = graph.node('Cast', [value.name], { to: dataTypes[dtype] });
  return handle({ name, stored: value.stored }, x.shape, dtype);
});

kernel('Fill', ({ attributes }) => {
  const { shape, value, dtype } = attributes as { shape: number[]; value: number; dtype?: string };
  return filled(value, shape, tracedType(dtype ?? 'float32'));
});
kernel('ZerosLike', ({ input }) => filled(0, input('x').shape, tracedType(input('x').dtype)));
kernel('OnesLike', ({ input }) => filled(1, input('x').shape, tracedType(input('x').dtype)));

/** A tensor of one repeated value. */
export function filled(value: number, shape: readonly number[], dtype: TracedType): tf.TensorInfo {
  return handle({ name: currentGraph().scalar(value, dtype), stored: [], fill: value }, shape, dtype);
}

function castNumber(value: number, dtype: TracedType): number {
  if (dtype === 'int32') return Math.trunc(value);
  return dtype === 'bool' ? Number(value !== 0) : value;
}
