import { type FileHandle, open } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { fileOf, mostBytes } from '../model-folder.ts';

/** Where the weights of a graph lie that aren't in it. */
interface Reader {
  readonly size: number;
  /** The bytes of a stretch; short ones come out of a window that is kept. */
  read(from: number, length: number): Promise<Buffer>;
}

/** A field of a message: its number, and where its contents lie. */
interface Field {
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

/** Message fields of onnx.proto in which tensors can be, by message: field number to the message that it holds. */
const nested: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'entry' },
};

const windowBytes = 65_536;
const deepest = 64;
const mostNameBytes = 4096;

/**
 * The files beside a graph that hold weights of it, each of them checked: they must lie in the model's folder, and have
 * no more bytes in all than are read. Without reading the weights themselves. Throws one line when the file isn't a
 * protobuf message or a reference leads elsewhere.
 */
export async function externalFiles(folder: string, graph: string): Promise<string[]> {
  const locations = await locationsOf(graph);
  const files: string[] = [];
  let left: number = mostBytes.weights;
  for (const location of locations) {
    const name = join(relative(folder, dirname(graph)), location);
    // Joined to a folder an absolute path would look like one inside; ONNX Runtime takes it as it is.
    const path = await fileOf(folder, isAbsolute(location) ? location : name, left).catch((error: Error) => {
      throw new Error(`${graph}: it keeps weights in ${JSON.stringify(location)}: ${error.message}`);
    });
    if (path === null) throw new Error(`${graph}: its weights ${JSON.stringify(location)} aren't there`);
    const handle = await open(path);
    left -= (await handle.stat()).size;
    await handle.close();
    files.push(path);
  }
  return files;
}

/** The locations that tensors of a graph name, each once. */
async function locationsOf(graph: string): Promise<Set<string>> {
  const file = await open(graph);
  try {
    const { size } = await file.stat();
    const locations = new Set<string>();
    await visit(windowed(file, size), 'model', { from: 0, to: size }, locations, 0);
    return locations;
  } catch (error) {
    throw new Error(`${graph}: not an ONNX file: ${(error as Error).message}`);
  } finally {
    await file.close();
  }
}

async function visit(
  reader: Reader,
  message: string,
  { from, to }: Pick<Field, 'from' | 'to'>,
  locations: Set<string>,
  depth: number,
): Promise<void> {
  if (depth > deepest) throw new Error('its messages are nested without end');
  let at = from;
  while (at < to) {
    const field = await fieldAt(reader, at, to);
    at = field.to;
    const inside = nested[message]?.[field.number];
    if (inside === 'entry') {
      const location = await locationOf(reader, field);
      if (location !== null) locations.add(location);
    } else if (inside !== undefined) await visit(reader, inside, field, locations, depth + 1);
  }
}

/** The value of a `StringStringEntryProto` whose key is `location`. */
async function locationOf(reader: Reader, entry: Field): Promise<string | null> {
  let [key, value] = ['', ''];
  let at = entry.from;
  while (at < entry.to) {
    const field = await fieldAt(reader, at, entry.to);
    at = field.to;
    const length = field.to - field.from;
    if (length > mostNameBytes) throw new Error(`a reference to weights is ${length} bytes long`);
    const text = (await reader.read(field.from, length)).toString('utf8');
    if (field.number === 1) key = text;
    else if (field.number === 2) value = text;
  }
  return key === 'location' ? value : null;
}

async function fieldAt(reader: Reader, at: number, end: number): Promise<Field> {
  const header = await reader.read(at, Math.min(20, end - at));
  const [tag, tagBytes] = varint(header, 0);
  const [number, wire] = [Math.floor(tag / 8), tag % 8];
  if (wire === 0) {
    const [, bytes] = varint(header, tagBytes);
    return { number: 0, from: at, to: at + tagBytes + bytes };
  }
  const [length, lengthBytes] = wire === 2 ? varint(header, tagBytes) : [wire === 1 ? 8 : 4, 0];
  if (number === 0 || (wire !== 1 && wire !== 2 && wire !== 5)) {
    throw new Error(`byte ${at} begins no field`);
  }
  const from = at + tagBytes + lengthBytes;
  if (from + length > end) throw new Error(`the field at byte ${at} runs over its message's end`);
  return { number: wire === 2 ? number : 0, from, to: from + length };
}

function varint(bytes: Buffer, start: number): [value: number, bytes: number] {
  let value = 0;
  for (let i = 0; i < 10; i += 1) {
    const byte = bytes[start + i];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return [value, i + 1];
  }
  throw new Error('it ends in the middle of a number');
}

function windowed(file: FileHandle, size: number): Reader {
  let start = 0;
  let window = Buffer.alloc(0);
  return {
    size,
    async read(from, length) {
      if (from < start || from + length > start + window.length) {
        const buffer = Buffer.alloc(Math.max(length, Math.min(windowBytes, size - from)));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
        if (bytesRead < length) throw new Error(`it ends at byte ${from + bytesRead}`);
        [start, window] = [from, buffer.subarray(0, bytesRead)];
      }
      return window.subarray(from - start, from - start + length);
    },
  };
}
