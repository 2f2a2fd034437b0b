import PQueue from 'p-queue';
import { fromFloat16, toFloat16 } from '../models/float16.ts';
import { decodeRgb } from '../models/images.ts';
import { normalizePixels } from '../models/pixels.ts';
import type { Teacher } from '../models/teacher.ts';
import { column, withColumns } from '../schemas/batches.ts';
import { imageBytes } from '../schemas/provenance.ts';
import { embeddingType } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';

/**
 * Adds the teacher's embeddings of the image and of `text`, once and for all: `teacher_image` and `teacher_text`
 * [d], unit length, half precision. Distillation reads them and never runs the teacher. Loses no row.
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
        const texts = column(batch, 'text').toArray() as unknown as string[];
        const images = await teacher.embedImages(input, batch.numRows);
        const type = embeddingType(teacher.dimension);
        yield withColumns(batch, {
          teacher_image: { type, values: rowsOf(images, teacher.dimension) },
          teacher_text: { type, values: rowsOf(await teacher.embedTexts([...texts]), teacher.dimension) },
        });
      }
    },
  };
}

/** Rows that are exact in half precision: Arrow's own rounding halves what lies just below a power of two. */
function rowsOf(flat: Float32Array, d: number): Float32Array[] {
  const rounded = fromFloat16(toFloat16(flat));
  return Array.from({ length: flat.length / d }, (_, i) => rounded.subarray(i * d, (i + 1) * d));
}
