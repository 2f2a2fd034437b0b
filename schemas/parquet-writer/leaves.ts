import {
  type Data,
  DataType,
  type Field,
  type FixedSizeList,
  type List,
  Precision,
  type Struct,
} from 'apache-arrow';
import type { ParquetType } from 'hyparquet';

/** A step from a column down to a leaf: the field of a struct, or the items of a list. */
type Step = { readonly field: number } | 'items';

/** A leaf of a column, as parquet has it. */
export interface WrittenLeaf {
  /** Its place in parquet's schema. */
  readonly path: readonly string[];
  readonly steps: readonly Step[];
  readonly arrow: DataType;
  readonly type: ParquetType;
  readonly maxDefinition: number;
  readonly maxRepetition: number;
}

/** The leaves of a column, in the order of parquet's schema as `parquetSchemaOf` makes it: all is optional. */
export function leavesOf(name: string, arrow: DataType): WrittenLeaf[] {
  return leavesBelow(arrow, { path: [name], steps: [], maxDefinition: 1, maxRepetition: 0 });
}

type Place = Pick<WrittenLeaf, 'path' | 'steps' | 'maxDefinition' | 'maxRepetition'>;

function leavesBelow(arrow: DataType, at: Place): WrittenLeaf[] {
  if (DataType.isStruct(arrow)) {
    return (arrow as Struct).children.flatMap((child, field) =>
      leavesBelow(child.type, {
        ...at,
        path: [...at.path, child.name],
        steps: [...at.steps, { field }],
        maxDefinition: at.maxDefinition + 1,
      }),
    );
  }
  if (DataType.isList(arrow) || DataType.isFixedSizeList(arrow)) {
    const [item] = (arrow as List | FixedSizeList).children as Field[];
    return leavesBelow((item as Field).type, {
      path: [...at.path, 'list', 'element'],
      steps: [...at.steps, 'items'],
      maxDefinition: at.maxDefinition + 2,
      maxRepetition: at.maxRepetition + 1,
    });
  }
  return [{ ...at, arrow, type: physicalType(arrow) }];
}

function physicalType(arrow: DataType): ParquetType {
  if (DataType.isUtf8(arrow) || DataType.isBinary(arrow)) return 'BYTE_ARRAY';
  if (DataType.isBool(arrow)) return 'BOOLEAN';
  if (DataType.isInt(arrow)) return arrow.bitWidth === 64 ? 'INT64' : 'INT32';
  if (!DataType.isFloat(arrow)) throw new Error(`no parquet type for Arrow's ${arrow}`);
  if (arrow.precision === Precision.HALF) return 'FIXED_LEN_BYTE_ARRAY';
  return arrow.precision === Precision.SINGLE ? 'FLOAT' : 'DOUBLE';
}

/** The entries of a leaf in some rows: its levels (Melnik et al., "Dremel", 2010), and where its values are. */
export interface LeafEntries {
  readonly data: Data;
  /** Place of an entry's value in the data, -1 where it has none, [entries]. */
  readonly places: Int32Array;
  readonly definitions: Uint8Array;
  /** 0 where a row begins, [entries]; empty where there is no list above the leaf. */
  readonly repetitions: Uint8Array;
}

/** Finds a leaf's entries in a chunk of its column. */
export function entriesOf(column: Data, { steps }: WrittenLeaf): LeafEntries {
  let data = column;
  let places = new Int32Array(data.length);
  for (let i = 0; i < places.length; i += 1) places[i] = i;
  let definitions = new Uint8Array(data.length);
  let repetitions: Uint8Array = new Uint8Array();
  let depth = 0;
  define(data, places, definitions);
  for (const step of steps) {
    if (step === 'items') {
      depth += 1;
      ({ places, definitions, repetitions } = expand(data, { places, definitions, repetitions, depth }));
      data = childOf(data, 0);
    } else data = childOf(data, step.field);
    define(data, places, definitions);
  }
  return { data, places, definitions, repetitions };
}

/** One level more where there is a value, and an end where there is none. */
function define(data: Data, places: Int32Array, definitions: Uint8Array): void {
  const isWhole = data.nullCount === 0;
  for (let i = 0; i < places.length; i += 1) {
    const place = places[i] as number;
    if (place < 0) continue;
    if (isWhole || data.getValid(place)) definitions[i] = (definitions[i] as number) + 1;
    else places[i] = -1;
  }
}

function expand(
  data: Data,
  before: Pick<LeafEntries, 'places' | 'definitions' | 'repetitions'> & { readonly depth: number },
) {
  const fixed = DataType.isFixedSizeList(data.type) ? (data.type as FixedSizeList).listSize : 0;
  const offsets = data.valueOffsets as Int32Array;
  const startOf = (place: number) => (fixed > 0 ? place * fixed : (offsets[place] as number));
  const sizeOf = (place: number) => (place < 0 ? 0 : startOf(place + 1) - startOf(place));
  let count = 0;
  for (const place of before.places) count += Math.max(1, sizeOf(place));
  const places = new Int32Array(count);
  const definitions = new Uint8Array(count);
  const repetitions = new Uint8Array(count);
  let at = 0;
  for (let i = 0; i < before.places.length; i += 1) {
    const place = before.places[i] as number;
    const definition = before.definitions[i] as number;
    const size = sizeOf(place);
    repetitions[at] = before.repetitions[i] ?? 0;
    if (size === 0) {
      places[at] = -1;
      definitions[at++] = definition;
      continue;
    }
    const start = startOf(place);
    for (let k = 0; k < size; k += 1) {
      if (k > 0) repetitions[at] = before.depth;
      places[at] = start + k;
      definitions[at++] = definition + 1;
    }
  }
  return { places, definitions, repetitions };
}

function childOf(data: Data, index: number): Data {
  const child = data.children[index];
  if (child === undefined) throw new Error(`a column of type ${data.type} has no child ${index}`);
  return child;
}
