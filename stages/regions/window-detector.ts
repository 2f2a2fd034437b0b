import type { Teacher } from '../../models/teacher.ts';
import { assignQueries, atomsOf } from './assign-queries.ts';
import { suppressParts } from './boxes.ts';
import { dot, embedBoxes } from './crops.ts';
import {
  type Box,
  type Categories,
  type Detection,
  type Detector,
  scaledLogit,
  sigmoid,
} from './detector.ts';
import { type ProposalOptions, proposeBoxes } from './proposals.ts';
import { cachedTextEmbeddings } from './text-embeddings.ts';

/** Options of {@link createWindowDetector}. */
export interface WindowDetectorOptions extends ProposalOptions {
  /** The longer side, in pixels, at which images are looked at. */
  readonly side: number;
  /** Boxes that overlap a better one by this or more (intersection over union) are left out. */
  readonly overlap: number;
  /** Boxes of which this or more lies in a better one, or the other way round, are left out. */
  readonly part: number;
  /** What is shown around a box, as a fraction of its longer side: the teacher has seen things with room about them. */
  readonly context: number;
  /** Added to the teacher's logits. */
  readonly logitShift: number;
  /** What a query that names what another box is called loses, in logits, when it is given to a box. */
  readonly sharedWord: number;
  /** Embedded queries that are held for later images. */
  readonly cachedQueries: number;
}

/**
 * The built-in detector: proposed boxes are scored with the teacher's own towers. A box's score for a query is the
 * teacher's probability that they are a pair, sigmoid(scale <x, y> + bias + shift) (SigLIP 2, section 2.1); of
 * overlapping boxes the best stays, and the boxes that stay are given the queries.
 */
export function createWindowDetector(
  teacher: Teacher,
  options: WindowDetectorOptions,
  categories: Categories,
): Detector {
  const embeddingsOf = cachedTextEmbeddings(teacher, options.cachedQueries);
  const logitOf = (similarity: number) => teacher.scale * similarity + teacher.bias + options.logitShift;
  return {
    name: 'windows',
    side: options.side,
    async detect(images, queries) {
      const proposed = images.map((image, i) =>
        (queries[i]?.length ?? 0) + categories.names.length > 0 ? proposeBoxes(image, options) : [],
      );
      const embedded = await embedBoxes(teacher, images, proposed, options.context);
      const texts = await embeddingsOf([...new Set([...queries.flat(), ...categories.names])]);
      let next = 0;
      return images.map((_, i) => {
        const boxes = proposed[i] ?? [];
        const own = queries[i] ?? [];
        const all = [...own, ...categories.names];
        const logits = new Float32Array(boxes.length * all.length);
        boxes.forEach((_box, b) => {
          const at = next++ * teacher.dimension;
          const image = embedded.subarray(at, at + teacher.dimension);
          all.forEach((text, q) => {
            const logit = logitOf(dot(image, texts.get(text)));
            logits[b * all.length + q] = q < own.length ? logit : scaledLogit(logit, categories.scale);
          });
        });
        return labelBoxes(boxes, own, all, logits, options);
      });
    },
    dispose: async () => {},
  };
}

/** Of overlapping boxes the best; each with its query. `logits` [boxes * queries], n-grams first, then categories. */
function labelBoxes(
  boxes: readonly Box[],
  own: readonly string[],
  all: readonly string[],
  logits: Float32Array,
  options: WindowDetectorOptions,
): Detection[] {
  const scored = boxes.map((box, b) => {
    const row = logits.subarray(b * all.length, (b + 1) * all.length);
    return { box, row, score: row.reduce((most, logit) => Math.max(most, logit), -Infinity) };
  });
  const kept = suppressParts(scored, options);
  // Categories say what there may be anywhere: they are no words of the alt-text that another box could take.
  const atoms = [...atomsOf(own), ...all.slice(own.length).map(() => new Set<number>())];
  const given = assignQueries(
    kept.map(({ row }) => row),
    atoms,
    options.sharedWord,
  );
  return kept
    .map(({ box, row }, i) => {
      const query = given[i] ?? 0;
      return { box, text: all[query] ?? '', score: sigmoid(row[query] ?? 0) };
    })
    .sort((a, b) => b.score - a.score);
}
