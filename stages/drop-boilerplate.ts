import type { RecordBatch } from 'apache-arrow';
import { z } from 'zod';
import { column, withColumns } from '../schemas/batches.ts';
import { curatedTypes, rowTypes } from '../schemas/rows.ts';
import type { Stage, StageContext } from '../schemas/stage.ts';
import { applyVerdicts, type FilterMode, filterModes } from '../schemas/verdicts.ts';
import { drawText } from './texts/draw-text.ts';
import {
  excerpt,
  labelOf,
  named,
  type RemovedText,
  removedTextsType,
  removedValue,
} from './texts/removed-texts.ts';

const stage = 'drop-boilerplate';

/** Options of {@link dropBoilerplate} and of its plan. */
export const dropBoilerplateOptionsSchema = z.strictObject({
  /** `false` counts no texts. */
  enabled: z.boolean().default(true),
  /** `drop` removes boilerplate; `label` keeps it, and says in `labels` what it would have removed. */
  mode: z.enum(filterModes).default('drop'),
  /** Distinct images that a text captions at the least to be boilerplate. */
  images: z.int().min(2).default(50),
  /** The share of the images of its languages that a text captions at the least. */
  share: z.number().min(0).max(1).default(0.001),
  /** The share of one host's images that a text captions there at the least. */
  hostShare: z.number().min(0).max(1).default(0.2),
  /** Words from which the thresholds hold as they are: a text of n words fewer may caption words / n as many. */
  words: z.int().min(1).default(4),
});

/** Options of {@link dropBoilerplate}, with their defaults filled in. */
export type DropBoilerplateOptions = z.infer<typeof dropBoilerplateOptionsSchema>;

/** An alt-text of a row that a plan over the whole data set found to be boilerplate. */
export interface BoilerplateText {
  /** Its index in the row's `alt_texts`. */
  readonly place: number;
  /** Distinct images that it captions, and how many of them make it boilerplate. */
  readonly images: number;
  readonly threshold: number;
  /** The host whose boilerplate it is; null where it is that of the whole data set. */
  readonly host: string | null;
}

/** The boilerplate among the alt-texts of a row group, by row. */
export type BoilerplateOf = (
  shard: string,
  rowGroup: number,
) => Promise<ReadonlyMap<number, readonly BoilerplateText[]>>;

/**
 * Takes the alt-texts that a plan over the whole data set calls boilerplate out of their rows, or labels them. `text`
 * is drawn anew, by key and seed, from those that are left; a row without one is dropped as `boilerplate`. The plan is
 * asked once a row group.
 */
export function dropBoilerplate(
  boilerplateOf: BoilerplateOf,
  { mode, seed }: { readonly mode: FilterMode; readonly seed: number | string },
): Stage {
  return {
    name: stage,
    async *run(batches, context) {
      let held = { of: '', rows: new Map() as ReadonlyMap<number, readonly BoilerplateText[]> };
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const [shards, groups] = [column(batch, 'shard'), column(batch, 'row_group')];
        const rows = column(batch, 'row');
        const found: (readonly BoilerplateText[])[] = [];
        for (let i = 0; i < batch.numRows; i += 1) {
          const of = `${groups.get(i)}\u0000${shards.get(i)}`;
          if (of !== held.of) held = { of, rows: await boilerplateOf(shards.get(i), groups.get(i)) };
          found.push(held.rows.get(rows.get(i)) ?? []);
        }
        // Every batch is given the same columns, also one in which there is nothing to do.
        const left = apply(batch, found, mode, seed, context);
        if (left !== null) yield left;
      }
    },
  };
}

function apply(
  batch: RecordBatch,
  found: readonly (readonly BoilerplateText[])[],
  mode: FilterMode,
  seed: number | string,
  context: StageContext,
): RecordBatch | null {
  const isUntouched = mode === 'drop' && found.every((texts) => texts.length === 0);
  if (isUntouched && batch.getChild('removed_texts') !== null) return batch;
  const lists = Array.from(column(batch, 'alt_texts'), (texts) => Array.from(texts as Iterable<string>));
  const removed = lists.map((texts, i) =>
    (found[i] ?? []).map((one) => removedText(texts[one.place] ?? '', one)),
  );
  if (mode === 'label') {
    const labels = removed.map((texts) => named(texts).map(labelOf));
    return applyVerdicts(batch, labels, { stage, mode }, context);
  }
  const rows = lists.map((texts, i) => {
    const places = new Set((found[i] ?? []).map(({ place }) => place));
    return { texts: texts.filter((_, place) => !places.has(place)), removed: removed[i] ?? [] };
  });
  const isOut = (row: (typeof rows)[number]) => row.texts.length === 0 && row.removed.length > 0;
  const verdicts = rows.map((row) =>
    isOut(row)
      ? { reason: 'boilerplate', value: removedValue(row.removed), threshold: '1 alt-text' }
      : undefined,
  );
  const kept = applyVerdicts(batch, verdicts, { stage, mode }, context);
  if (kept === null) return null;
  const left = rows.filter((row) => !isOut(row));
  const before = Array.from(kept.getChild('removed_texts') ?? [], (texts) => [...(texts ?? [])]);
  const [keys, drawn] = [column(kept, 'key'), column(kept, 'text')];
  return withColumns(kept, {
    alt_texts: { type: rowTypes.alt_texts, values: left.map(({ texts }) => texts) },
    text: {
      type: curatedTypes.text,
      values: left.map(({ texts, removed: lost }, i) =>
        lost.length === 0 ? drawn.get(i) : drawText(texts, String(keys.get(i)), seed),
      ),
    },
    removed_texts: {
      type: removedTextsType,
      values: left.map(({ removed: lost }, i) => [...(before[i] ?? []), ...named(lost)]),
    },
  });
}

function removedText(text: string, { images, threshold, host }: BoilerplateText): RemovedText {
  const of = host === null ? 'images' : `images of ${host}`;
  return {
    text: excerpt(text),
    reason: 'boilerplate',
    value: `${images} ${of}`,
    threshold: `${threshold} ${of}`,
  };
}
