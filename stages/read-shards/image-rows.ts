import type { Data } from 'apache-arrow';
import { bytesData } from '../../schemas/parquet-reader/arrow-columns.ts';
import type { LeafReader, Slice } from '../../schemas/parquet-reader/leaf-reader.ts';
import { createMemory } from '../../schemas/parquet-reader/memory.ts';
import type { Leaf } from '../../schemas/parquet-reader/pages.ts';
import { type OpenShard, openShard } from '../../schemas/parquet-reader.ts';
import type { Preset } from '../../schemas/presets.ts';
import { rowTypes } from '../../schemas/rows.ts';
import { planColumns } from './columns.ts';

/** Where an image was read. */
export interface ImagePlace {
  readonly shard: string;
  readonly rowGroup: number;
  /** Its row in the row group. */
  readonly row: number;
}

/** Reads images again where their rows were read. */
export interface ImageRows {
  /**
   * The encoded images at these places, one chunk of Binary. It goes forward at the price of the pages on the way, and
   * back to the row group's start. Throws where an image can't be read, or its shard has no such row.
   */
  read(places: readonly ImagePlace[]): Promise<Data>;
  close(): Promise<void>;
}

/** A column of images of one row group, and its next row. */
interface Column {
  readonly rowGroup: number;
  readonly reader: LeafReader;
  next: number;
}

/** Opens parquet shards of a kind as images are asked for, one row group at a time; `memory` bytes hold its pages. */
export function openImageRows(kind: Preset, memory: number): ImageRows {
  let opened: { readonly shard: OpenShard; readonly leaf: Leaf } | null = null;
  let column: Column | null = null;
  const close = async () => {
    await column?.reader.close();
    column = null;
  };
  const open = async (path: string) => {
    if (opened?.shard.path === path) return opened;
    await close();
    const shard = await openShard(path);
    const plan = planColumns(shard.schema, kind);
    const planned = 'columns' in plan ? plan.columns.find(({ field }) => field === 'image') : undefined;
    const leaf = planned?.leaves[0];
    if (leaf === undefined) throw new Error('it has no column of images');
    opened = { shard, leaf };
    return opened;
  };
  const columnAt = async ({ shard: path, rowGroup, row }: ImagePlace) => {
    const { shard, leaf } = await open(path);
    if (column?.rowGroup === rowGroup && column.next <= row) return { column, leaf };
    await close();
    const [reader] = shard.openLeaves(rowGroup, [leaf], createMemory(memory));
    if (reader === undefined) throw new Error('it has no column of images');
    column = { rowGroup, reader, next: 0 };
    return { column, leaf };
  };
  return {
    async read(places) {
      const slices: Slice[] = [];
      let found: Leaf | null = null;
      for (let i = 0; i < places.length; ) {
        const place = places[i] as ImagePlace;
        const at = await columnAt(place);
        found = at.leaf;
        let run = 1;
        while (isNext(places[i + run - 1] as ImagePlace, places[i + run])) run += 1;
        await takeRows(at.column, place.row - at.column.next, () => {});
        await takeRows(at.column, run, (taken) => slices.push(...taken));
        i += run;
      }
      const [bytes] = rowTypes.image.children;
      if (found === null || bytes === undefined) throw new Error('no image is asked for');
      return bytesData(bytes.type, found, slices);
    },
    close,
  };
}

function isNext(place: ImagePlace, next: ImagePlace | undefined): boolean {
  return next?.shard === place.shard && next.rowGroup === place.rowGroup && next.row === place.row + 1;
}

async function takeRows(column: Column, rows: number, use: (slices: Slice[]) => void): Promise<void> {
  for (let left = rows; left > 0; ) {
    // A page at a time: what is asked for is little, whatever is on the way.
    const ready = await column.reader.ready(left, 1);
    if (ready === 0) throw new Error(`row group ${column.rowGroup} ends at row ${column.next}`);
    use(column.reader.take(ready));
    column.next += ready;
    left -= ready;
  }
}
