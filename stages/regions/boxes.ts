import type { Box } from './detector.ts';

/** Intersection over union of two boxes, in [0, 1]. */
export function intersectionOverUnion(a: Box, b: Box): number {
  const both = intersection(a, b);
  return both === 0 ? 0 : both / (areaOf(a) + areaOf(b) - both);
}

/** How much of the smaller of two boxes lies in the other, in [0, 1]. */
export function containment(a: Box, b: Box): number {
  const both = intersection(a, b);
  return both === 0 ? 0 : both / Math.min(areaOf(a), areaOf(b));
}

/** The box's area, as a fraction of the image's. */
export function areaOf(box: Box): number {
  return Math.max(0, box[2] - box[0]) * Math.max(0, box[3] - box[1]);
}

function intersection(a: Box, b: Box): number {
  const height = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const width = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return height <= 0 || width <= 0 ? 0 : height * width;
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
  return suppress(items, (a, b) => intersectionOverUnion(a, b) >= overlap, most);
}

/**
 * Suppresses as {@link suppressOverlaps} does, and what is part of a kept box, or has one as its part: `part` of the
 * smaller one or more lies in the other. A box of nearly the whole image shows a scene, which things are no parts of.
 */
export function suppressParts<T extends { readonly box: Box; readonly score: number }>(
  items: readonly T[],
  { overlap, part }: { readonly overlap: number; readonly part: number },
): T[] {
  const isThing = (box: Box) => areaOf(box) < sceneArea;
  return suppress(
    items,
    (a, b) =>
      intersectionOverUnion(a, b) >= overlap || (isThing(a) && isThing(b) && containment(a, b) >= part),
  );
}

/** The area, as a fraction of the image's, from which on a box shows a scene. */
const sceneArea = 0.9;

function suppress<T extends { readonly box: Box; readonly score: number }>(
  items: readonly T[],
  clash: (a: Box, b: Box) => boolean,
  most = Number.POSITIVE_INFINITY,
): T[] {
  const byScore = items
    .map((item, index) => ({ item, index }))
    .sort((a, b) => b.item.score - a.item.score || a.index - b.index);
  const kept: T[] = [];
  for (const { item } of byScore) {
    if (kept.length >= most) break;
    if (kept.every((other) => !clash(item.box, other.box))) kept.push(item);
  }
  return kept;
}
