import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { z } from 'zod';
import { openObject } from '../schemas/storage/open-storage.ts';
import { sizeOf, type TensorValue } from './executor.ts';
import { fromFloat16, toFloat16 } from './float16.ts';

/** How floats are stored. */
export type StoredFloat = 'F32' | 'F16';

/** The tensors of a file, and its texts. */
export interface SafetensorsFile {
  readonly tensors: Readonly<Record<string, TensorValue>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The longest header that is read: the bound of the reference implementation. */
const mostHeaderBytes = 100_000_000;
/** The largest file that is read: a length that one buffer can hold. */
const mostFileBytes = 2 ** 32;

const bytesOf = { F32: 4, F16: 2, I32: 4 } as const;

const entrySchema = z.strictObject({
  dtype: z.enum(['F32', 'F16', 'I32'], { error: 'the dtype must be F32, F16 or I32' }),
  shape: z.array(z.int().min(0)).max(16),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
type Entry = z.infer<typeof entrySchema>;
const metadataSchema = z.record(z.string(), z.string());
const headerSchema = z.record(z.string(), z.unknown());

/**
 * Writes tensors in the safetensors format, in the order of their names: equal input gives equal bytes. The file
 * appears whole or not at all. `dtype` says how floats are stored, F32 by default; int32 stays I32.
 */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, TensorValue>>,
  metadata: Readonly<Record<string, string>> = {},
  options: { readonly dtype?: StoredFloat | undefined } = {},
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: sorted(metadata) };
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { shape, dtype, data }] of Object.entries(sorted(tensors))) {
    if (name === '__metadata__') throw new Error(`${path}: a tensor can't be named ${name}`);
    if (sizeOf(shape) !== data.length) {
      throw new Error(`${path}: '${name}' [${shape.join(', ')}] can't hold ${data.length} values`);
    }
    const stored = dtype === 'int32' ? 'I32' : (options.dtype ?? 'F32');
    const values = stored === 'F16' ? toFloat16(Float32Array.from(data)) : data;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    header[name] = { dtype: stored, shape, data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
    parts.push(bytes);
  }
  const text = Buffer.from(JSON.stringify(header));
  // Spaces up to a multiple of 8, so that the data begins aligned.
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  await writeWhole(path, [length, padded, ...parts]);
}

/**
 * Reads a safetensors file, on this machine or in an object store, of F32, F16 and I32 tensors; F16 becomes float32. The file is not trusted: an error that
 * names it is thrown when it is cut off, when offsets overlap, leave gaps or run outside, when a shape doesn't fit
 * its bytes, or when the header isn't the format's.
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const source = await openObject(path);
  const { size } = source;
  if (size > mostFileBytes)
    throw invalid(path, `${size} bytes are more than the ${mostFileBytes} that are read`);
  const file = Buffer.from((await source.read(0, size)).buffer);
  if (file.length < 8) throw invalid(path, 'it is shorter than the length of a header');
  const length = file.readBigUInt64LE(0);
  if (length > mostHeaderBytes || length > BigInt(file.length - 8)) {
    throw invalid(path, `its header would be ${length} bytes long, of ${file.length} in all`);
  }
  const data = file.subarray(8 + Number(length));
  const { __metadata__: texts, ...entries } = parseHeader(path, file.subarray(8, 8 + Number(length)));
  const metadata = metadataSchema.safeParse(texts ?? {});
  if (!metadata.success) throw invalid(path, 'its __metadata__ must map texts to texts');
  const checked = Object.entries(entries).map(
    ([name, entry]) => [name, checkEntry(path, name, entry)] as const,
  );
  checkCover(
    path,
    checked.map(([, entry]) => entry.data_offsets),
    data.length,
  );
  const tensors = Object.fromEntries(checked.map(([name, entry]) => [name, tensorOf(entry, data)]));
  return { tensors, metadata: metadata.data };
}

function parseHeader(path: string, bytes: Buffer): Record<string, unknown> {
  try {
    return headerSchema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch {
    throw invalid(path, 'its header is not a JSON object');
  }
}

function checkEntry(path: string, name: string, value: unknown): Entry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(path, `tensor '${name}': ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
  }
  const { dtype, shape, data_offsets: offsets } = parsed.data;
  const bytes = sizeOf(shape) * bytesOf[dtype];
  if (offsets[1] - offsets[0] !== bytes) {
    throw invalid(
      path,
      `tensor '${name}' ${dtype} [${shape.join(', ')}] can't lie at ${offsets.join(' to ')}`,
    );
  }
  return parsed.data;
}

/** Offsets must cover the data whole and once, as the format demands. */
function checkCover(path: string, offsets: readonly (readonly [number, number])[], length: number): void {
  let at = 0;
  for (const [from, to] of offsets.toSorted((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (from !== at) throw invalid(path, `its tensors overlap or leave a gap at byte ${Math.min(from, at)}`);
    at = to;
  }
  if (at !== length) throw invalid(path, `its tensors take ${at} bytes, but it holds ${length}`);
}

function tensorOf({ dtype, shape, data_offsets: [from, to] }: Entry, data: Uint8Array): TensorValue {
  // A copy begins at offset 0, which the element types' alignment asks for.
  const { buffer } = Uint8Array.from(data.subarray(from, to));
  if (dtype === 'I32') return { shape, dtype: 'int32', data: new Int32Array(buffer) };
  const floats = dtype === 'F16' ? fromFloat16(new Uint16Array(buffer)) : new Float32Array(buffer);
  return { shape, dtype: 'float32', data: floats };
}

/** Writes a file under a temporary name beside it, and renames it when it is on the disk. */
async function writeWhole(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, 'wx');
  try {
    try {
      for (const part of parts) if (part.length > 0) await file.writeFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : Number(a > b))));
}

function invalid(path: string, why: string): Error {
  return new Error(`${path} is not a usable safetensors file: ${why}`);
}
