import type { RgbImage } from '../../models/images.ts';
import type { Teacher } from '../../models/teacher.ts';
import { suppressParts } from '../regions/boxes.ts';
import { dot, embedBoxes } from '../regions/crops.ts';
import { type NgramOptions, ngramQueries } from '../regions/ngram-queries.ts';
import { type ProposalOptions, proposeBoxes } from '../regions/proposals.ts';
import { cachedTextEmbeddings } from '../regions/text-embeddings.ts';

/** How an image is parted, and a text into n-grams. */
export interface PartOptions extends ProposalOptions {
  readonly context: number;
  readonly overlap: number;
  readonly part: number;
  readonly cachedQueries: number;
  readonly ngrams: NgramOptions;
}

/** An image, and the texts that it is compared with. */
export interface ComparedRow {
  readonly image: RgbImage;
  readonly texts: readonly string[];
  readonly language: string;
}

/** For each row, one figure a text: its similarity to the image's parts, in [-1, 1]. */
export type PartSimilarity = (rows: readonly ComparedRow[]) => Promise<number[][]>;

/**
 * Compares texts with images part by part, as late interaction does (FILIP, Yao et al., 2021): a text's similarity is the mean over
 * the things that stand out in the image of the best cosine of any of the text's n-grams, or the text itself. A picture of many things
 * is nowhere near the text that lists them all, and each thing is near its own name.
 */
export function createPartSimilarity(teacher: Teacher, options: PartOptions): PartSimilarity {
  const embeddingsOf = cachedTextEmbeddings(teacher, options.cachedQueries);
  return async (rows) => {
    const proposed = rows.map(({ image }) => proposeBoxes(image, options));
    const images = rows.map(({ image }) => image);
    const embedded = await embedBoxes(teacher, images, proposed, options.context);
    const asked = rows.map(({ texts, language }) =>
      texts.map((text) => [text, ...ngramQueries([text], language, options.ngrams)]),
    );
    const embeddings = await embeddingsOf([...new Set(asked.flat(2))]);
    let next = 0;
    return rows.map((_, row) => {
      const boxes = (proposed[row] ?? []).map((box) => {
        const at = next++ * teacher.dimension;
        return { box, embedding: embedded.subarray(at, at + teacher.dimension) };
      });
      return (asked[row] ?? []).map((queries) => {
        const scored = boxes.map(({ box, embedding }) => {
          const cosines = queries.map((query) => dot(embedding, embeddings.get(query)));
          return { box, score: Math.max(...cosines) };
        });
        const kept = suppressParts(scored, options);
        return kept.reduce((sum, { score }) => sum + score, 0) / kept.length;
      });
    });
  };
}
