import { z } from 'zod';
import { styles } from './art.ts';

const rate = (value: number) => z.number().min(0).max(1).default(value);

/** How often each defect is planted: shares of all rows, drawn by seed. */
export const defectRatesSchema = z.strictObject({
  /** The alt-texts are another row's. */
  mismatched: rate(0.08),
  /** File names, placeholders and footers among the alt-texts, or in their place. */
  boilerplate: rate(0.08),
  /** HTML entities and tags in the alt-texts. */
  entities: rate(0.05),
  /** The declared language of the page is wrong. */
  wrongLanguage: rate(0.06),
  /** Another row's image, byte for byte. */
  exactDuplicates: rate(0.04),
  /** Another row's image, re-encoded, resized or shifted. */
  nearDuplicates: rate(0.03),
  truncated: rate(0.02),
  empty: rate(0.01),
  tiny: rate(0.015),
  extremeAspect: rate(0.01),
  /** A small file that decodes to 144 megapixels. */
  bombs: rate(0.0005),
});

/** How often each defect is planted. */
export type DefectRates = z.infer<typeof defectRatesSchema>;

/** Options of the emoji-109 sources. */
export const emojiSourceOptionsSchema = z.strictObject({
  out: z.string().min(1),
  rows: z.int().positive().default(10_000),
  seed: z.int().min(0).default(109),
  /** Emoji that pictures are drawn of, chosen by seed; every one that the styles share when absent. */
  emoji: z.int().positive().optional(),
  /** Rows of a shard. */
  shardRows: z.int().positive().default(2_000),
  /** The share of rows that are canvases of 2 to 6 pictures. */
  canvasShare: rate(0.2),
  /** The share of rows whose alt-texts are English. */
  englishShare: rate(0.6),
  /** The styles of art that the shards are made of. */
  styles: z.array(z.enum(styles)).nonempty().default(['noto', 'twemoji', 'fluent']),
  /** The style that learners are evaluated on: none of the shards'. */
  heldOut: z.enum(styles).default('openmoji'),
  /** Images of the held-out style. */
  evaluationImages: z.int().positive().default(600),
  defects: defectRatesSchema.prefault({}),
});

/** Options of the emoji-109 sources, with their defaults filled in. */
export type EmojiSourceOptions = z.infer<typeof emojiSourceOptionsSchema>;
