import { Field, List, type RecordBatch, Struct, Utf8 } from 'apache-arrow';
import { column, takeRows, withColumns } from './batches.ts';
import { tracesOf } from './provenance.ts';
import type { StageContext } from './stage.ts';

/** Why a filter doesn't want a row: the reason, the value that decided, and the threshold that it was held against. */
export interface Verdict {
  readonly reason: string;
  readonly value: string;
  /** Absent where nothing was measured: a file's name is one or it isn't. */
  readonly threshold?: string | undefined;
  /** The key of the row that is kept in its place, of a duplicate. */
  readonly kept?: string | undefined;
}

/** What a filter does with a row that it doesn't want: leave it out, or only say so in the column `labels`. */
export const filterModes = ['drop', 'label'] as const;

/** One of {@link filterModes}. */
export type FilterMode = (typeof filterModes)[number];

const text = (name: string) => new Field(name, new Utf8(), true);

/** The Arrow type of `labels`: what each filter that only labels would have dropped the row for. */
export const labelsType = new List(
  new Field('element', new Struct([text('stage'), text('reason'), text('value'), text('threshold')]), true),
);

/** What a filter says of a row: nothing where the row is wanted, one verdict, or each of several. */
export type Verdicts = Verdict | readonly Verdict[] | undefined;

/**
 * Applies a filter's verdicts, one entry a row. Dropping hands the unwanted rows to the context, with the first of
 * their verdicts, and gives the others, or null when none is left; labelling gives every row, with all its verdicts
 * added to its `labels`. Throws when there are more or fewer entries than rows.
 */
export function applyVerdicts(
  batch: RecordBatch,
  verdicts: readonly Verdicts[],
  filter: { readonly stage: string; readonly mode: FilterMode },
  context: Pick<StageContext, 'drop'>,
): RecordBatch | null {
  if (verdicts.length !== batch.numRows) {
    throw new Error(`${filter.stage}: ${verdicts.length} verdicts for ${batch.numRows} rows`);
  }
  if (filter.mode === 'label') return withLabels(batch, verdicts, filter.stage);
  const keys = column(batch, 'key');
  const kept: number[] = [];
  verdicts.forEach((said, i) => {
    const [verdict] = listOf(said);
    if (verdict === undefined) kept.push(i);
    else context.drop({ key: keys.get(i), stage: filter.stage, ...reasonOf(verdict), ...tracesOf(batch, i) });
  });
  if (kept.length === batch.numRows) return batch;
  return kept.length > 0 ? takeRows(batch, kept) : null;
}

function listOf(said: Verdicts): readonly Verdict[] {
  if (said === undefined) return [];
  return 'reason' in said ? [said] : said;
}

/** A verdict may carry more than what is written down of it. */
function reasonOf({ reason, value, threshold, kept }: Verdict): Verdict {
  return { reason, value, threshold, kept };
}

function withLabels(batch: RecordBatch, verdicts: readonly Verdicts[], stage: string) {
  const before = batch.getChild('labels');
  const values = verdicts.map((said, i) => [
    ...(before?.get(i) ?? []),
    ...listOf(said).map(({ reason, value, threshold = null }) => ({ stage, reason, value, threshold })),
  ]);
  return withColumns(batch, { labels: { type: labelsType, values } });
}
