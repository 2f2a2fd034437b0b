import type { RecordBatch, Vector } from 'apache-arrow';
import PQueue from 'p-queue';
import { fromFloat16, toFloat16 } from '../models/float16.ts';
import { decodeRgbWithin } from '../models/images.ts';
import { embedEncoded, type Teacher } from '../models/teacher.ts';
import { column, withColumns } from '../schemas/batches.ts';
import { imageBytes } from '../schemas/provenance.ts';
import { curatedTypes, embeddingType } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';
import { dot } from './regions/crops.ts';
import { createPartSimilarity, type PartOptions } from './scores/part-similarity.ts';

/** Options of {@link embedWithTeacher}. */
export interface EmbedOptions {
  readonly concurrency: number;
  readonly maxPixels: number;
  /** What the similarity to the image's parts weighs in a score, in [0, 1], the cosine with the whole the rest. */
  readonly partWeight?: number;
  /** How images are parted; needed for a weight over 0. */
  readonly parts?: PartOptions & { readonly side: number };
}

/**
 * Adds the teacher's embeddings of the image and of `text`, once and for all: `teacher_image` and `teacher_text`
 * [d], unit length, half precision. Distillation reads them and never runs the teacher. Adds what the teacher makes of
 * the texts as well: `text_scores`, the similarity of the image and each of `alt_texts`, and `text_score`, that of
 * `text`: the cosine, in part that of the image's parts where these have a weight. A batch that has it all, for its
 * texts as they stand, goes on as it is. Loses no row.
 */
export function embedWithTeacher(teacher: Teacher, options: EmbedOptions): Stage {
  const { partWeight = 0, parts } = options;
  const partSimilarity = partWeight > 0 && parts ? createPartSimilarity(teacher, parts) : null;
  return {
    name: 'embed-with-teacher',
    async *run(batches, context) {
      const queue = new PQueue({ concurrency: options.concurrency });
      const d = teacher.dimension;
      const type = embeddingType(d);
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        if (isScored(batch)) {
          yield batch;
          continue;
        }
        const rows = Array.from({ length: batch.numRows }, (_, row) => row);
        const images = await embedEncoded(
          teacher,
          rows.map((row) => imageBytes(batch, row)),
          options,
        );
        const texts = [...(column(batch, 'text') as Iterable<string>)];
        // The text that trains is one of the row's, but nothing makes sure of it.
        const lists = altTextsOf(batch).map((list, row) => [...list, texts[row] ?? '']);
        const embeddingOf = await embedAll(teacher, lists.flat());
        let scores = lists.map((list, row) =>
          list.map((text) => dot(images.subarray(row * d, (row + 1) * d), embeddingOf(text))),
        );
        if (partSimilarity && parts) {
          const decoded = await queue.addAll(
            rows.map((row) => () => decodeRgbWithin(imageBytes(batch, row), parts.side, options.maxPixels)),
          );
          const languages = column(batch, 'language');
          const ofParts = await partSimilarity(
            decoded.map((image, row) => ({ image, texts: lists[row] ?? [], language: languages.get(row) })),
          );
          const mixed = (whole: number, part: number) => (1 - partWeight) * whole + partWeight * part;
          scores = scores.map((list, row) =>
            list.map((score, i) => mixed(score, ofParts[row]?.[i] ?? score)),
          );
        }
        const drawn = new Float32Array(texts.length * d);
        texts.forEach((text, row) => {
          drawn.set(embeddingOf(text), row * d);
        });
        yield withColumns(batch, {
          teacher_image: { type, values: rowsOf(images, d) },
          teacher_text: { type, values: rowsOf(drawn, d) },
          text_scores: { type: curatedTypes.text_scores, values: scores.map((list) => list.slice(0, -1)) },
          text_score: { type: curatedTypes.text_score, values: scores.map((list) => list.at(-1)) },
        });
      }
    },
  };
}

/** Whether every row has a score for each of its alt-texts, and that of its text: none was taken away since. */
function isScored(batch: RecordBatch): boolean {
  const [lists, scores] = [batch.getChild('text_scores'), batch.getChild('text_score')];
  if (lists === null || scores === null) return false;
  const texts = column(batch, 'text');
  return altTextsOf(batch).every((alt, row) => {
    const list = [...((lists.get(row) as Vector | null) ?? [])];
    return list.length === alt.length && list[alt.indexOf(texts.get(row))] === scores.get(row);
  });
}

function altTextsOf(batch: RecordBatch): string[][] {
  const lists = batch.getChild('alt_texts');
  return Array.from(
    { length: batch.numRows },
    (_, row) => [...((lists?.get(row) as Vector | null) ?? [])] as string[],
  );
}

/** Embeds each different text once; answers a text's unit row [d]. */
async function embedAll(teacher: Teacher, texts: readonly string[]): Promise<(text: string) => Float32Array> {
  const places = new Map<string, number>();
  for (const text of texts) if (!places.has(text)) places.set(text, places.size);
  const rows = await teacher.embedTexts([...places.keys()]);
  return (text) => {
    const at = (places.get(text) ?? 0) * teacher.dimension;
    return rows.subarray(at, at + teacher.dimension);
  };
}

/** Rows that are exact in half precision: Arrow's own rounding halves what lies just below a power of two. */
function rowsOf(flat: Float32Array, d: number): Float32Array[] {
  const rounded = fromFloat16(toFloat16(flat));
  return Array.from({ length: flat.length / d }, (_, i) => rounded.subarray(i * d, (i + 1) * d));
}
