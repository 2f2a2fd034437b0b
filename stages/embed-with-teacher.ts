import type { RecordBatch, Vector } from 'apache-arrow';
import PQueue from 'p-queue';
import { fromFloat16, toFloat16 } from '../models/float16.ts';
import { decodeRgb } from '../models/images.ts';
import { normalizePixels } from '../models/pixels.ts';
import type { Teacher } from '../models/teacher.ts';
import { column, withColumns } from '../schemas/batches.ts';
import { imageBytes } from '../schemas/provenance.ts';
import { curatedTypes, embeddingType } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';

/**
 * Adds the teacher's embeddings of the image and of `text`, once and for all: `teacher_image` and `teacher_text`
 * [d], unit length, half precision. Distillation reads them and never runs the teacher. Adds what the teacher makes of the texts as well: `text_scores`,
 * the cosine similarity of the image and each of `alt_texts`, and `text_score`, that of `text`. Loses no row.
 */
export function embedWithTeacher(
  teacher: Teacher,
  options: { readonly concurrency: number; readonly maxPixels: number },
): Stage {
  return {
    name: 'embed-with-teacher',
    async *run(batches, context) {
      const queue = new PQueue({ concurrency: options.concurrency });
      const side = teacher.imageSize;
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const input = new Float32Array(batch.numRows * side * side * 3);
        await queue.addAll(
          Array.from({ length: batch.numRows }, (_, i) => async () => {
            const size = { width: side, height: side };
            const pixels = await decodeRgb(imageBytes(batch, i), size, options.maxPixels);
            input.set(normalizePixels(pixels), i * side * side * 3);
          }),
        );
        const images = await teacher.embedImages(input, batch.numRows);
        const texts = [...(column(batch, 'text') as Iterable<string>)];
        const lists = altTextsOf(batch);
        const embeddingOf = await embedAll(teacher, [...texts, ...lists.flat()]);
        const d = teacher.dimension;
        const scoreOf = (row: number, text: string) =>
          similarity(images.subarray(row * d, (row + 1) * d), embeddingOf(text));
        const drawn = new Float32Array(texts.length * d);
        texts.forEach((text, row) => {
          drawn.set(embeddingOf(text), row * d);
        });
        const type = embeddingType(d);
        yield withColumns(batch, {
          teacher_image: { type, values: rowsOf(images, d) },
          teacher_text: { type, values: rowsOf(drawn, d) },
          text_scores: {
            type: curatedTypes.text_scores,
            values: lists.map((list, row) => list.map((text) => scoreOf(row, text))),
          },
          text_score: { type: curatedTypes.text_score, values: texts.map((text, row) => scoreOf(row, text)) },
        });
      }
    },
  };
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

function similarity(image: Float32Array, text: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < image.length; k += 1) sum += (image[k] ?? 0) * (text[k] ?? 0);
  return sum;
}

/** Rows that are exact in half precision: Arrow's own rounding halves what lies just below a power of two. */
function rowsOf(flat: Float32Array, d: number): Float32Array[] {
  const rounded = fromFloat16(toFloat16(flat));
  return Array.from({ length: flat.length / d }, (_, i) => rounded.subarray(i * d, (i + 1) * d));
}
