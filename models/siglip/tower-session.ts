import { availableParallelism } from 'node:os';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Provider } from '../executor.ts';
import { fromFloat16, toFloat16 } from '../float16.ts';

/** The element types that towers take or give. */
export type PortType = 'float32' | 'float16' | 'int64' | 'int32' | 'bool';

/** An input or output of a graph: sizes, or names of sizes that a run decides. */
export interface Port {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** What an input of a tower must be: its name, the types that it may have, its sizes with null for any. */
export interface WantedInput {
  readonly name: string;
  readonly types: readonly PortType[];
  /** The first is the batch. */
  readonly shape: readonly (number | null)[];
  /** What a graph may leave out. */
  readonly optional?: boolean;
}

/** What a tower must be. */
export interface WantedTower {
  readonly inputs: readonly WantedInput[];
  /** Names of the output [batch, d], the best first. */
  readonly outputs: readonly string[];
  /** d, or null where only the graph knows. */
  readonly dimension: number | null;
}

/** How a tower is run. */
export interface SessionOptions {
  readonly provider?: Provider | undefined;
  readonly threads?: number | undefined;
  /** Rows of a run, 16 unless told; a graph of a fixed batch has its own. */
  readonly batch?: number | undefined;
}

/** Values of one input, row-major, a row a sample. */
export type InputRows = Float32Array | Int32Array;

/** A tower, checked. */
export interface TowerSession {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** The output that is used. */
  readonly output: string;
  /** d. */
  readonly dimension: number;
  /** Rows of a run at the most. */
  readonly batch: number;
  /** Runs rows in batches and gives the output as it is, [count, d]. */
  run(inputs: Readonly<Record<string, InputRows>>, count: number): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/**
 * Opens a tower's graph and checks it against what it must be. Throws one line that says what was expected and what the
 * file has when it isn't a sound ONNX file, or has other inputs, types, shapes or outputs.
 */
export async function openTowerSession(
  path: string,
  wanted: WantedTower,
  options: SessionOptions = {},
): Promise<TowerSession> {
  const { provider = 'cpu', threads = availableParallelism() } = options;
  const session = await InferenceSession.create(path, {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  }).catch((error: Error) => {
    throw new Error(`${path}: ONNX Runtime can't load it: ${oneLine(error)}; expected ${describe(wanted)}`);
  });
  const inputs = portsOf(session.inputMetadata);
  const outputs = portsOf(session.outputMetadata);
  const refuse = async (why: string): Promise<never> => {
    await session.release();
    const has = `it has inputs ${listOf(inputs)}; outputs ${listOf(outputs)}`;
    throw new Error(`${path}: ${why}; expected ${describe(wanted)}; ${has}`);
  };
  const problem = inputProblem(inputs, wanted);
  if (problem !== null) return refuse(problem);
  const output = wanted.outputs
    .map((name) => outputs.find((port) => port.name === name))
    .find((port) => port !== undefined);
  if (output === undefined) return refuse('no output holds embeddings');
  const given = output.shape[1];
  // A graph whose shapes weren't inferred says nothing of them: the first run does.
  const isPooled = output.shape.length === 2 || output.shape.length === 0;
  const isFloat = output.type === 'float32' || output.type === 'float16';
  if (!isPooled || !isFloat) return refuse(`the output ${output.name} is of another type or shape`);
  const declared = typeof given === 'number' ? given : null;
  if (declared !== null && wanted.dimension !== null && declared !== wanted.dimension) {
    return refuse(
      `the output ${output.name} has ${declared} values, and the config says ${wanted.dimension}`,
    );
  }
  const types = new Map(inputs.map(({ name, type }) => [name, type as PortType]));
  const shapes = new Map(
    wanted.inputs.map(({ name, shape }) => [name, shape.map((size, i) => size ?? sizeIn(inputs, name, i))]),
  );
  const fixed = fixedBatch(inputs);
  const batch = fixed ?? options.batch ?? 16;
  const runBatch = async (rows: Readonly<Record<string, InputRows>>, count: number) => {
    const feeds: Record<string, Tensor> = {};
    for (const [name, shape] of shapes) {
      const type = types.get(name);
      const values = rows[name];
      if (type !== undefined && values !== undefined) {
        feeds[name] = tensorOf(type, values, sizesOf(shape, values.length, count));
      }
    }
    const results = await session.run(feeds, [output.name]).catch((error: Error) => {
      throw new Error(`${path}: ONNX Runtime can't run it on ${count} samples: ${oneLine(error)}`);
    });
    const tensor = results[output.name];
    const d = tensor?.dims[1] ?? 0;
    const isWhole = tensor?.dims.length === 2 && tensor.dims[0] === count && d > 0;
    if (!tensor || !isWhole || (wanted.dimension !== null && d !== wanted.dimension)) {
      const expected = `[${count}, ${wanted.dimension ?? 'd'}]`;
      throw new Error(`${path}: ${output.name} came out as [${tensor?.dims.join(', ')}], not ${expected}`);
    }
    return { values: floatsOf(tensor), d };
  };
  let dimension = declared ?? wanted.dimension;
  if (dimension === null) {
    const probe = Object.fromEntries(
      [...shapes].map(([name, shape]) => [name, probeRows(name, shape, batch)]),
    );
    dimension = (
      await runBatch(probe, batch).catch(async (error: Error) => {
        await session.release();
        throw error;
      })
    ).d;
  }
  const d = dimension;
  return {
    inputs,
    outputs,
    output: output.name,
    dimension: d,
    batch,
    async run(rows, count) {
      const all = new Float32Array(count * d);
      for (let from = 0; from < count; from += batch) {
        const used = Math.min(batch, count - from);
        const size = fixed ?? used;
        const part = Object.fromEntries(
          Object.entries(rows).map(([name, values]) => [name, stretch(values, from, used, size, count)]),
        );
        const { values } = await runBatch(part, size);
        all.set(values.subarray(0, used * d), from * d);
      }
      return all;
    },
    dispose: () => session.release(),
  };
}

function inputProblem(inputs: readonly Port[], { inputs: wanted }: WantedTower): string | null {
  for (const { name, types, shape, optional } of wanted) {
    const port = inputs.find((candidate) => candidate.name === name);
    if (port === undefined) {
      if (optional) continue;
      return `there is no input ${name}`;
    }
    if (!(types as readonly string[]).includes(port.type)) return `the input ${name} is ${port.type}`;
    const fits =
      port.shape.length === shape.length &&
      port.shape.every(
        (size, i) => i === 0 || typeof size === 'string' || size < 0 || (shape[i] ?? size) === size,
      );
    if (!fits) return `the input ${name} is [${port.shape.join(', ')}]`;
  }
  const other = inputs.find(({ name }) => !wanted.some((input) => input.name === name));
  return other === undefined ? null : `there is an input ${other.name} too many`;
}

/** The batch that a graph was exported for, where it takes no other. */
function fixedBatch(inputs: readonly Port[]): number | null {
  const sizes = inputs.map(({ shape }) => shape[0]).filter((size) => typeof size === 'number' && size > 0);
  return (sizes[0] as number | undefined) ?? null;
}

/** A size that the graph itself fixes. */
function sizeIn(inputs: readonly Port[], name: string, axis: number): number | null {
  const size = inputs.find((port) => port.name === name)?.shape[axis];
  return axis > 0 && typeof size === 'number' && size > 0 ? size : null;
}

/** One unknown size takes what the values leave. */
function sizesOf(shape: readonly (number | null)[], length: number, count: number): number[] {
  const known = shape.slice(1).reduce<number>((product, size) => product * (size ?? 1), count);
  return [count, ...shape.slice(1).map((size) => size ?? length / known)];
}

function probeRows(name: string, shape: readonly (number | null)[], batch: number): InputRows {
  const length = shape.slice(1).reduce<number>((product, size) => product * (size ?? 1), batch);
  const isFloat = name === 'pixel_values' || name === 'images';
  return isFloat ? new Float32Array(length) : new Int32Array(length).fill(1);
}

/** Rows of a batch; what is missing of a fixed one is filled with its first row. */
function stretch(values: InputRows, from: number, used: number, size: number, count: number): InputRows {
  const length = values.length / count;
  const part = values.subarray(from * length, (from + used) * length);
  if (used === size) return part;
  const whole =
    values instanceof Float32Array ? new Float32Array(size * length) : new Int32Array(size * length);
  for (let row = 0; row < size; row += 1) {
    const source = row < used ? row : 0;
    whole.set(part.subarray(source * length, (source + 1) * length), row * length);
  }
  return whole;
}

function tensorOf(type: PortType, values: InputRows, shape: readonly number[]): Tensor {
  switch (type) {
    case 'float32':
      return new Tensor(
        'float32',
        values instanceof Float32Array ? values : Float32Array.from(values),
        shape,
      );
    case 'float16':
      return new Tensor('float16', toFloat16(Float32Array.from(values)), shape);
    case 'int64':
      return new Tensor('int64', BigInt64Array.from(values as Int32Array, BigInt), shape);
    case 'bool':
      return new Tensor('bool', Uint8Array.from(values), shape);
    default:
      return new Tensor('int32', values instanceof Int32Array ? values : Int32Array.from(values), shape);
  }
}

function floatsOf({ type, data }: Tensor): Float32Array {
  if (data instanceof Float32Array) return data;
  // Where the engine has half-precision arrays, ONNX Runtime gives them, else their bits.
  if (type === 'float16' && ArrayBuffer.isView(data)) {
    return fromFloat16(new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2));
  }
  throw new Error(`embeddings of ${type} aren't read`);
}

function portsOf(metadata: readonly InferenceSession.ValueMetadata[]): Port[] {
  return metadata.map((port) =>
    port.isTensor
      ? { name: port.name, type: port.type, shape: port.shape }
      : { name: port.name, type: 'no tensor', shape: [] },
  );
}

function describe({ inputs, outputs, dimension }: WantedTower): string {
  const wanted = inputs.map(({ name, types, shape, optional }) => {
    const sizes = ['batch', ...shape.slice(1).map((size) => size ?? 'any')];
    return `${name} ${types.join('|')} [${sizes.join(', ')}]${optional ? ' (optional)' : ''}`;
  });
  return `inputs ${wanted.join(', ')}; output ${outputs.join(' or ')} float32|float16 [batch, ${dimension ?? 'd'}]`;
}

/** Ports in words, for messages and reports. */
export function listOf(ports: readonly Port[]): string {
  return ports.map(({ name, type, shape }) => `${name} ${type} [${shape.join(', ')}]`).join(', ') || 'none';
}

function oneLine(error: Error): string {
  return error.message.trim().replaceAll(/\s+/g, ' ');
}
