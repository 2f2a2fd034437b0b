import type { RecycledBuffers } from '../recycled-buffers.ts';
import type { OpenByteSource } from './byte-source.ts';

/** Reads a file by small pieces through a larger one. */
export interface ReadWindow {
  /** Bytes [start, start + length), for use until the next read, or for as long as they are held. */
  read(start: number, length: number): Promise<Uint8Array>;
  /** Holds what was read last. Gives what lets go of it, which is called once. */
  hold(): () => void;
  close(): void;
}

/** Small pages are read from the file many at a time: this share of the memory, within these bounds. */
const windowShare = 64;
const [leastWindow, mostWindow] = [64 * 1024, 4 * 1024 * 1024];

interface Piece {
  readonly start: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the bytes are in, to be given back. */
  readonly buffer: Uint8Array<ArrayBuffer>;
  users: number;
}

/**
 * Opens a window on a file up to `end`. What it hands out is never written to again, unless there are `buffers`: of those
 * one is given back when the window has moved on and all that held it have let go.
 */
export function createWindow(
  file: Pick<OpenByteSource, 'read'>,
  end: number,
  { memory, buffers }: { readonly memory: number; readonly buffers?: RecycledBuffers | undefined },
): ReadWindow {
  const windowBytes = Math.max(leastWindow, Math.min(mostWindow, Math.floor(memory / windowShare)));
  const none: Piece = { start: 0, bytes: new Uint8Array(), buffer: new Uint8Array(), users: 1 };
  /** The piece that is read from, and the one that the last read was of. */
  let [now, last] = [none, none];
  const letGo = (piece: Piece) => {
    piece.users -= 1;
    if (piece.users === 0 && piece !== none) buffers?.give(piece.buffer);
  };
  const load = async (start: number, length: number, known: Uint8Array): Promise<Piece> => {
    if (!buffers && known.length === 0) {
      const bytes = await file.read(start, length);
      return { start, bytes, buffer: bytes, users: 1 };
    }
    const buffer = buffers?.take(length) ?? new Uint8Array(length);
    const bytes = buffer.subarray(0, length);
    bytes.set(known);
    const rest = bytes.subarray(known.length);
    try {
      const read = await file.read(start + known.length, rest.length, rest);
      if (read.buffer !== buffer.buffer) rest.set(read);
    } catch (error) {
      buffers?.give(buffer);
      throw error;
    }
    return { start, bytes, buffer, users: 1 };
  };
  const move = (to: Piece) => {
    const before = last;
    last = to;
    if (before !== now) letGo(before);
  };
  return {
    async read(start, length) {
      const from = start - now.start;
      const known = from >= 0 ? now.bytes.subarray(from, from + length) : none.bytes;
      if (known.length === length) {
        move(now);
        return known;
      }
      // A piece as large as a page is the page's own.
      if (length >= windowBytes) {
        move(await load(start, length, known));
        return last.bytes;
      }
      const left = now.bytes.subarray(from >= 0 ? from : now.bytes.length);
      const next = await load(start, Math.min(windowBytes, end - start), left);
      move(now);
      letGo(now);
      [now, last] = [next, next];
      return next.bytes.subarray(0, length);
    },
    hold() {
      const held = last;
      held.users += 1;
      return () => letGo(held);
    },
    close() {
      move(now);
      letGo(now);
      [now, last] = [none, none];
    },
  };
}
