/** B candidates in memory, as the learner scores them: parallel columns, one entry a pair. */
export interface SuperBatch {
  readonly keys: readonly string[];
  readonly languages: readonly string[];
  readonly texts: readonly string[];
  /** [B, side, side, 3], 0 to 255; with `sizes`, rows of one length that begin with an image of its own size. */
  readonly pixels: Uint8Array;
  /** [B, 2]: the height and the width of each image in pixels, where they differ. */
  readonly sizes?: Uint16Array;
  /** N: patches of an image for this super-batch, where they differ. */
  readonly sequenceLength?: number;
  /** Unit rows [B, d] of the teacher; empty when the shards carry none. */
  readonly teacherImages: Float32Array;
  /** Unit rows [B, d] of the teacher; empty when the shards carry none. */
  readonly teacherTexts: Float32Array;
}
