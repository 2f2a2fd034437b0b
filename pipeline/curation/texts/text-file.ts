import { BufferType, Data, Int32, Int64, type RecordBatch, Utf8 } from 'apache-arrow';
import { batchOfData, columnData, dataOf } from '../../../schemas/batches.ts';
import { openParquetWriter } from '../../../schemas/parquet-writer.ts';
import { textLists } from '../../../schemas/text-columns.ts';
import { type CountedText, countedBytes } from '../../../stages/texts/counted-text.ts';

/** The parquet file of what is counted of the alt-texts, being written. */
export interface TextFile {
  /** Writes the alt-texts of rows `first`, `first` + 1, ... */
  write(first: number, batch: RecordBatch): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

/**
 * Opens a parquet file of counted texts: id (the row's), place (in `alt_texts`), hash, words, host. A text with neither
 * letters nor numbers has 0 words.
 */
export async function openTextFile(path: string): Promise<TextFile> {
  const writer = await openParquetWriter(path);
  // The file has its schema also when it has no row.
  await writer.write(textBatch([], []));
  return {
    async write(first, batch) {
      const urls = batch.getChild('url');
      const { rows, lists, offsets, bytes } = textLists(columnData(batch, 'alt_texts'));
      const texts: TextRow[] = [];
      const hosts: (string | null)[] = [];
      for (let row = 0; row < rows; row += 1) {
        const host = hostOf(urls?.get(row));
        const begin = lists[row] as number;
        for (let at = begin; at < (lists[row + 1] as number); at += 1) {
          const counted = countedBytes(bytes, offsets[at] as number, offsets[at + 1] as number) ?? nothing;
          texts.push({ id: first + row, place: at - begin, ...counted });
          hosts.push(host);
        }
      }
      await writer.write(textBatch(texts, hosts));
    },
    async close() {
      await writer.close();
    },
    abort: () => writer.abort(),
  };
}

interface TextRow extends CountedText {
  readonly id: number;
  readonly place: number;
}

const nothing: CountedText = { hash: 0n, words: 0 };

function textBatch(texts: readonly TextRow[], hosts: readonly (string | null)[]): RecordBatch {
  const numbers = (type: Int32 | Int64, values: Int32Array | BigInt64Array) =>
    new Data(type, 0, values.length, 0, { [BufferType.DATA]: values });
  const ints = (of: (text: TextRow) => number) => numbers(new Int32(), Int32Array.from(texts, of));
  const longs = (of: (text: TextRow) => bigint) => numbers(new Int64(), BigInt64Array.from(texts, of));
  return batchOfData([
    ['id', longs(({ id }) => BigInt(id))],
    ['place', ints(({ place }) => place)],
    ['hash', longs(({ hash }) => hash)],
    ['words', ints(({ words }) => words)],
    ['host', dataOf(new Utf8(), hosts)],
  ]);
}

/** The host of an address, lower-case, without `www.`; null where there is none. */
export function hostOf(url: unknown): string | null {
  const found = typeof url === 'string' ? /^[a-z][a-z0-9+.-]*:\/\/([^/?#\s]{1,255})/iu.exec(url) : null;
  const host = found?.[1]
    ?.replace(/^.*@/u, '')
    .replace(/:\d*$/u, '')
    .replace(/^www\./iu, '')
    .toLowerCase();
  return host === undefined || host === '' ? null : host;
}
