import { sizeOf } from '../executor.ts';
import { attributeTypes, dataTypes, type ElementType, encodeModel } from './messages.ts';

/** The operator set that graphs are written in. */
const opset = 18;
/** The file format version that goes with it. */
const irVersion = 8;

/** An attribute of a node: whole numbers are written as `int`, arrays as `ints`, texts as `string`. */
export type Attribute = number | string | readonly number[];

type TypedValues =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int8Array
  | Uint8Array
  | Uint16Array
  | BigInt64Array;

interface GraphNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly flops: number;
}

interface Initializer {
  readonly shape: readonly number[];
  readonly dtype: ElementType;
  readonly data: TypedValues;
}

/** A dimension of an input or output: its size, or the name of a size that is known at the run only. */
export type Dimension = number | string;

interface Port {
  readonly name: string;
  readonly shape: readonly Dimension[];
  readonly dtype: ElementType;
}

/** An ONNX graph under construction. Names that it makes start with `%`. */
export interface Graph {
  /** The size that stands for a batch of any size, or null when every size is fixed. */
  readonly batch: number | null;
  /** Declares an input. Throws when the name is taken or could collide with a generated one. */
  input(name: string, shape: readonly Dimension[], dtype: ElementType): void;
  /** Adds a tensor under the given name. Throws as {@link Graph.input} does. */
  named(name: string, shape: readonly number[], dtype: ElementType, data: TypedValues): void;
  /** Adds a constant tensor under a generated name. */
  constant(shape: readonly number[], dtype: ElementType, data: TypedValues): string;
  /** A scalar constant, shared by all that ask for the same one. */
  scalar(value: number, dtype: 'float32' | 'int32' | 'bool'): string;
  /** A vector of int64: axes, starts, shapes. Equal ones are shared. */
  integers(values: readonly number[]): string;
  /** Adds a node with one output and returns its name. `flops` is what a matrix product takes, 2 m n k. */
  node(
    op: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, Attribute>>,
    flops?: number,
  ): string;
  /** Adds a node with several outputs. */
  nodes(
    op: string,
    inputs: readonly string[],
    count: number,
    attributes?: Readonly<Record<string, Attribute>>,
    flops?: number,
  ): string[];
  /** Declares an output that carries the value `from`. */
  output(name: string, from: string, shape: readonly Dimension[], dtype: ElementType): void;
  /** The serialized model, without the nodes and constants that no output needs. */
  encode(graphName: string): Uint8Array;
  /** Floating-point operations of the matrix products that some output needs. */
  flops(): number;
}

/** Starts an empty graph; with `batch`, leading dimensions of that size are written as dynamic. */
export function createGraph(batch: number | null = null): Graph {
  const graphNodes: GraphNode[] = [];
  const initializers = new Map<string, Initializer>();
  const shared = new Map<string, string>();
  const inputs: Port[] = [];
  const outputs: Port[] = [];
  const taken = new Set<string>();
  let counter = 0;

  const generate = () => {
    counter += 1;
    return `%${counter}`;
  };
  const claim = (name: string) => {
    if (name.startsWith('%') || taken.has(name)) {
      throw new Error(
        `the name '${name}' is taken or reserved: give every input, constant and output its own`,
      );
    }
    taken.add(name);
  };
  const constant = (shape: readonly number[], dtype: ElementType, data: TypedValues) => {
    const name = generate();
    initializers.set(name, { shape, dtype, data });
    return name;
  };
  const share = (key: string, make: () => string) => {
    const known = shared.get(key);
    if (known !== undefined) return known;
    const name = make();
    shared.set(key, name);
    return name;
  };
  const nodes: Graph['nodes'] = (op, from, count, attributes = {}, flops = 0) => {
    const made = Array.from({ length: count }, generate);
    graphNodes.push({ op, inputs: from, outputs: made, attributes, flops });
    return made;
  };

  return {
    batch,
    input(name, shape, dtype) {
      claim(name);
      inputs.push({ name, shape, dtype });
    },
    named(name, shape, dtype, data) {
      claim(name);
      initializers.set(name, { shape, dtype, data });
    },
    constant,
    scalar: (value, dtype) =>
      // Negative zero and NaN need keys of their own, so the key is made of the bits.
      share(`${dtype}:${Object.is(value, -0) ? '-0' : value}`, () =>
        constant([], dtype, valuesOf(dtype, [value])),
      ),
    integers: (values) =>
      share(`int64:${values.join(',')}`, () =>
        constant([values.length], 'int64', BigInt64Array.from(values, BigInt)),
      ),
    node: (op, from, attributes, flops) => nodes(op, from, 1, attributes, flops)[0] as string,
    nodes,
    output(name, from, shape, dtype) {
      claim(name);
      // An output needs a name of its own, and may be an input or a constant as it is.
      graphNodes.push({ op: 'Identity', inputs: [from], outputs: [name], attributes: {}, flops: 0 });
      outputs.push({ name, shape, dtype });
    },
    flops: () => reachable(graphNodes, outputs).reduce((sum, { flops }) => sum + flops, 0),
    encode(graphName) {
      const kept = reachable(graphNodes, outputs);
      const used = new Set(kept.flatMap((node) => node.inputs));
      return encodeModel({
        ir_version: irVersion,
        producer_name: 'assay',
        opset_import: [{ domain: '', version: opset }],
        graph: {
          name: graphName,
          node: kept.map(encodeNode),
          initializer: [...initializers].filter(([name]) => used.has(name)).map(encodeInitializer),
          input: inputs.map((port) => encodePort(port, batch)),
          output: outputs.map((port) => encodePort(port, batch)),
        },
      });
    },
  };
}

/** Typed values of an element type, as `raw_data` holds them. */
export function valuesOf(dtype: 'float32' | 'int32' | 'bool', values: ArrayLike<number>): TypedValues {
  if (dtype === 'float32') return Float32Array.from(values);
  return dtype === 'int32' ? Int32Array.from(values) : Uint8Array.from(values);
}

function reachable(graphNodes: readonly GraphNode[], outputs: readonly Port[]): GraphNode[] {
  const needed = new Set(outputs.map((port) => port.name));
  const kept: GraphNode[] = [];
  // Nodes are in an order in which values are made before they are used.
  for (const node of graphNodes.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    for (const name of node.inputs) needed.add(name);
    kept.push(node);
  }
  return kept.reverse();
}

function encodeNode(node: GraphNode): object {
  return {
    input: node.inputs,
    output: node.outputs,
    name: `${node.op}${node.outputs[0]}`,
    op_type: node.op,
    attribute: Object.entries(node.attributes).map(([name, value]) => {
      if (typeof value === 'number') return { name, type: attributeTypes.int, i: value };
      if (typeof value === 'string') return { name, type: attributeTypes.string, s: Buffer.from(value) };
      return { name, type: attributeTypes.ints, ints: value };
    }),
  };
}

function encodeInitializer([name, { shape, dtype, data }]: [string, Initializer]): object {
  if (data.length !== sizeOf(shape)) {
    throw new Error(`constant '${name}' [${shape.join(', ')}] can't hold ${data.length} values`);
  }
  return {
    name,
    dims: shape,
    data_type: dataTypes[dtype],
    raw_data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

function encodePort({ name, shape, dtype }: Port, batch: number | null): object {
  const dim = shape.map((size, i) => {
    if (typeof size === 'string') return { dim_param: size };
    return i === 0 && size === batch ? { dim_param: 'batch' } : { dim_value: size };
  });
  return { name, type: { tensor_type: { elem_type: dataTypes[dtype], shape: { dim } } } };
}
