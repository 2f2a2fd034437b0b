import type { RecordBatch, Vector } from 'apache-arrow';
import { z } from 'zod';
import { column, indicesWhere, takeRows, withColumns } from '../schemas/batches.ts';
import { hashUniform } from '../schemas/random.ts';
import { curatedTypes, rowTypes } from '../schemas/rows.ts';
import type { Stage, StageContext } from '../schemas/stage.ts';
import { type JudgeOptions, judgeText } from './texts/judge-text.ts';

const stageName = 'clean-texts';

/** Settings of {@link cleanTexts}. */
export const cleanTextsOptionsSchema = z.strictObject({
  /** Seeds the draw of the alt-text that trains. */
  seed: z.union([z.number(), z.string()]).default(0),
  /** Fewest characters of an alt-text; an ideograph, kana or Hangul syllable counts for two. */
  minCharacters: z.int().min(1).default(2),
  /** Most characters of an alt-text. */
  maxCharacters: z.int().min(1).default(1000),
  /** Most alt-texts kept a row, the first ones. */
  maxTexts: z.int().min(1).default(5),
  /** Further texts that are boilerplate on their own (a site's name, say), in any case. */
  boilerplate: z.array(z.string()).default([]),
});

/** Settings of {@link cleanTexts}, defaults filled in. */
export type CleanTextsOptions = z.infer<typeof cleanTextsOptionsSchema>;

/** A row's alt-texts that stay, or, where none does, what was wrong with each. */
export interface RowTexts {
  readonly texts: readonly string[];
  /** `reason: text` of the rejected ones, one after another, each text cut to 80 characters. */
  readonly rejected: string;
}

/**
 * Judges each alt-text of a row on its own and leaves out repeats (compared without regard to case).
 * Null texts are passed over; a null list is a row without texts.
 */
export function cleanRow(
  texts: Iterable<string | null> | null,
  options: JudgeOptions & { readonly maxTexts: number },
): RowTexts {
  const kept = new Map<string, string>();
  const rejected: string[] = [];
  for (const raw of texts ?? []) {
    if (raw === null) continue;
    const judged = judgeText(raw, options);
    if ('reason' in judged)
      rejected.push(`${judged.reason}: ${[...raw.slice(0, 160)].slice(0, 80).join('')}`);
    else if (kept.size < options.maxTexts && !kept.has(judged.text.toLowerCase()))
      kept.set(judged.text.toLowerCase(), judged.text);
  }
  return { texts: [...kept.values()], rejected: rejected.join('; ') || 'the row has no alt-texts' };
}

/** One of the texts, drawn by the row's key and the seed, whatever the order of rows. Throws when there is none. */
export function drawText(texts: readonly string[], key: string, seed: number | string): string {
  const text = texts[Math.floor(hashUniform(key, seed) * texts.length)];
  if (text === undefined) throw new Error(`row ${key} has no alt-text to draw from`);
  return text;
}

/**
 * Cleans the column `alt_texts`, and adds `text`: one alt-text of the row, drawn by key and seed. A row that
 * has no alt-text left is dropped as `no-alt-text`, with the reasons of its texts. Reads `key`; a batch
 * without `alt_texts` loses all its rows so.
 */
export function cleanTexts(options: CleanTextsOptions): Stage {
  return {
    name: stageName,
    async *run(batches, context) {
      for await (const batch of batches) {
        const cleaned = cleanBatch(batch, options, context);
        if (cleaned.numRows > 0) yield cleaned;
      }
    },
  };
}

function cleanBatch(batch: RecordBatch, options: CleanTextsOptions, context: StageContext): RecordBatch {
  const keys = column(batch, 'key');
  const altTexts = batch.getChild('alt_texts') as Vector | null;
  const mask = new Uint8Array(batch.numRows);
  const lists: (readonly string[])[] = [];
  const drawn: string[] = [];
  for (let row = 0; row < batch.numRows; row += 1) {
    const key = String(keys.get(row));
    const { texts, rejected } = cleanRow(altTexts?.get(row) as Iterable<string | null> | null, options);
    if (texts.length === 0) {
      context.drop({ key, stage: stageName, reason: 'no-alt-text', value: rejected });
      continue;
    }
    mask[row] = 1;
    lists.push(texts);
    drawn.push(drawText(texts, key, options.seed));
  }
  const kept = lists.length === batch.numRows ? batch : takeRows(batch, indicesWhere(mask));
  return withColumns(kept, {
    alt_texts: { type: rowTypes.alt_texts, values: lists },
    text: { type: curatedTypes.text, values: drawn },
  });
}
