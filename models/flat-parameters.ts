import * as tf from '@tensorflow/tfjs';
import { sizeOf } from './executor.ts';
import type { Parameters } from './towers.ts';

/** Names and shapes, in the order in which values lie in one vector. */
export type Layout = Readonly<Record<string, readonly number[]>>;

/** The length of the vector of a layout. */
export function lengthOf(layout: Layout): number {
  return Object.values(layout).reduce((total, shape) => total + sizeOf(shape), 0);
}

/** Throws when `parameters` are not exactly those of the layout, each of its shape. */
export function checkParameters(layout: Layout, parameters: Parameters): void {
  for (const [name, shape] of Object.entries(layout)) {
    const value = parameters[name];
    if (value === undefined) throw new Error(`the parameter '${name}' is missing`);
    if (value.dtype !== 'float32')
      throw new Error(`the parameter '${name}' must be float32, not ${value.dtype}`);
    const fits = value.shape.join() === shape.join() && value.data.length === sizeOf(shape);
    if (!fits) {
      throw new Error(
        `the parameter '${name}' must be [${shape.join(', ')}], not [${value.shape.join(', ')}]`,
      );
    }
  }
  const unknown = Object.keys(parameters).find((name) => !Object.hasOwn(layout, name));
  if (unknown !== undefined) throw new Error(`the parameter '${unknown}' isn't one of these towers'`);
}

/** Lays parameters out in one vector [P]. Throws when one is missing, unknown or misshapen. */
export function flatten(layout: Layout, parameters: Parameters): Float32Array {
  checkParameters(layout, parameters);
  const flat = new Float32Array(lengthOf(layout));
  let at = 0;
  for (const name of Object.keys(layout)) {
    const { data } = parameters[name] ?? { data: new Float32Array() };
    flat.set(data, at);
    at += data.length;
  }
  return flat;
}

/** The parameters of a vector, as copies. */
export function unflatten(layout: Layout, flat: Float32Array | Int32Array): Parameters {
  let at = 0;
  return Object.fromEntries(
    Object.entries(layout).map(([name, shape]) => {
      const start = at;
      at += sizeOf(shape);
      return [name, { shape, dtype: 'float32', data: flat.slice(start, at) }];
    }),
  );
}

/** Cuts a vector [P] into the tensors of a layout. */
export function splitFlat(layout: Layout, flat: tf.Tensor): Record<string, tf.Tensor> {
  const shapes = Object.entries(layout);
  const parts = tf.split(
    flat,
    shapes.map(([, shape]) => sizeOf(shape)),
  );
  return Object.fromEntries(
    shapes.map(([name, shape], i) => [name, tf.reshape(parts[i] as tf.Tensor, [...shape])]),
  );
}

/** One tensor of a layout, cut from its vector [P]. Throws when the layout hasn't it. */
export function entryOf(layout: Layout, flat: tf.Tensor, name: string): tf.Tensor {
  const shape = layout[name];
  if (shape === undefined) throw new Error(`the layout has no '${name}'`);
  let at = 0;
  for (const [other, size] of Object.entries(layout)) {
    if (other === name) break;
    at += sizeOf(size);
  }
  return tf.reshape(tf.slice(flat, [at], [sizeOf(shape)]), [...shape]);
}

/** Joins tensors into one vector [P], in their order. */
export function joinFlat(tensors: readonly tf.Tensor[]): tf.Tensor {
  return tf.concat(tensors.map((tensor) => tf.reshape(tensor, [tensor.size])));
}
