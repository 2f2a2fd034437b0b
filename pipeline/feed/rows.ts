import type { SchemaTree } from 'hyparquet';
import type { LeafReader, Slice } from '../../schemas/parquet-reader/leaf-reader.ts';
import { createMemory } from '../../schemas/parquet-reader/memory.ts';
import { type Leaf, leafOf } from '../../schemas/parquet-reader/pages.ts';
import { type OpenShard, openShard } from '../../schemas/parquet-reader.ts';
import { createRecycledBuffers, type RecycledBuffers } from '../../schemas/recycled-buffers.ts';
import type { LoccaTarget } from '../../stages/add-locca-targets.ts';
import { createRowMemory, type Room, type RowMemory } from './row-memory.ts';

/** One curated pair in memory. Its bytes lie in room of its own, and are gone once the row is dropped. */
export interface FeedRow {
  readonly key: string;
  readonly language: string;
  readonly text: string;
  /** The encoded image. */
  readonly image: Uint8Array;
  /** Half-precision numbers [d], as bytes; null where the shards carry none. */
  readonly teacherImage: Uint8Array | null;
  readonly teacherText: Uint8Array | null;
  /** Null where they aren't read. */
  readonly locca: readonly LoccaTarget[] | null;
  /** What the bytes lie in. */
  readonly room: Room;
}

/** The row groups of curated shards, end to end, as the order of a fine-tune names them. */
export interface RowSource {
  /** Rows of each row group. */
  readonly groups: readonly number[];
  /** Which rows of a row group are English: 1 or 0 each. Reads no other column. */
  english(group: number): Promise<Uint8Array>;
  /** Rows of a row group from `from` on, a multiple of 256, in order, 256 at a time. */
  read(group: number, from: number): AsyncGenerator<FeedRow[]>;
  /** Takes the room of rows that nobody reads any more for those to come. */
  drop(rows: Iterable<FeedRow>): void;
  /** Rows that were read and not dropped, and bytes of memory for them. */
  held(): { readonly rooms: number; readonly bytes: number };
}

const batchRows = 256;
/** Pages are copied out of at once: little is held of them. */
const pageMemory = 4 * 1024 ** 3;

/**
 * Opens curated shards for a feed. Footers are read now, columns page by page when they are asked for. Rows take room of
 * `memory`: one that uses it again unless told, which is for who drops them. Throws when a shard is missing, or isn't a
 * curated one.
 */
export async function openRows(
  shards: readonly string[],
  {
    teacher,
    locca,
    memory = createRowMemory(),
  }: { readonly teacher: boolean; readonly locca: boolean; readonly memory?: RowMemory },
): Promise<RowSource> {
  const buffers = createRecycledBuffers();
  const places: { shard: OpenShard; index: number }[] = [];
  for (const path of shards) {
    const shard = await openShard(path);
    for (const { index, rows } of shard.rowGroups) if (rows > 0) places.push({ shard, index });
  }
  const placeOf = (group: number) => {
    const place = places[group];
    if (place === undefined) throw new RangeError(`there is no row group ${group}`);
    return place;
  };
  return {
    groups: places.map(({ shard, index }) => shard.rowGroups[index]?.rows ?? 0),
    async english(group) {
      const { shard, index } = placeOf(group);
      const rows = shard.rowGroups[index]?.rows ?? 0;
      const flags = new Uint8Array(rows);
      const leaf = leafAt(shard, ['language']);
      let at = 0;
      for await (const [slices = []] of readLeaves(shard, index, {
        leaves: [leaf],
        rows,
        step: 16_384,
        buffers,
      })) {
        for (const bytes of valuesOf(slices, leaf)) {
          flags[at] = bytes?.length === 2 && bytes[0] === 0x65 && bytes[1] === 0x6e ? 1 : 0;
          at += 1;
        }
      }
      return flags;
    },
    async *read(group, from) {
      const { shard, index } = placeOf(group);
      const rows = shard.rowGroups[index]?.rows ?? 0;
      const leaves = [
        leafAt(shard, ['key']),
        leafAt(shard, ['language']),
        leafAt(shard, ['text']),
        leafAt(shard, ['image', 'bytes']),
        ...(teacher
          ? [
              leafAt(shard, ['teacher_image', 'list', 'element']),
              leafAt(shard, ['teacher_text', 'list', 'element']),
            ]
          : []),
      ];
      const targets = locca ? (await shard.readRowGroup(index, ['locca'])).locca : undefined;
      let at = 0;
      for await (const slices of readLeaves(shard, index, { leaves, rows, step: batchRows, buffers })) {
        const first = at;
        at += Math.min(batchRows, rows - at);
        if (at <= from) continue;
        const read = rowsOf(slices, leaves, memory);
        yield targets ? read.map((row, i) => ({ ...row, locca: loccaOf(targets[first + i]) })) : read;
      }
    },
    drop(rows) {
      for (const { room } of rows) memory.give(room);
    },
    held: () => memory.held(),
  };
}

function leafAt(shard: OpenShard, path: readonly string[]): Leaf {
  const nodes: SchemaTree[] = [];
  let children = shard.schema.children;
  for (const name of path) {
    // Writers name the item of a list as they like.
    const node =
      children.find((child) => child.element.name === name) ??
      (nodes.length > 0 && children.length === 1 ? children[0] : undefined);
    if (node === undefined) {
      throw new Error(`${shard.path} is not a curated shard: it has no column ${path.join('.')}`);
    }
    nodes.push(node);
    children = node.children;
  }
  return leafOf(nodes);
}

/** Slices of columns, `step` rows at a time; what they are in is used again for the next. */
async function* readLeaves(
  shard: OpenShard,
  group: number,
  {
    leaves,
    rows,
    step,
    buffers,
  }: {
    readonly leaves: readonly Leaf[];
    readonly rows: number;
    readonly step: number;
    readonly buffers: RecycledBuffers;
  },
): AsyncGenerator<Slice[][]> {
  const readers: LeafReader[] = shard.openLeaves(group, leaves, createMemory(pageMemory), buffers);
  try {
    for (let done = 0; done < rows; ) {
      const wanted = Math.min(step, rows - done);
      for (const reader of readers) {
        const ready = await reader.ready(wanted, Number.POSITIVE_INFINITY);
        if (ready < wanted)
          throw new Error(`${shard.path}: row group ${group} ends after ${done + ready} rows`);
      }
      yield readers.map((reader) => reader.take(wanted));
      done += wanted;
    }
  } finally {
    for (const reader of readers) await reader.close();
  }
}

function rowsOf(slices: readonly Slice[][], leaves: readonly Leaf[], memory: RowMemory): FeedRow[] {
  const texts = (i: number) =>
    [...valuesOf(slices[i] ?? [], leaves[i] as Leaf)].map((bytes) => (bytes ? decoder.decode(bytes) : ''));
  const [keys, languages, captions] = [texts(0), texts(1), texts(2)];
  const images = [...valuesOf(slices[3] ?? [], leaves[3] as Leaf)];
  const halves = (i: number) => (leaves[i] ? listsOf(slices[i] ?? [], leaves[i] as Leaf) : null);
  const [teacherImages, teacherTexts] = [halves(4), halves(5)];
  return keys.map((key, row) => ({
    key,
    language: languages[row] ?? '',
    text: captions[row] ?? '',
    ...ownBytes(memory, images[row] ?? none, teacherImages?.[row] ?? null, teacherTexts?.[row] ?? null),
    locca: null,
  }));
}

const none = new Uint8Array();

/** A row's bytes in room of their own, out of the pages that they were read in. */
function ownBytes(
  memory: RowMemory,
  image: Uint8Array,
  teacherImage: Uint8Array | null,
  teacherText: Uint8Array | null,
) {
  const room = memory.take(image.length + (teacherImage?.length ?? 0) + (teacherText?.length ?? 0));
  let at = 0;
  const own = (part: Uint8Array) => {
    const { buffer, byteOffset } = room.bytes;
    room.bytes.set(part, at);
    const bytes = new Uint8Array(buffer, byteOffset + at, part.length);
    at += part.length;
    return bytes;
  };
  return {
    image: own(image),
    teacherImage: teacherImage && own(teacherImage),
    teacherText: teacherText && own(teacherText),
    room,
  };
}

const decoder = new TextDecoder();

function loccaOf(targets: unknown): LoccaTarget[] {
  return [...((targets ?? []) as Iterable<LoccaTarget>)];
}

/** Each entry's bytes; null where it has none. */
function* valuesOf(slices: readonly Slice[], leaf: Leaf): Generator<Uint8Array | null> {
  for (const { page, from, to, value: first } of slices) {
    const { values, definitions } = page;
    if (values.kind !== 'bytes') throw new Error(`column ${leaf.name} holds numbers, not byte strings`);
    const { bytes, starts, lengths } = values;
    for (let entry = from, value = first; entry < to; entry += 1) {
      if (definitions !== null && definitions[entry] !== leaf.maxDefinition) yield null;
      else {
        const start = starts[value] ?? 0;
        yield bytes.subarray(start, start + (lengths[value] ?? 0));
        value += 1;
      }
    }
  }
}

/** Each row's list of half-precision numbers, as bytes: of the page where they lie there together, or copied. */
function listsOf(slices: readonly Slice[], leaf: Leaf): Uint8Array[] {
  const width = leaf.typeLength;
  if (leaf.type !== 'FIXED_LEN_BYTE_ARRAY' || width !== 2) {
    throw new Error(`column ${leaf.name} is ${leaf.type}, where half-precision numbers are expected`);
  }
  const lists: Uint8Array[] = [];
  for (const { page, from, to, value: first } of slices) {
    const { values, repetitions, definitions } = page;
    if (values.kind !== 'bytes') throw new Error(`column ${leaf.name} holds numbers, not byte strings`);
    const { bytes, packedAt } = values;
    let value = first;
    for (let entry = from; entry < to; ) {
      // A list that goes on from the page before is one with what was there of it.
      const goesOn = repetitions !== null && repetitions[entry] !== 0;
      const next = repetitions?.indexOf(0, entry + 1) ?? entry + 1;
      const end = next < 0 ? to : Math.min(next, to);
      const present = countPresent(definitions, entry, end, leaf.maxDefinition);
      // Plain values lie end to end; those of a dictionary anywhere.
      const part =
        packedAt === undefined
          ? copyPairs(bytes, values.starts, value, present)
          : bytes.subarray(packedAt + value * width, packedAt + (value + present) * width);
      value += present;
      if (goesOn && lists.length > 0) lists.push(Buffer.concat([lists.pop() ?? part, part]));
      else lists.push(part);
      entry = end;
    }
  }
  return lists;
}

function countPresent(definitions: Uint8Array | null, from: number, to: number, most: number): number {
  if (definitions === null) return to - from;
  let count = 0;
  for (let i = from; i < to; i += 1) if (definitions[i] === most) count += 1;
  return count;
}

function copyPairs(bytes: Uint8Array, starts: Uint32Array, value: number, count: number): Uint8Array {
  const part = new Uint8Array(count * 2);
  for (let i = 0; i < part.length; i += 2) {
    const start = starts[value + (i >> 1)] as number;
    part[i] = bytes[start] as number;
    part[i + 1] = bytes[start + 1] as number;
  }
  return part;
}
