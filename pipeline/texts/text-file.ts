import { Int32, Int64, type RecordBatch, Utf8 } from 'apache-arrow';
import { batchOf, column } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { countedText } from '../../stages/texts/counted-text.ts';

/** The parquet file of what is counted of the alt-texts, being written. */
export interface TextFile {
  /** Writes the alt-texts of rows `first`, `first` + 1, ... */
  write(first: number, batch: RecordBatch): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

/** Opens a parquet file of counted texts: id (the row's), place (in `alt_texts`), hash, words, host. */
export async function openTextFile(path: string): Promise<TextFile> {
  const writer = await openParquetWriter(path);
  const write = (rows: readonly TextRow[]) =>
    writer.write(
      batchOf({
        id: { type: new Int64(), values: rows.map(({ id }) => id) },
        place: { type: new Int32(), values: rows.map(({ place }) => place) },
        hash: { type: new Int64(), values: rows.map(({ hash }) => hash) },
        words: { type: new Int32(), values: rows.map(({ words }) => words) },
        host: { type: new Utf8(), values: rows.map(({ host }) => host) },
      }),
    );
  // The file has its schema also when it has no row.
  await write([]);
  return {
    write: (first, batch) => write(textRows(first, batch)),
    async close() {
      await writer.close();
    },
    abort: () => writer.abort(),
  };
}

interface TextRow {
  readonly id: bigint;
  readonly place: number;
  readonly hash: bigint | null;
  readonly words: number;
  readonly host: string | null;
}

function textRows(first: number, batch: RecordBatch): TextRow[] {
  const urls = batch.getChild('url');
  const rows: TextRow[] = [];
  let i = 0;
  for (const texts of column(batch, 'alt_texts')) {
    const host = hostOf(urls?.get(i));
    let place = 0;
    for (const text of (texts ?? []) as Iterable<string>) {
      const counted = countedText(text);
      const { hash = null, words = 0 } = counted ?? {};
      rows.push({ id: BigInt(first + i), place: place++, hash, words, host });
    }
    i += 1;
  }
  return rows;
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
