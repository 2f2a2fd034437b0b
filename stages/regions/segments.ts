import type { Foreground } from './background.ts';
import { areaOf, intersectionOverUnion } from './boxes.ts';
import type { Box } from './detector.ts';

/** Gaps across which parts are one thing, as fractions of the image's shorter side: a proposal for each. */
const gaps = [0, 0.012, 0.025, 0.05];
/** Sides, as a fraction of the image's shorter side, under which a thing is a speck. */
const speck = 0.06;
/** Two segments as alike as this (intersection over union) are one proposal. */
const sameSegment = 0.85;

interface Part {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/**
 * Boxes of what stands out from the background: connected parts, and parts joined across small gaps, since a thing may
 * be drawn in pieces. At most `most`, the larger ones first.
 */
export function proposeSegments(foreground: Foreground, most: number): Box[] {
  const { width, height } = foreground;
  const shorter = Math.min(width, height);
  let parts = connectedParts(foreground);
  const boxes: Box[] = [];
  for (const gap of gaps) {
    parts = joinParts(parts, gap * shorter);
    for (const { top, left, bottom, right } of parts) {
      if (Math.max(bottom - top, right - left) < speck * shorter) continue;
      const box: Box = [top / height, left / width, bottom / height, right / width];
      if (boxes.every((other) => intersectionOverUnion(box, other) < sameSegment)) boxes.push(box);
    }
  }
  return boxes.sort((a, b) => areaOf(b) - areaOf(a)).slice(0, most);
}

/** Boxes around the mask's 8-connected parts of more than a few pixels. */
function connectedParts({ mask, width, height }: Foreground): Part[] {
  const seen = new Uint8Array(mask.length);
  const stack: number[] = [];
  const parts: Part[] = [];
  for (let start = 0; start < mask.length; start += 1) {
    if (mask[start] === 0 || seen[start] === 1) continue;
    let [top, left, bottom, right, count] = [height, width, 0, 0, 0];
    stack.push(start);
    seen[start] = 1;
    while (stack.length > 0) {
      const at = stack.pop() as number;
      const [x, y] = [at % width, Math.floor(at / width)];
      count += 1;
      [top, left] = [Math.min(top, y), Math.min(left, x)];
      [bottom, right] = [Math.max(bottom, y + 1), Math.max(right, x + 1)];
      for (let dy = -1; dy <= 1; dy += 1) {
        for (let dx = -1; dx <= 1; dx += 1) {
          const [nx, ny] = [x + dx, y + dy];
          const next = ny * width + nx;
          if (nx < 0 || ny < 0 || nx >= width || ny >= height) continue;
          if (mask[next] === 1 && seen[next] === 0) {
            seen[next] = 1;
            stack.push(next);
          }
        }
      }
    }
    if (count >= 4) parts.push({ top, left, bottom, right });
  }
  return parts;
}

/** Joins parts whose boxes are within `gap` pixels of each other, until none are. */
function joinParts(parts: readonly Part[], gap: number): Part[] {
  let joined = [...parts];
  for (let changed = true; changed; ) {
    changed = false;
    const next: Part[] = [];
    for (const part of joined) {
      const at = next.findIndex((other) => distance(part, other) <= gap);
      if (at < 0) next.push(part);
      else {
        next[at] = around(next[at] as Part, part);
        changed = true;
      }
    }
    joined = next;
  }
  return joined;
}

function distance(a: Part, b: Part): number {
  return Math.max(0, a.top - b.bottom, b.top - a.bottom, a.left - b.right, b.left - a.right);
}

function around(a: Part, b: Part): Part {
  return {
    top: Math.min(a.top, b.top),
    left: Math.min(a.left, b.left),
    bottom: Math.max(a.bottom, b.bottom),
    right: Math.max(a.right, b.right),
  };
}
