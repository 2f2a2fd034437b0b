import { z } from 'zod';

/** Options of {@link findGenericWords} and of the sample that it judges. */
export const genericWordsOptionsSchema = z.strictObject({
  /** Different images of each language that are looked at, chosen by their bytes; 0 looks for no generic words. */
  sample: z.int().min(0).default(1000),
  /** A language with fewer images can't tell: its generic words are those of the lists alone. */
  minImages: z.int().positive().default(300),
  /** The share of a language's images from which on a word is frequent. */
  minShare: z.number().gt(0).max(1).default(0.01),
  /** How much a generic word may say of the image, at the most: a share of the images' variance. */
  maxSaid: z.number().min(0).max(1).default(0.05),
});

/** Options of {@link findGenericWords}, with their defaults filled in. */
export type GenericWordsOptions = z.infer<typeof genericWordsOptionsSchema>;

/** One image of a language: the different naming words of its alt-texts, and its embedding [d]. */
export interface CaptionedImage {
  readonly words: ReadonlySet<string>;
  readonly embedding: Float32Array;
}

/** A frequent word of a language's captions. */
export interface FrequentWord {
  readonly word: string;
  /** Images whose texts have it. */
  readonly images: number;
  /**
   * How much it says of the image: the squared distance of the mean embedding of its images from that of all, over the
   * embeddings' variance. A sample of n images that has nothing in common has about 1 / n of it by chance.
   */
  readonly said: number;
}

/**
 * Finds the generic words of one language's captions: those on many images that look, to the teacher, like any image.
 * "Photo" or "free" says nothing of what is shown; "flag" or "woman" is as frequent and does. Chance makes few images
 * look particular, so a word is generic only where there are enough to tell. The order of the images changes nothing
 * but the last bits of sums: give them in one order.
 */
export function findGenericWords(
  images: readonly CaptionedImage[],
  options: GenericWordsOptions,
): ReadonlySet<string> {
  if (images.length < options.minImages) return new Set();
  return new Set(
    frequentWords(images, options.minShare)
      .filter(({ said }) => said <= options.maxSaid)
      .map(({ word }) => word),
  );
}

/** The words on `minShare` of the images or more but not on all, the most frequent first. */
export function frequentWords(images: readonly CaptionedImage[], minShare: number): FrequentWord[] {
  const all = images.length;
  const counts = new Map<string, number>();
  for (const { words } of images) for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const frequent = [...counts].filter(([, count]) => count >= Math.max(2, minShare * all) && count < all);
  const sums = new Map(frequent.map(([word]) => [word, new Float64Array(images[0]?.embedding.length ?? 0)]));
  const total = new Float64Array(images[0]?.embedding.length ?? 0);
  let squares = 0;
  for (const { words, embedding } of images) {
    add(total, embedding);
    squares += embedding.reduce((sum, value) => sum + value * value, 0);
    for (const word of words) {
      const sum = sums.get(word);
      if (sum) add(sum, embedding);
    }
  }
  const variance = squares / all - total.reduce((sum, value) => sum + (value / all) ** 2, 0);
  return frequent
    .map(([word, count]) => {
      const sum = sums.get(word) ?? total;
      const distance = sum.reduce((so, value, k) => so + (value / count - (total[k] ?? 0) / all) ** 2, 0);
      // Drawn without replacement: a word on most images is near the mean whatever it says.
      const share = (all - 1) / (all - count);
      return { word, images: count, said: variance > 0 ? (distance / variance) * share : 0 };
    })
    .sort((a, b) => b.images - a.images || (a.word < b.word ? -1 : 1));
}

function add(sum: Float64Array, row: Float32Array): void {
  for (let k = 0; k < row.length; k += 1) sum[k] = (sum[k] ?? 0) + (row[k] ?? 0);
}
