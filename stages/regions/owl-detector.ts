import { z } from 'zod';
import type { RgbImage } from '../../models/images.ts';
import type { OwlModel } from '../../models/owl/model.ts';
import { type OwlPixels, owlPixels } from '../../models/owl/pixels.ts';
import { type Box, type Categories, type Detection, type Detector, sigmoid } from './detector.ts';

/** The seven prompts of CLIP that work best together, which OWL-ViT ensembles. */
const sevenPrompts = [
  'itap of a {}.',
  'a bad photo of the {}.',
  'a origami {}.',
  'a photo of the large {}.',
  'a {} in a video game.',
  'art of the {}.',
  'a photo of the small {}.',
];

const prompt = z.string().refine((text) => text.includes('{}'), 'a prompt has {} where the query goes');

/** Options of {@link createOwlDetector}. */
export const owlDetectorOptionsSchema = z.strictObject({
  /** What a query is put into; the logits of several are averaged. `clip-7`: seven prompts, and seven times the cost. */
  prompts: z.union([z.literal('clip-7'), z.array(prompt).nonempty()]).default(['{}']),
  /** Boxes kept an image at the most, the best. */
  boxes: z.int().positive().default(100),
  /** Queries a run of the model, at the most. */
  queries: z.int().positive().default(256),
});

/** Options of {@link createOwlDetector}, with their defaults filled in. */
export type OwlDetectorOptions = z.infer<typeof owlDetectorOptionsSchema>;

/**
 * An open-vocabulary detector from an ONNX file: OWLv2 or OWL-ViT (Minderer et al., 2022 and 2023). A box's score for a
 * query is the sigmoid of its logit; each box keeps its top query. Prompts are ensembled by the mean of their logits, which is the logit of
 * the mean text embedding: a logit is linear in it. Nothing is suppressed, as OWL-ST suppresses nothing.
 */
export function createOwlDetector(
  model: OwlModel,
  options: OwlDetectorOptions,
  categories: Categories,
): Detector {
  const prompts = options.prompts === 'clip-7' ? sevenPrompts : options.prompts;
  const { height, width } = model.preprocessing;
  return {
    name: 'owl',
    side: Math.max(height, width),
    async detect(images, queries) {
      const found: Detection[][] = [];
      // The graph holds both towers: one image and its queries at a time.
      for (const [i, image] of images.entries()) {
        const own = queries[i] ?? [];
        const all = [...own, ...categories.names];
        found.push(all.length === 0 ? [] : await detectOne(image, own.length, all));
      }
      return found;
    },
    dispose: () => model.dispose(),
  };

  async function detectOne(image: RgbImage, own: number, all: readonly string[]): Promise<Detection[]> {
    const pixels = await owlPixels(image, model.preprocessing);
    const { logits, predBoxes, boxes } = await logitsOf(pixels, all);
    const detections: Detection[] = [];
    for (let b = 0; b < boxes; b += 1) {
      let [best, score] = [0, -1];
      for (let q = 0; q < all.length; q += 1) {
        const scale = q < own ? 1 : categories.scale;
        const value = scale * sigmoid(logits[b * all.length + q] ?? Number.NEGATIVE_INFINITY);
        if (value > score) [best, score] = [q, value];
      }
      const box = imageBox(predBoxes.subarray(b * 4, b * 4 + 4), pixels.share);
      if (box !== null) detections.push({ box, text: all[best] ?? '', score });
    }
    return detections.sort((a, b) => b.score - a.score).slice(0, options.boxes);
  }

  /** Mean logits over the prompts, [boxes, queries], in runs of as many queries as the graph takes. */
  async function logitsOf(pixels: OwlPixels, texts: readonly string[]) {
    const run = model.queries ?? Math.min(options.queries, texts.length * prompts.length);
    const asked = prompts.flatMap((template) =>
      texts.map((text, query) => ({ text: template.replaceAll('{}', () => text), query })),
    );
    let [sums, predBoxes, boxes]: [Float32Array, Float32Array, number] = [
      new Float32Array(0),
      new Float32Array(0),
      0,
    ];
    for (let from = 0; from < asked.length; from += run) {
      const part = asked.slice(from, from + run);
      const tokens = model.tokenize(
        part.map(({ text }) => text),
        model.queries ?? part.length,
        model.tokens,
      );
      const rows = model.queries ?? part.length;
      const output = await model.run({ ...tokens, pixels: pixels.values, height, width, queries: rows });
      if (from === 0) {
        [predBoxes, boxes] = [output.predBoxes, output.boxes];
        sums = new Float32Array(boxes * texts.length);
      }
      for (let b = 0; b < boxes; b += 1) {
        part.forEach(({ query }, k) => {
          const at = b * texts.length + query;
          sums[at] = (sums[at] ?? 0) + (output.logits[b * rows + k] ?? 0) / prompts.length;
        });
      }
    }
    return { logits: sums, predBoxes, boxes };
  }
}

/**
 * A predicted box (middle x, middle y, width, height, of the padded input) as fractions of the image, cut at its
 * borders; null where nothing of it is on the image.
 */
export function imageBox(predicted: ArrayLike<number>, share: OwlPixels['share']): Box | null {
  const [x = Number.NaN, y = Number.NaN, width = Number.NaN, height = Number.NaN] = Array.from(predicted);
  const within = (value: number) => Math.min(1, Math.max(0, value));
  const box: Box = [
    within((y - height / 2) / share.height),
    within((x - width / 2) / share.width),
    within((y + height / 2) / share.height),
    within((x + width / 2) / share.width),
  ];
  // What isn't a number fails both comparisons.
  return box[2] > box[0] && box[3] > box[1] ? box : null;
}
