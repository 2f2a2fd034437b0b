import { cropToInput, type RgbImage } from '../../models/images.ts';
import type { Teacher } from '../../models/teacher.ts';
import type { Box } from './detector.ts';

/** Embeds boxes of images with some room around each: unit rows [boxes of all images * d], in their order. */
export async function embedBoxes(
  teacher: Teacher,
  images: readonly RgbImage[],
  proposed: readonly Box[][],
  context: number,
): Promise<Float32Array> {
  const side = teacher.imageSize;
  const count = proposed.reduce((sum, boxes) => sum + boxes.length, 0);
  const crops = new Float32Array(count * side * side * 3);
  let next = 0;
  images.forEach((image, i) => {
    for (const box of proposed[i] ?? []) {
      cropToInput(image, squareAround(box, image, context), side, crops, next++ * side * side * 3);
    }
  });
  return teacher.embedImages(crops, count);
}

/** A square around the box and some room, so that its shape is kept; cut, or moved inside, where it leaves the image. */
export function squareAround(
  box: Box,
  { width, height }: Pick<RgbImage, 'width' | 'height'>,
  context: number,
): Box {
  const side = Math.max((box[2] - box[0]) * height, (box[3] - box[1]) * width) * (1 + 2 * context);
  const [top, bottom] = spanAround((box[0] + box[2]) / 2, side / height);
  const [left, right] = spanAround((box[1] + box[3]) / 2, side / width);
  return [top, left, bottom, right];
}

function spanAround(middle: number, length: number): [from: number, to: number] {
  if (length >= 1) return [0, 1];
  const from = Math.max(0, Math.min(1 - length, middle - length / 2));
  return [from, from + length];
}

/** The inner product of two rows of one length: of unit rows, their cosine. */
export function dot(a: Float32Array, b: Float32Array | undefined): number {
  let sum = 0;
  for (let k = 0; k < a.length; k += 1) sum += (a[k] ?? 0) * (b?.[k] ?? 0);
  return sum;
}
