/** Bytes that are taken of a {@link RowMemory}. */
export interface Room {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where they lie, which the memory alone has a use for; null where they are on their own. */
  readonly slab: Slab | null;
  readonly slot: number;
}

/** Slots of one size, end to end. */
export interface Slab {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly shelf: Shelf;
  /** Free slots, of which the last is taken next. */
  readonly free: number[];
  /** 1 for each slot that is taken. */
  readonly taken: Uint8Array;
}

/** The slabs of one size of slot, and of those the ones with room. */
export interface Shelf {
  readonly size: number;
  readonly slots: number;
  readonly open: Slab[];
  /** Of the open ones those that are wholly free. */
  spare: number;
}

/** Room for rows' bytes. */
export interface RowMemory {
  /** Bytes of any content. */
  take(length: number): Room;
  /** Gives room back, to be taken again: who still reads it finds other bytes. Throws when it was given back before. */
  give(room: Room): void;
  /** Rooms that are taken, and bytes of slabs, of what is to be given back. */
  held(): { readonly rooms: number; readonly bytes: number };
}

const leastSize = 64;
/** Sizes from one power of two to the next: a slot is an eighth too large at the most. */
const sizesADoubling = 8;
const slabBytes = 1024 * 1024;
const [fewestSlots, mostSlots] = [4, 64];
/** Rows of more bytes are on their own, and collected: there are too few of a size to be used again. */
const largest = 1024 * 1024;
/** Wholly free slabs that a shelf keeps. */
const mostSpare = 2;

/**
 * Memory for bytes of differing lengths that come and go by the thousand. What is given back is taken again, so that a
 * steady traffic allocates nothing and leaves nothing to be collected: buffers lie outside of V8's heap and count
 * against its limit, so each collection that they bring about marks the whole heap. Slots of a size share slabs of about
 * a megabyte; what it holds is bounded by the most that was taken at a time of each size.
 */
export function createRowMemory(): RowMemory {
  const shelves = new Map<number, Shelf>();
  let [rooms, bytes] = [0, 0];
  const shelfOf = (size: number): Shelf => {
    const known = shelves.get(size);
    if (known) return known;
    const slots = Math.min(mostSlots, Math.max(fewestSlots, Math.floor(slabBytes / size)));
    const made: Shelf = { size, slots, open: [], spare: 0 };
    shelves.set(size, made);
    return made;
  };
  const addSlab = (shelf: Shelf): Slab => {
    const { size, slots } = shelf;
    const slab: Slab = {
      bytes: ownBytes(size * slots),
      shelf,
      free: Array.from({ length: slots }, (_, i) => slots - 1 - i),
      taken: new Uint8Array(slots),
    };
    bytes += slab.bytes.length;
    shelf.open.push(slab);
    shelf.spare += 1;
    return slab;
  };
  return {
    take(length) {
      rooms += 1;
      if (length > largest) return { bytes: ownBytes(length), slab: null, slot: 0 };
      const shelf = shelfOf(slotSize(length));
      const slab = shelf.open.at(-1) ?? addSlab(shelf);
      if (slab.free.length === shelf.slots) shelf.spare -= 1;
      const slot = slab.free.pop() as number;
      if (slab.free.length === 0) shelf.open.pop();
      slab.taken[slot] = 1;
      const start = slot * shelf.size;
      return { bytes: slab.bytes.subarray(start, start + length), slab, slot };
    },
    give({ slab, slot }) {
      rooms -= 1;
      if (slab === null) return;
      if (slab.taken[slot] !== 1) throw new Error('room was given back twice');
      slab.taken[slot] = 0;
      const { shelf } = slab;
      if (slab.free.length === 0) shelf.open.push(slab);
      slab.free.push(slot);
      if (slab.free.length < shelf.slots) return;
      if (shelf.spare < mostSpare) shelf.spare += 1;
      else {
        shelf.open.splice(shelf.open.indexOf(slab), 1);
        bytes -= slab.bytes.length;
      }
    },
    held: () => ({ rooms, bytes }),
  };
}

/**
 * Memory for rows that are kept at will, and given back or not: each room is on its own, and collected once nobody holds
 * it. A slab would stay for the sake of any one row in it.
 */
export const ownRooms: RowMemory = {
  take: (length) => ({ bytes: ownBytes(length), slab: null, slot: 0 }),
  give: () => {},
  held: () => ({ rooms: 0, bytes: 0 }),
};

/** The size of the slot for so many bytes: one of eight to a doubling. */
export function slotSize(length: number): number {
  if (length <= leastSize) return leastSize;
  const step = 2 ** (31 - Math.clz32(length - 1)) / sizesADoubling;
  return Math.ceil(length / step) * step;
}

function ownBytes(length: number): Uint8Array<ArrayBuffer> {
  const { buffer } = Buffer.allocUnsafeSlow(length);
  return new Uint8Array(buffer as ArrayBuffer, 0, length);
}
