import { BufferType, Data, Int32, Int64, type RecordBatch, Utf8 } from 'apache-arrow';
import { batchOfData, column, dataOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { type CountedText, countedText } from '../../stages/texts/counted-text.ts';

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
      const texts: TextRow[] = [];
      const hosts: (string | null)[] = [];
      let i = 0;
      for (const list of column(batch, 'alt_texts')) {
        const host = hostOf(urls?.get(i));
        let place = 0;
        for (const text of (list ?? []) as Iterable<string>) {
          texts.push({ id: first + i, place: place++, ...(countedText(text) ?? nothing) });
          hosts.push(host);
        }
        i += 1;
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
