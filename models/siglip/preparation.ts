import type { RgbImage } from '../images.ts';
import type { Resolution } from './config.ts';
import type { LogitValues } from './logits.ts';
import type { Precision } from './precisions.ts';
import type { InputRows, SessionOptions, TowerSession } from './tower-session.ts';

/** How a model's towers are opened. */
export interface OpenOptions extends SessionOptions {
  /** Which files are run: `fp32` where they are there, else the first that are, unless told. */
  readonly precision?: Precision | undefined;
  /** The scale, exp(t), and the bias, in place of what the folder says. */
  readonly logits?: { readonly scale: number; readonly bias: number } | undefined;
}

/** What was found of a model. */
export interface TowersFacts {
  /** `assay` is a pair of towers that `assay distill` exported. */
  readonly kind: 'siglip' | 'siglip2' | 'assay';
  readonly resolution: Resolution;
  readonly textTokens: number;
  readonly vocabulary: number | null;
  readonly precision: Precision;
  /** The precisions whose files are there. */
  readonly precisions: readonly Precision[];
  /** Every file that is run, the weights beside the graphs included. */
  readonly files: readonly string[];
  readonly logits: LogitValues | (Omit<LogitValues, 'from'> & { readonly from: 'given' });
}

/** What prepares samples for the two graphs. */
export interface Preparation {
  readonly facts: TowersFacts;
  readonly imageSize: number;
  readonly vision: TowerSession;
  readonly text: TowerSession;
  /** Makes the inputs of a batch; each image is written by itself. */
  startImages(count: number): {
    readonly rows: Readonly<Record<string, InputRows>>;
    write(row: number, image: RgbImage): void;
    /** The same of an image of `imageSize` x `imageSize` x 3 in [-1, 1]. */
    writeSquare(row: number, values: Float32Array): void;
  };
  tokenize(texts: readonly string[]): Int32Array;
  readonly tokensInput: string;
}
