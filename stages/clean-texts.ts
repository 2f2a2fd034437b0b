import type { Field, RecordBatch } from 'apache-arrow';
import { z } from 'zod';
import { column, columnData, dataOf, withColumns } from '../schemas/batches.ts';
import { missingData } from '../schemas/parquet-reader/arrow-columns.ts';
import { rowTypes } from '../schemas/rows.ts';
import type { Stage, StageContext } from '../schemas/stage.ts';
import { createTextBuilder, listsOf, type TextLists, textLists } from '../schemas/text-columns.ts';
import { applyVerdicts, type FilterMode, filterModes, type Verdict } from '../schemas/verdicts.ts';
import { drawText } from './texts/draw-text.ts';
import { type JudgeOptions, judgeText, textFilters } from './texts/judge-text.ts';
import { createIsPlain, type IsPlain } from './texts/plain-text.ts';
import {
  excerpt,
  labelOf,
  named,
  type RemovedText,
  removedTextsType,
  removedValue,
} from './texts/removed-texts.ts';

const stage = 'clean-texts';

/** Settings of {@link cleanTexts}. */
export const cleanTextsOptionsSchema = z.strictObject({
  /** Seeds the draw of the alt-text that trains. */
  seed: z.union([z.number(), z.string()]).default(0),
  /** `drop` removes unwanted texts; `label` cleans and keeps them, and says in `labels` what it would have removed. */
  mode: z.enum(filterModes).default('drop'),
  /** Fewest characters of an alt-text; an ideograph, kana or Hangul syllable counts for two. */
  minCharacters: z.int().min(1).default(2),
  /** Most characters of an alt-text. */
  maxCharacters: z.int().min(1).max(1_000_000).default(1000),
  /** Fewest words of an alt-text; scripts without spaces are cut into words by dictionaries. */
  minWords: z.int().min(1).default(1),
  /** The largest share of an alt-text's words, or of its 5-grams of characters, that may stand in it before. */
  maxRepetition: z.number().min(0).max(1).default(0.65),
  /** Most alt-texts kept a row, the first ones. */
  maxTexts: z.int().min(1).default(5),
  /** Further texts that are boilerplate on their own (a site's name, say), in any case. */
  boilerplate: z.array(z.string()).default([]),
  /** The filters that count; a text of nothing is removed in any case. */
  filters: z.array(z.enum(textFilters)).default([...textFilters]),
});

/** Settings of {@link cleanTexts}, defaults filled in. */
export type CleanTextsOptions = z.infer<typeof cleanTextsOptionsSchema>;

/** A row's alt-texts that stay, and those that are not wanted, each with its reason. */
export interface RowTexts {
  readonly texts: readonly string[];
  /** How many of the texts nothing is wrong with. */
  readonly wanted: number;
  readonly unwanted: readonly RemovedText[];
}

/**
 * Judges each alt-text of a row on its own and leaves out repeats (compared without regard to case). Null texts are
 * passed over; a null list is a row without texts. Where the filter only labels, unwanted texts stay among the others
 * unless there is nothing of them.
 */
export function cleanRow(
  texts: Iterable<string | null> | null,
  options: JudgeOptions & { readonly maxTexts: number; readonly mode: FilterMode },
): RowTexts {
  const kept = new Map<string, string>();
  const unwanted: RemovedText[] = [];
  let wanted = 0;
  for (const raw of texts ?? []) {
    if (raw === null) continue;
    const { text, fault } = judgeText(raw, options);
    if (fault !== undefined) unwanted.push({ text: excerpt(raw), ...fault });
    if (text === '' || (fault !== undefined && options.mode === 'drop')) continue;
    const name = text.toLowerCase();
    if (kept.size >= options.maxTexts || kept.has(name)) continue;
    kept.set(name, text);
    if (fault === undefined) wanted += 1;
  }
  return { texts: [...kept.values()], wanted, unwanted };
}

/**
 * Cleans the column `alt_texts`, and adds `text`: one alt-text of the row, drawn by key and seed. A row that has no
 * alt-text left is dropped as `no-alt-text`, with the reasons of its texts; what a kept row lost stands in its
 * `removed_texts`. Where the filter only labels, every row stays, and `text` is empty where it has no text at all.
 * Reads `key`; a batch without `alt_texts` has rows without texts.
 */
export function cleanTexts(options: CleanTextsOptions): Stage {
  const isPlain = createIsPlain(options);
  return {
    name: stage,
    async *run(batches, context) {
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const rows = cleanBatch(batch, options, isPlain);
        const cleaned =
          options.mode === 'label'
            ? labelled(batch, rows, options, context)
            : dropped(batch, rows, options, context);
        if (cleaned !== null && cleaned.numRows > 0) yield cleaned;
      }
    },
  };
}

/** A row's place among its batch's texts where its one text is plain and stays as it is, and else what was made of it. */
type CleanedRow = number | RowTexts;

function cleanBatch(batch: RecordBatch, options: CleanTextsOptions, isPlain: IsPlain): CleanedRow[] {
  const lists = altTextsOf(batch);
  return Array.from({ length: batch.numRows }, (_, row) => {
    if (lists === null) return cleanRow(null, options);
    const only = lists.only(row);
    const isKept = only >= 0 && isPlain(lists.bytes, lists.offsets[only] ?? 0, lists.offsets[only + 1] ?? 0);
    return isKept ? only : cleanRow(lists.texts(row), options);
  });
}

function altTextsOf(batch: RecordBatch): TextLists | null {
  return batch.getChild('alt_texts') === null ? null : textLists(columnData(batch, 'alt_texts'));
}

function verdictOf(row: CleanedRow): Verdict | undefined {
  if (typeof row === 'number' || row.wanted > 0) return undefined;
  return { reason: 'no-alt-text', value: removedValue(row.unwanted), threshold: '1 alt-text' };
}

const unwantedOf = (row: CleanedRow) => (typeof row === 'number' ? [] : named(row.unwanted));

function dropped(
  batch: RecordBatch,
  rows: readonly CleanedRow[],
  options: CleanTextsOptions,
  context: StageContext,
): RecordBatch | null {
  const kept = applyVerdicts(batch, rows.map(verdictOf), { stage, mode: 'drop' }, context);
  if (kept === null) return null;
  const left = rows.filter((row) => typeof row === 'number' || row.wanted > 0);
  const removed = left.map(unwantedOf);
  const ends = new Int32Array(left.length + 1);
  removed.forEach((texts, i) => {
    ends[i + 1] = (ends[i] ?? 0) + texts.length;
  });
  const items = removed.flat();
  const { type } = removedTextsType.children[0] as Field;
  const itemsData = items.length > 0 ? dataOf(type, items) : missingData(type, 0);
  return withColumns(withTexts(kept, left, altTextsOf(batch), options), {
    removed_texts: listsOf(removedTextsType, ends, itemsData),
  });
}

function labelled(
  batch: RecordBatch,
  rows: readonly CleanedRow[],
  options: CleanTextsOptions,
  context: StageContext,
): RecordBatch | null {
  const verdicts = rows.map((row) => {
    const whole = verdictOf(row);
    return [...unwantedOf(row).map(labelOf), ...(whole === undefined ? [] : [whole])];
  });
  const cleaned = withTexts(batch, rows, altTextsOf(batch), options);
  return applyVerdicts(cleaned, verdicts, { stage, mode: 'label' }, context);
}

/** The batch with its cleaned `alt_texts` and its `text`; `source` holds the texts that stay as they are. */
function withTexts(
  batch: RecordBatch,
  rows: readonly CleanedRow[],
  source: TextLists | null,
  { seed }: CleanTextsOptions,
): RecordBatch {
  const keys = column(batch, 'key');
  const bytes = source?.size ?? 0;
  const altTexts = createTextBuilder(rows.length, bytes);
  const drawn = createTextBuilder(rows.length, bytes);
  rows.forEach((row, i) => {
    if (typeof row !== 'number') {
      for (const text of row.texts) altTexts.addText(text);
      drawn.addText(row.texts.length > 0 ? drawText(row.texts, String(keys.get(i)), seed) : '');
    } else if (source !== null) {
      const [from, to] = [source.offsets[row] ?? 0, source.offsets[row + 1] ?? 0];
      altTexts.addBytes(source.bytes, from, to);
      drawn.addBytes(source.bytes, from, to);
    }
    altTexts.endList();
  });
  return withColumns(batch, { alt_texts: altTexts.lists(rowTypes.alt_texts), text: drawn.texts() });
}
