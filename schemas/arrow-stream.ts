import { RecordBatch, RecordBatchStreamWriter, Schema } from 'apache-arrow';

/** Of every message: a mark and the length of its metadata (Arrow columnar format, "Encapsulated message format"). */
const headBytes = 8;
/** What ends a stream. */
const end = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0);

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
 * the one before was taken. A stream of no batch has no bytes.
 */
export async function* arrowStream(
  batches: AsyncIterable<RecordBatch>,
  metadata: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array> {
  let isFirst = true;
  for await (const batch of batches) {
    const bytes = streamBytes(isFirst ? withMetadata(batch, metadata) : batch);
    const length = new DataView(bytes.buffer, bytes.byteOffset).getInt32(4, true);
    yield bytes.subarray(isFirst ? 0 : headBytes + length, bytes.length - end.length);
    isFirst = false;
  }
  if (!isFirst) yield end;
}
