import { availableParallelism } from 'node:os';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** What a model file must be, in one line of a message. */
const expected =
  'inputs input_ids int64 [queries, tokens], attention_mask int64 [queries, tokens], pixel_values float32 [1, 3, height, width]; ' +
  'outputs logits float32 [1, boxes, queries], pred_boxes float32 [1, boxes, 4]';

/** An OWL-ViT or OWLv2 graph, as `optimum-cli export onnx --task zero-shot-object-detection` writes it. */
export interface OwlSession {
  /** Queries of a run, where the graph fixes them. */
  readonly queries: number | null;
  /** Tokens of a query, where the graph fixes them. */
  readonly tokens: number | null;
  run(input: OwlInput): Promise<OwlOutput>;
  dispose(): Promise<void>;
}

/** One image and its queries. */
export interface OwlInput {
  /** [3, height, width]. */
  readonly pixels: Float32Array;
  readonly height: number;
  readonly width: number;
  /** [queries, tokens]. */
  readonly inputIds: BigInt64Array;
  readonly attentionMask: BigInt64Array;
  readonly queries: number;
}

/** What the graph says of one image. */
export interface OwlOutput {
  readonly boxes: number;
  /** [boxes, queries]. */
  readonly logits: Float32Array;
  /** [boxes, 4]: middle x, middle y, width, height, as fractions of the model's input. */
  readonly predBoxes: Float32Array;
}

/**
 * Opens an OWL graph. Throws one error of what was expected and what the file has, when it isn't a sound ONNX file or
 * has other inputs or outputs.
 */
export async function openOwlSession(path: string, threads?: number): Promise<OwlSession> {
  const session = await InferenceSession.create(path, {
    intraOpNumThreads: threads ?? availableParallelism(),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
  }).catch((error: Error) => {
    throw new Error(`${path}: ONNX Runtime can't load it (${firstLine(error)}); expected ${expected}`);
  });
  const problem = problemOf(session);
  if (problem !== null) {
    const message = `${path}: ${problem}; expected ${expected}; it has inputs ${portsOf(session.inputMetadata)}; outputs ${portsOf(session.outputMetadata)}`;
    await session.release();
    throw new Error(message);
  }
  const ids = tensorOf(session.inputMetadata, 'input_ids')?.shape ?? [];
  const fixed = (size: number | string | undefined) => (typeof size === 'number' && size > 0 ? size : null);
  return {
    queries: fixed(ids[0]),
    tokens: fixed(ids[1]),
    async run({ pixels, height, width, inputIds, attentionMask, queries }) {
      const tokens = inputIds.length / queries;
      const results = await session
        .run({
          input_ids: new Tensor('int64', inputIds, [queries, tokens]),
          attention_mask: new Tensor('int64', attentionMask, [queries, tokens]),
          pixel_values: new Tensor('float32', pixels, [1, 3, height, width]),
        })
        .catch((error: Error) => {
          throw new Error(`${path}: ONNX Runtime can't run it on one image: ${firstLine(error)}`);
        });
      return outputOf(path, results, queries);
    },
    dispose: () => session.release(),
  };
}

type Ports = readonly InferenceSession.ValueMetadata[];

const inputs = {
  input_ids: ['int64', 2],
  attention_mask: ['int64', 2],
  pixel_values: ['float32', 4],
} as const;
const outputs = { logits: ['float32', 3], pred_boxes: ['float32', 3] } as const;

function problemOf({ inputMetadata, outputMetadata }: InferenceSession): string | null {
  const wanted = [
    ['input', inputMetadata, inputs],
    ['output', outputMetadata, outputs],
  ] as const;
  for (const [kind, ports, shapes] of wanted) {
    for (const [name, [type, rank]] of Object.entries(shapes)) {
      const port = tensorOf(ports, name);
      if (port === undefined) return `the model has no ${kind} ${name}`;
      // A graph whose output shapes weren't inferred says nothing of them.
      if (port.type !== type || (port.shape.length !== rank && port.shape.length > 0)) {
        return `the model's ${kind} ${name} is of another type or shape`;
      }
    }
  }
  const other = inputMetadata.find(({ name }) => !Object.hasOwn(inputs, name));
  if (other !== undefined) return `the model wants an input ${other.name}`;
  const batch = tensorOf(inputMetadata, 'pixel_values')?.shape[0];
  if (typeof batch === 'number' && batch > 1) {
    return `the model is made for batches of ${batch} images: export it with batches of 1`;
  }
  return null;
}

function tensorOf(ports: Ports, name: string) {
  const port = ports.find((candidate) => candidate.name === name);
  return port?.isTensor ? port : undefined;
}

function portsOf(ports: Ports): string {
  return (
    ports
      .map((port) => (port.isTensor ? `${port.name} ${port.type} [${port.shape.join(', ')}]` : port.name))
      .join(', ') || 'none'
  );
}

function outputOf(path: string, results: InferenceSession.OnnxValueMapType, queries: number): OwlOutput {
  const [logits, boxes] = [results.logits, results.pred_boxes];
  const count = boxes?.dims[1] ?? 0;
  const fits =
    logits?.data instanceof Float32Array &&
    boxes?.data instanceof Float32Array &&
    boxes.data.length === count * 4 &&
    logits.data.length === count * queries;
  if (!fits) {
    throw new Error(
      `${path}: for 1 image and ${queries} queries the model gave logits [${logits?.dims}] and pred_boxes [${boxes?.dims}], ` +
        `not [1, boxes, ${queries}] and [1, boxes, 4]`,
    );
  }
  return {
    boxes: count,
    logits: logits.data as Float32Array,
    predBoxes: boxes.data as Float32Array,
  };
}

function firstLine(error: Error): string {
  return error.message.split('\n')[0] ?? '';
}
