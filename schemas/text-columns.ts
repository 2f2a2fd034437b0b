import { BufferType, Data, type DataType, type List, Utf8 } from 'apache-arrow';

/** A chunk of lists of texts, as its buffers: list i has texts `lists[i]` up to `lists[i + 1]`. */
export interface TextLists {
  readonly rows: number;
  /** Where lists begin, in texts, [rows + 1]. A missing list may have any. */
  readonly lists: Int32Array;
  /** Where texts begin, in bytes, [texts + 1]. */
  readonly offsets: Int32Array;
  /** UTF-8. */
  readonly bytes: Uint8Array;
  /** Bytes from the first list's first text to the last one's last. */
  readonly size: number;
  /** The texts of a list as strings; those that are missing are left out. */
  texts(row: number): string[];
  /** The place of a list's only text; -1 where it has none or several, or the text is missing. */
  only(row: number): number;
}

/** Looks into a chunk of lists of texts without making strings of them. */
export function textLists(data: Data): TextLists {
  const lists = data.valueOffsets as Int32Array;
  const items = data.children[0] as Data;
  const offsets = items.valueOffsets as Int32Array;
  const bytes = items.values as Uint8Array;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [allLists, allTexts] = [data.nullCount === 0, items.nullCount === 0];
  return {
    rows: data.length,
    lists,
    offsets,
    bytes,
    size: (offsets[lists[data.length] ?? 0] ?? 0) - (offsets[lists[0] ?? 0] ?? 0),
    texts(row) {
      if (!allLists && !data.getValid(row)) return [];
      const texts: string[] = [];
      for (let at = lists[row] as number; at < (lists[row + 1] as number); at += 1) {
        if (allTexts || items.getValid(at)) texts.push(buffer.toString('utf8', offsets[at], offsets[at + 1]));
      }
      return texts;
    },
    only(row) {
      const at = lists[row] as number;
      if ((lists[row + 1] as number) - at !== 1) return -1;
      return (allLists || data.getValid(row)) && (allTexts || items.getValid(at)) ? at : -1;
    },
  };
}

/** Texts that become a column, one after another. */
export interface TextBuilder {
  addBytes(bytes: Uint8Array, from: number, to: number): void;
  addText(text: string): void;
  /** Ends a list: the texts since the last end are its. */
  endList(): void;
  /** The texts as a chunk. */
  texts(): Data;
  /** The lists as a chunk of a type of lists of texts. */
  lists(type: DataType): Data;
}

/** Makes a builder for about so many texts and bytes, more if need be; for no more than 2 GiB. */
export function createTextBuilder(texts: number, bytes: number): TextBuilder {
  let buffer = Buffer.allocUnsafeSlow(Math.max(bytes, 1024));
  let offsets = new Int32Array(texts + 1);
  const ends: number[] = [0];
  let [count, length] = [0, 0];
  const reserve = (more: number) => {
    if (length + more > buffer.length) {
      const larger = Buffer.allocUnsafeSlow(2 * (length + more));
      larger.set(buffer.subarray(0, length));
      buffer = larger;
    }
    if (count + 1 >= offsets.length) {
      const larger = new Int32Array(2 * offsets.length + 1);
      larger.set(offsets);
      offsets = larger;
    }
  };
  const chunk = () =>
    new Data(new Utf8(), 0, count, 0, {
      [BufferType.OFFSET]: offsets.subarray(0, count + 1),
      [BufferType.DATA]: new Uint8Array(buffer.buffer, buffer.byteOffset, length),
    });
  return {
    addBytes(source, from, to) {
      reserve(to - from);
      // Short texts are copied faster by hand than through a view.
      if (to - from > 48) buffer.set(source.subarray(from, to), length);
      else for (let i = from; i < to; i += 1) buffer[length + i - from] = source[i] as number;
      length += to - from;
      offsets[++count] = length;
    },
    addText(text) {
      reserve(3 * text.length);
      length += buffer.write(text, length);
      offsets[++count] = length;
    },
    endList() {
      ends.push(count);
    },
    texts: chunk,
    lists: (type) => listsOf(type as List, Int32Array.from(ends), chunk()),
  };
}

/** A chunk of lists, none of them missing, that begin and end at these items, [lists + 1]. */
export function listsOf(type: List, offsets: Int32Array, items: Data): Data {
  const { nullCount, children, buffers, length, offset } = items;
  const child = new Data(
    type.children[0]?.type ?? items.type,
    offset,
    length,
    nullCount,
    buffers as never,
    children,
  );
  return new Data(type, 0, offsets.length - 1, 0, { [BufferType.OFFSET]: offsets }, [child]);
}
