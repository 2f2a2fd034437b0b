/** A ready question about a run. */
export interface Question {
  /** What its answer says, in a line. */
  readonly description: string;
  /** One statement over the views. */
  readonly sql: string;
}
