import { Field, List, type RecordBatch, Struct, Utf8 } from 'apache-arrow';
import { column, takeRows, withColumns } from './batches.ts';
import type { StageContext } from './stage.ts';

/** Why a filter doesn't want a row: the reason, and the value that decided. */
export interface Verdict {
  readonly reason: string;
  readonly value: string;
}

/** What a filter does with a row that it doesn't want: leave it out, or only say so in the column `labels`. */
export const filterModes = ['drop', 'label'] as const;

/** One of {@link filterModes}. */
export type FilterMode = (typeof filterModes)[number];

/** The Arrow type of `labels`: what each filter that only labels would have dropped the row for. */
export const labelsType = new List(
  new Field(
    'element',
    new Struct([
      new Field('stage', new Utf8(), true),
      new Field('reason', new Utf8(), true),
      new Field('value', new Utf8(), true),
    ]),
    true,
  ),
);

/**
 * Applies a filter's verdicts, one a row (undefined where the row is wanted). Dropping hands the unwanted rows to the
 * context and gives the others, or null when none is left; labelling gives every row, with the verdict added to its
 * `labels`. Throws when there are more or fewer verdicts than rows.
 */
export function applyVerdicts(
  batch: RecordBatch,
  verdicts: readonly (Verdict | undefined)[],
  filter: { readonly stage: string; readonly mode: FilterMode },
  context: Pick<StageContext, 'drop'>,
): RecordBatch | null {
  if (verdicts.length !== batch.numRows) {
    throw new Error(`${filter.stage}: ${verdicts.length} verdicts for ${batch.numRows} rows`);
  }
  if (filter.mode === 'label') return withLabels(batch, verdicts, filter.stage);
  const keys = column(batch, 'key');
  const kept: number[] = [];
  verdicts.forEach((verdict, i) => {
    if (verdict === undefined) kept.push(i);
    else context.drop({ key: keys.get(i), stage: filter.stage, ...reasonOf(verdict) });
  });
  if (kept.length === batch.numRows) return batch;
  return kept.length > 0 ? takeRows(batch, kept) : null;
}

/** A verdict may carry more than what is written down of it. */
function reasonOf({ reason, value }: Verdict): Verdict {
  return { reason, value };
}

function withLabels(batch: RecordBatch, verdicts: readonly (Verdict | undefined)[], stage: string) {
  const before = batch.getChild('labels');
  const values = verdicts.map((verdict, i) => [
    ...(before?.get(i) ?? []),
    ...(verdict === undefined ? [] : [{ stage, ...reasonOf(verdict) }]),
  ]);
  return withColumns(batch, { labels: { type: labelsType, values } });
}
