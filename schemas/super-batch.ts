/** B candidates in memory, as the learner scores them: parallel columns, one entry a pair. */
export interface SuperBatch {
  readonly keys: readonly string[];
  readonly languages: readonly string[];
  readonly texts: readonly string[];
  /** [B, side, side, 3], 0 to 255. */
  readonly pixels: Uint8Array;
  /** Unit rows [B, d] of the teacher; empty when the shards carry none. */
  readonly teacherImages: Float32Array;
  /** Unit rows [B, d] of the teacher; empty when the shards carry none. */
  readonly teacherTexts: Float32Array;
}
