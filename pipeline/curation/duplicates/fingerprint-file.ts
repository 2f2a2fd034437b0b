import { Binary, BufferType, Data, Int64 } from 'apache-arrow';
import { cropCount } from '../../../models/duplicates/fingerprint.ts';
import { batchOfData, dataOf } from '../../../schemas/batches.ts';
import { openParquetWriter } from '../../../schemas/parquet-writer.ts';
import { unpackFingerprint } from '../../../stages/duplicates/fingerprint-column.ts';

/** The parquet file of the fingerprints, being written. */
export interface FingerprintFile {
  /** Writes packed fingerprints of rows `first`, `first` + 1, ...; those that are null are left out. */
  write(first: number, packed: readonly (Uint8Array | null)[]): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

/** The columns of the crops' hashes, the whole image's first. */
export const hashColumns = Array.from({ length: cropCount }, (_, crop) => `hash_${crop}`);

/** Opens a parquet file of fingerprints: id, hash_0 to hash_8, colours. It has its schema also when it has no row. */
export async function openFingerprintFile(path: string): Promise<FingerprintFile> {
  const writer = await openParquetWriter(path);
  const write: FingerprintFile['write'] = async (first, packed) => {
    const present = packed.flatMap((bytes, i) => (bytes === null ? [] : [{ id: first + i, bytes }]));
    const found = present.map(({ bytes }) => unpackFingerprint(bytes));
    const hashes = hashColumns.map(
      (name, crop) => [name, int64s(found.map((one) => one.hashes[crop] ?? 0n))] as const,
    );
    await writer.write(
      batchOfData([
        ['id', int64s(present.map(({ id }) => BigInt(id)))],
        ...hashes,
        [
          'colours',
          dataOf(
            new Binary(),
            found.map(({ colours }) => colours),
          ),
        ],
      ]),
    );
  };
  await write(0, []);
  return {
    write,
    async close() {
      await writer.close();
    },
    abort: () => writer.abort(),
  };
}

function int64s(values: readonly bigint[]): Data {
  return new Data(new Int64(), 0, values.length, 0, { [BufferType.DATA]: BigInt64Array.from(values) });
}
