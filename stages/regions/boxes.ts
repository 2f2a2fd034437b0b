import type { Box } from './detector.ts';

/** Intersection over union of two boxes, in [0, 1]. */
export function intersectionOverUnion(a: Box, b: Box): number {
  const height = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const width = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (height <= 0 || width <= 0) return 0;
  const both = height * width;
  return both / (areaOf(a) + areaOf(b) - both);
}

/** The box's area, as a fraction of the image's. */
export function areaOf(box: Box): number {
  return Math.max(0, box[2] - box[0]) * Math.max(0, box[3] - box[1]);
}

/**
 * Greedy non-maximum suppression: the best-scored item first, those whose box overlaps a kept one by `overlap` or
 * more (intersection over union) left out, until `most` are kept. Ties go to the earlier item.
 */
export function suppressOverlaps<T extends { readonly box: Box; readonly score: number }>(
  items: readonly T[],
  overlap: number,
  most = Number.POSITIVE_INFINITY,
): T[] {
  const byScore = items
    .map((item, index) => ({ item, index }))
    .sort((a, b) => b.item.score - a.item.score || a.index - b.index);
  const kept: T[] = [];
  for (const { item } of byScore) {
    if (kept.length >= most) break;
    if (kept.every((other) => intersectionOverUnion(item.box, other.box) < overlap)) kept.push(item);
  }
  return kept;
}
