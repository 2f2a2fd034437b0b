import type { RgbImage } from '../../models/images.ts';
import { findForeground } from './background.ts';
import { suppressOverlaps } from './boxes.ts';
import type { Box } from './detector.ts';
import { proposeSegments } from './segments.ts';

/** Options of {@link proposeBoxes}. */
export interface ProposalOptions {
  /** Sides of the windows, as fractions of the image's shorter side. */
  readonly scales: readonly number[];
  /** The step between windows, as a fraction of their side. */
  readonly stride: number;
  /** Boxes proposed at the most, the whole image aside. */
  readonly most: number;
}

/** Two windows nearer than this (intersection over union) are one proposal. */
const sameWindow = 0.6;
/** How a window's contours are weighed against its perimeter: Edge Boxes' kappa. */
const perimeterPower = 1.5;

/**
 * The boxes of an image that may each show one thing: what stands out where the background is plain, windows where it
 * isn't. A blank image has one, the whole of it.
 */
export function proposeBoxes(image: RgbImage, options: ProposalOptions): Box[] {
  const foreground = findForeground(image);
  const segments = foreground === null ? [] : proposeSegments(foreground, options.most);
  return segments.length > 0 ? segments : proposeWindows(image, options);
}

/**
 * Chooses the windows of several scales that look most like whole things: many contours inside, few that cross the
 * border; after Edge Boxes (Zitnick and Dollár, ECCV 2014), over gradients instead of grouped edges. Each is then
 * drawn in to its contours. The whole image comes first; a blank image has nothing else.
 */
export function proposeWindows(image: RgbImage, options: ProposalOptions): Box[] {
  const whole: Box = [0, 0, 1, 1];
  const edges = gradientSums(image);
  const { width, height } = image;
  const total = sumOf(edges, width, 0, 0, height, width);
  if (total <= 0) return [whole];
  const candidates: { box: Box; score: number }[] = [];
  for (const scale of options.scales) {
    const side = Math.max(4, Math.round(scale * Math.min(width, height)));
    const step = Math.max(1, Math.round(side * options.stride));
    for (const y of positions(height, side, step)) {
      for (const x of positions(width, side, step)) {
        const score = contourScore(edges, width, height, y, x, side);
        if (score > 0) {
          const box: Box = [y / height, x / width, (y + side) / height, (x + side) / width];
          candidates.push({ box, score });
        }
      }
    }
  }
  const kept = suppressOverlaps(candidates, sameWindow, options.most);
  return [whole, ...kept.map(({ box }) => tighten(edges, width, height, box))];
}

function positions(length: number, side: number, step: number): number[] {
  const all: number[] = [];
  for (let at = 0; at + side <= length; at += step) all.push(at);
  if (length > side && all.at(-1) !== length - side) all.push(length - side);
  return all;
}

/** Contours inside the window less twice those on its border ring, over its perimeter to the power of 1.5. */
function contourScore(
  edges: Float64Array,
  width: number,
  height: number,
  y: number,
  x: number,
  side: number,
): number {
  const ring = Math.max(1, Math.round(side * 0.06));
  const inner = sumOf(edges, width, y + ring, x + ring, y + side - ring, x + side - ring);
  const outer = sumOf(
    edges,
    width,
    Math.max(0, y - ring),
    Math.max(0, x - ring),
    Math.min(height, y + side + ring),
    Math.min(width, x + side + ring),
  );
  return (inner - 2 * (outer - inner)) / (4 * side) ** perimeterPower;
}

/** Draws each side in while the strip it gives up holds next to none of the window's contours. */
function tighten(edges: Float64Array, width: number, height: number, box: Box): Box {
  let [top, left, bottom, right] = [
    Math.round(box[0] * height),
    Math.round(box[1] * width),
    Math.round(box[2] * height),
    Math.round(box[3] * width),
  ];
  const faint = sumOf(edges, width, top, left, bottom, right) * 0.004;
  while (bottom - top > 4 && sumOf(edges, width, top, left, top + 1, right) < faint) top += 1;
  while (bottom - top > 4 && sumOf(edges, width, bottom - 1, left, bottom, right) < faint) bottom -= 1;
  while (right - left > 4 && sumOf(edges, width, top, left, bottom, left + 1) < faint) left += 1;
  while (right - left > 4 && sumOf(edges, width, top, right - 1, bottom, right) < faint) right -= 1;
  return [top / height, left / width, bottom / height, right / width];
}

/** Integral image [height + 1, width + 1] of the gradient's size, noise and slow shading left out. */
function gradientSums(image: RgbImage): Float64Array {
  const { pixels, width, height } = image;
  const sums = new Float64Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y += 1) {
    let line = 0;
    for (let x = 0; x < width; x += 1) {
      const at = (y * width + x) * 3;
      const right = x + 1 < width ? at + 3 : at;
      const below = y + 1 < height ? at + width * 3 : at;
      let size = 0;
      for (let c = 0; c < 3; c += 1) {
        const value = pixels[at + c] ?? 0;
        size += Math.abs((pixels[right + c] ?? 0) - value) + Math.abs((pixels[below + c] ?? 0) - value);
      }
      line += Math.max(0, size - quietGradient);
      sums[(y + 1) * (width + 1) + x + 1] = (sums[y * (width + 1) + x + 1] ?? 0) + line;
    }
  }
  return sums;
}

/** The sum of the channels' differences that noise, compression and gradients make: not a contour. */
const quietGradient = 48;

function sumOf(
  sums: Float64Array,
  width: number,
  top: number,
  left: number,
  bottom: number,
  right: number,
): number {
  const row = width + 1;
  return (
    (sums[bottom * row + right] ?? 0) -
    (sums[top * row + right] ?? 0) -
    (sums[bottom * row + left] ?? 0) +
    (sums[top * row + left] ?? 0)
  );
}
