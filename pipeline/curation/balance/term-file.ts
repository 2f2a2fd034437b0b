import { Field, Float64, Int64, List, type RecordBatch, Utf8 } from 'apache-arrow';
import { batchOf, column } from '../../../schemas/batches.ts';
import { openParquetWriter } from '../../../schemas/parquet-writer.ts';
import { candidateTerms } from '../../../stages/balance/candidate-terms.ts';
import { balanceDraw } from '../../../stages/balance/plan.ts';

/** The parquet file of the rows' candidate terms, being written. */
export interface TermFile {
  write(batch: RecordBatch): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

const termsType = new List(new Field('element', new Utf8(), true));

/** Opens a parquet file of id (from `firstId` on), balance_draw, and the candidate terms of each row's alt-texts. */
export async function openTermFile(path: string, seed: number, firstId: number): Promise<TermFile> {
  const writer = await openParquetWriter(path);
  let next = firstId;
  const write = (keys: readonly string[], terms: readonly (readonly string[])[]) => {
    const ids = keys.map((_, i) => BigInt(next + i));
    next += keys.length;
    return writer.write(
      batchOf({
        id: { type: new Int64(), values: ids },
        balance_draw: { type: new Float64(), values: keys.map((key) => balanceDraw(key, seed)) },
        terms: { type: termsType, values: terms },
      }),
    );
  };
  // The file has its schema also when no row is admitted.
  await write([], []);
  return {
    write: (batch) =>
      write(
        [...column(batch, 'key')],
        Array.from(column(batch, 'alt_texts'), (texts) => candidateTerms(texts ?? [])),
      ),
    async close() {
      await writer.close();
    },
    abort: () => writer.abort(),
  };
}
