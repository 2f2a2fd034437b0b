import { cropToInput, type RgbImage } from '../../models/images.ts';
import type { Teacher } from '../../models/teacher.ts';
import { suppressOverlaps } from './boxes.ts';
import type { Box, Detection, Detector } from './detector.ts';
import { type ProposalOptions, proposeWindows } from './proposals.ts';

/** Options of {@link createWindowDetector}. */
export interface WindowDetectorOptions extends ProposalOptions {
  /** Boxes that overlap a better one by this or more (intersection over union) are left out. */
  readonly overlap: number;
  /** What is shown around a window, as a fraction of its sides: the teacher has seen things with room about them. */
  readonly context: number;
  /** Added to the teacher's logits. */
  readonly logitShift: number;
  /** Embedded queries that are held for later images. */
  readonly cachedQueries: number;
}

/**
 * The built-in detector: windows of several scales are scored with the teacher's own towers. A window's score for
 * a query is the teacher's probability that they are a pair, sigmoid(scale <x, y> + bias + shift) (SigLIP 2, section 2.1);
 * each window keeps its best query, and overlapping windows are suppressed.
 */
export function createWindowDetector(teacher: Teacher, options: WindowDetectorOptions): Detector {
  const queriesOf = cachedTextEmbeddings(teacher, options.cachedQueries);
  const logitOf = (similarity: number) => teacher.scale * similarity + teacher.bias + options.logitShift;
  return {
    name: 'windows',
    async detect(images, queries) {
      const windows = images.map((image, i) =>
        (queries[i]?.length ?? 0) > 0 ? proposeWindows(image, options) : [],
      );
      const embedded = await embedWindows(teacher, images, windows, options.context);
      const texts = await queriesOf([...new Set(queries.flat())]);
      let next = 0;
      return images.map((_, i) => {
        const found = (windows[i] ?? []).map((box) => {
          const at = next++ * teacher.dimension;
          const window = embedded.subarray(at, at + teacher.dimension);
          return bestQuery(box, window, queries[i] ?? [], texts, logitOf);
        });
        return suppressOverlaps(found, options.overlap);
      });
    },
  };
}

async function embedWindows(
  teacher: Teacher,
  images: readonly RgbImage[],
  windows: readonly Box[][],
  context: number,
): Promise<Float32Array> {
  const side = teacher.imageSize;
  const count = windows.reduce((sum, boxes) => sum + boxes.length, 0);
  const crops = new Float32Array(count * side * side * 3);
  let next = 0;
  images.forEach((image, i) => {
    for (const box of windows[i] ?? []) {
      cropToInput(image, widen(box, context), side, crops, next++ * side * side * 3);
    }
  });
  return teacher.embedImages(crops, count);
}

function widen([ymin, xmin, ymax, xmax]: Box, context: number): Box {
  const [dy, dx] = [(ymax - ymin) * context, (xmax - xmin) * context];
  return [Math.max(0, ymin - dy), Math.max(0, xmin - dx), Math.min(1, ymax + dy), Math.min(1, xmax + dx)];
}

function bestQuery(
  box: Box,
  window: Float32Array,
  queries: readonly string[],
  texts: ReadonlyMap<string, Float32Array>,
  logitOf: (similarity: number) => number,
): Detection {
  let text = '';
  let best = -Infinity;
  for (const query of queries) {
    const embedding = texts.get(query);
    if (embedding === undefined) continue;
    let dot = 0;
    for (let k = 0; k < window.length; k += 1) dot += (window[k] ?? 0) * (embedding[k] ?? 0);
    if (dot > best) {
      best = dot;
      text = query;
    }
  }
  return { box, text, score: 1 / (1 + Math.exp(-logitOf(best))) };
}

/** Embeds the texts it hasn't met lately; holds a bounded number, the oldest given up first. */
function cachedTextEmbeddings(
  teacher: Teacher,
  most: number,
): (texts: readonly string[]) => Promise<ReadonlyMap<string, Float32Array>> {
  const held = new Map<string, Float32Array>();
  return async (texts) => {
    const found = new Map<string, Float32Array>();
    const fresh = texts.filter((text) => !held.has(text));
    const embedded = await teacher.embedTexts(fresh);
    for (const text of texts) {
      const known = held.get(text);
      if (known) found.set(text, known);
    }
    fresh.forEach((text, i) => {
      const embedding = embedded.slice(i * teacher.dimension, (i + 1) * teacher.dimension);
      found.set(text, embedding);
      held.set(text, embedding);
    });
    for (const text of held.keys()) {
      if (held.size <= most) break;
      held.delete(text);
    }
    return found;
  };
}
