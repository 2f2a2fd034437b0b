import { z } from 'zod';

const count = z.int().positive();
/** Rows of vectors of 4 floats, whose sums come out the same wherever a row lies in memory. */
const rowLength = count.max(16_384).multipleOf(4);

/** The shape of a pair of towers: a vision transformer and a text transformer (SigLIP, arXiv 2303.15343). */
export const towersConfigSchema = z
  .strictObject({
    /** The side of the square input image, in pixels. */
    imageSize: count.max(4096),
    /** The side of a patch, in pixels; divides `imageSize`. */
    patchSize: count.max(4096),
    /** The image tower's width; divisible by `heads` and by 4. */
    width: rowLength,
    depth: count.max(256),
    heads: count.max(256),
    /** The hidden width of the MLPs of both towers, over the tower's width. */
    mlpRatio: z.number().positive().max(64).default(4),
    /** d, the length of an embedding; divisible by 4. */
    embeddingDim: rowLength,
    /** The text tower's width; divisible by `textHeads` and by 4. */
    textWidth: rowLength,
    textDepth: count.max(256),
    textHeads: count.max(256),
    /** The most tokens of a text; shorter texts may come in narrower batches. */
    textTokens: count.max(4096).default(64),
    /**
     * Tokens that one position of the text tower stands for; divides `textTokens`. Over 1, a position is made from its
     * own tokens and as many after them: bytes are many and mean little one by one (after CANINE, arXiv 2103.06874).
     */
    textStride: z.literal([1, 2, 4, 8, 16]).default(1),
    /** The number of token ids; 0 is the pad. */
    vocabulary: z.int().min(2).max(1_048_576).default(259),
  })
  .refine(({ imageSize, patchSize }) => imageSize % patchSize === 0, {
    path: ['patchSize'],
    message: 'patchSize must divide imageSize',
  })
  .refine(({ textTokens, textStride }) => textTokens % textStride === 0, {
    path: ['textStride'],
    message: 'textStride must divide textTokens',
  })
  .refine(({ width, heads }) => width % heads === 0, {
    path: ['heads'],
    message: 'heads must divide width',
  })
  .refine(({ textWidth, textHeads }) => textWidth % textHeads === 0, {
    path: ['textHeads'],
    message: 'textHeads must divide textWidth',
  });

/** The shape of a pair of towers, with the defaults filled in. */
export type TowersConfig = z.infer<typeof towersConfigSchema>;

/** The number of patches of an image. */
export function patchesOf({ imageSize, patchSize }: TowersConfig): number {
  return (imageSize / patchSize) ** 2;
}
