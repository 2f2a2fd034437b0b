import {
  Binary,
  type Data,
  type DataType,
  Field,
  FixedSizeList,
  Float16,
  Message,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
} from 'apache-arrow';
import { BufferRegion, FieldNode, RecordBatch as Header } from 'apache-arrow/ipc/metadata/message';
import { VectorAssembler } from 'apache-arrow/visitor/vectorassembler';
import { batchOfData } from './batches.ts';
import type { RecycledBuffers } from './recycled-buffers.ts';

/**
 * A column whose values, none missing, go out from where they lie: nobody copies them into one buffer first. They are byte
 * strings, or lists of so many half-precision numbers.
 */
export interface ScatteredColumn {
  readonly scattered: readonly Uint8Array[];
  readonly halves?: number;
}

/** The columns of a record batch to be sent, equally long. */
export type SentColumns = readonly (readonly [name: string, data: Data | ScatteredColumn])[];

/** Of a record batch to be sent the bytes of each buffer, and how many nodes (columns, and columns within them) it has. */
export interface BatchLengths {
  readonly nodes: number;
  readonly buffers: readonly number[];
}

/** What ends a stream (Arrow columnar format, "IPC Streaming Format"). */
const end = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0);
/** Smaller pieces of a message go out together: a copy costs less than one piece more. */
const smallBytes = 8 * 1024;

/** A whole Arrow IPC stream of one batch. */
export function streamBytes(batch: RecordBatch): Uint8Array {
  return new RecordBatchStreamWriter().writeAll([batch]).toUint8Array(true);
}

/** The batch under a schema of this metadata. */
export function withMetadata(batch: RecordBatch, metadata: Readonly<Record<string, string>>): RecordBatch {
  return new RecordBatch(new Schema(batch.schema.fields, new Map(Object.entries(metadata))), batch.data);
}

/**
 * Batches of one schema as an Arrow IPC stream of this metadata, message by message, each in pieces that are to be written
 * one after the other: the next batch is asked for when the message before was taken, and what is large goes out from
 * where it lies. What is small goes out together in one of `buffers`, which is used again once the next message is asked
 * for. A stream of no batch has no bytes.
 */
export async function* arrowStream(
  batches: AsyncIterable<RecordBatch | SentColumns>,
  metadata: Readonly<Record<string, string>>,
  buffers: RecycledBuffers,
): AsyncGenerator<readonly Uint8Array[]> {
  let isFirst = true;
  for await (const batch of batches) {
    const columns = batch instanceof RecordBatch ? columnsOf(batch) : batch;
    const schema = isFirst ? schemaMessage(columns, metadata) : [];
    isFirst = false;
    const pieces = [...schema, ...batchMessage(columns)];
    const small = buffers.take(bytesOf(pieces.filter(isSmall)));
    try {
      yield joinedSmall(pieces, small);
    } finally {
      buffers.give(small);
    }
  }
  if (!isFirst) yield [end];
}

/**
 * Bytes of the {@link arrowStream} of batches of such columns. They must have rows: what a header is made of hangs on the
 * number of its buffers alone, unless it is of none.
 */
export function streamLength(
  columns: SentColumns,
  metadata: Readonly<Record<string, string>>,
  batches: Iterable<BatchLengths>,
): number {
  let total = bytesOf(schemaMessage(columns, metadata)) + end.length;
  for (const { nodes, buffers } of batches) {
    const regions = buffers.map(() => new BufferRegion(1, 1));
    const header = new Header(
      1,
      Array.from({ length: nodes }, () => new FieldNode(1, 0)),
      regions,
      null,
    );
    total += bytesOf(messageHead(Message.from(header, 8)));
    for (const length of buffers) total += padded(length);
  }
  return total;
}

const bytesOf = (pieces: readonly Uint8Array[]) => pieces.reduce((sum, { length }) => sum + length, 0);
const isSmall = ({ length }: Uint8Array) => length < smallBytes;
const padded = (length: number) => Math.ceil(length / 8) * 8;

function schemaMessage(columns: SentColumns, metadata: Readonly<Record<string, string>>): Uint8Array[] {
  const fields = columns.map(
    ([name, data]) => new Field(name, 'scattered' in data ? typeOf(data) : data.type, true),
  );
  return messageHead(Message.from(new Schema(fields, new Map(Object.entries(metadata)))));
}

function columnsOf(batch: RecordBatch): SentColumns {
  return batch.schema.fields.map(({ name }, i) => [name, batch.data.children[i] as Data] as const);
}

interface Assembled {
  readonly nodes: readonly FieldNode[];
  /** Each beginning at a multiple of 8 bytes, in one piece or more. */
  readonly buffers: readonly (readonly Uint8Array[])[];
}

function batchMessage(columns: SentColumns): Uint8Array[] {
  const parts = columns.map(([name, data]) => ('scattered' in data ? scatter(data) : assemble(name, data)));
  const nodes = parts.flatMap((part) => part.nodes);
  const regions: BufferRegion[] = [];
  const body: Uint8Array[] = [];
  let at = 0;
  for (const pieces of parts.flatMap(({ buffers }) => buffers)) {
    for (const piece of pieces) if (piece.length > 0) body.push(piece);
    const length = bytesOf(pieces);
    const whole = padded(length);
    if (whole > length) body.push(new Uint8Array(whole - length));
    regions.push(new BufferRegion(at, whole));
    at += whole;
  }
  const rows = nodes[0]?.length ?? 0;
  return [...messageHead(Message.from(new Header(rows, nodes, regions, null), at)), ...body];
}

function assemble(name: string, data: Data): Assembled {
  const { nodes, buffers } = VectorAssembler.assemble(batchOfData([[name, data]]));
  const bytes = buffers.map(({ buffer, byteOffset, byteLength }) => [
    new Uint8Array(buffer, byteOffset, byteLength),
  ]);
  return { nodes, buffers: bytes };
}

function typeOf({ halves }: ScatteredColumn): DataType {
  return halves === undefined
    ? new Binary()
    : new FixedSizeList(halves, new Field('element', new Float16(), false));
}

/** No validity, offsets, bytes; or no validity of lists and numbers, and bytes. Throws when they are over 2 GiB together. */
function scatter({ scattered, halves }: ScatteredColumn): Assembled {
  if (halves !== undefined) {
    const rows = scattered.length;
    const nodes = [new FieldNode(rows, 0), new FieldNode(rows * halves, 0)];
    return { nodes, buffers: [[], [], scattered] };
  }
  const offsets = new Int32Array(scattered.length + 1);
  let total = 0;
  scattered.forEach(({ length }, i) => {
    total += length;
    offsets[i + 1] = total;
  });
  if (total > 2 ** 31 - 1)
    throw new Error(`a batch of ${scattered.length} values has ${total} bytes, over 2 GiB`);
  return {
    nodes: [new FieldNode(scattered.length, 0)],
    buffers: [[], [new Uint8Array(offsets.buffer)], scattered],
  };
}

/** What a message begins with: its mark, the length of its header, and the header (format, "Encapsulated message"). */
function messageHead(message: Message): Uint8Array[] {
  const header = Message.encode(message);
  const length = padded(header.length);
  return [new Uint8Array(Int32Array.of(-1, length).buffer), header, new Uint8Array(length - header.length)];
}

/** The pieces with each run of small ones as one, in the memory that is given for them. */
function joinedSmall(pieces: readonly Uint8Array[], memory: Uint8Array): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let [from, at] = [0, 0];
  const flush = () => {
    if (at > from) joined.push(memory.subarray(from, at));
    from = at;
  };
  for (const piece of pieces) {
    if (isSmall(piece)) {
      memory.set(piece, at);
      at += piece.length;
      continue;
    }
    flush();
    joined.push(piece);
  }
  flush();
  return joined;
}
