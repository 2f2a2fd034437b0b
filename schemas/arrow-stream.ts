import { AsyncByteQueue, RecordBatch, RecordBatchStreamWriter, Schema } from 'apache-arrow';

/** What ends a stream (Arrow columnar format, "IPC Streaming Format"). */
const end = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0);
/** Smaller pieces of a message go out together. */
const smallBytes = 32 * 1024;

/** A whole Arrow IPC stream of one batch. */
export function streamBytes(batch: RecordBatch): Uint8Array {
  return new RecordBatchStreamWriter().writeAll([batch]).toUint8Array(true);
}

/** The batch under a schema of this metadata. */
export function withMetadata(batch: RecordBatch, metadata: Readonly<Record<string, string>>): RecordBatch {
  return new RecordBatch(new Schema(batch.schema.fields, new Map(Object.entries(metadata))), batch.data);
}

/**
 * Batches of one schema as an Arrow IPC stream of this metadata, message by message: the next batch is asked for when
 * the one before was taken, and large buffers go out as they are, not copied. A stream of no batch has no bytes.
 */
export async function* arrowStream(
  batches: AsyncIterable<RecordBatch>,
  metadata: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  const sink = Object.assign(new AsyncByteQueue(), {
    write: (piece: ArrayBufferView) => {
      pieces.push(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
    },
  });
  const writer = new RecordBatchStreamWriter();
  writer.reset(sink);
  let isFirst = true;
  for await (const batch of batches) {
    writer.write(isFirst ? withMetadata(batch, metadata) : batch);
    isFirst = false;
    const made = pieces;
    pieces = [];
    yield* joinedSmall(made);
  }
  if (!isFirst) yield end;
}

function* joinedSmall(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  let small: Uint8Array[] = [];
  for (const piece of pieces) {
    if (piece.length < smallBytes) {
      small.push(piece);
      continue;
    }
    if (small.length > 0) yield Buffer.concat(small);
    small = [];
    yield piece;
  }
  if (small.length > 0) yield Buffer.concat(small);
}
