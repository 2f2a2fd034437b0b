import type { RecordBatch } from 'apache-arrow';

/** One row of the quarantine; `row` is null when a shard or a row group could not be read to its end. */
export interface QuarantinedRow {
  readonly key: string | null;
  readonly shard: string;
  readonly rowGroup: number | null;
  readonly row: number | null;
  /** Where `row` is null, the first row that could not be read, in the row group or in the tar; 0 where it is absent. */
  readonly firstRow?: number | undefined;
  readonly stage: string;
  readonly reason: string;
  readonly detail: string;
}

/** A sound row that a stage leaves out, with the value that decided and the threshold that it was held against. */
export interface DroppedRow {
  readonly key: string;
  readonly stage: string;
  readonly reason: string;
  readonly value: string;
  /** Absent where nothing was measured. */
  readonly threshold?: string | undefined;
  /** The key of the row that is kept in its place, of a duplicate. */
  readonly kept?: string | undefined;
  /** Its language, where that has been identified. */
  readonly language?: string | undefined;
  /** Where it was read, where the batch says so. */
  readonly shard?: string | undefined;
  readonly rowGroup?: number | undefined;
  readonly row?: number | undefined;
}

/** What a stage is handed beside its batches: where the rows that don't go on are written down. */
export interface StageContext {
  readonly signal: AbortSignal;
  /** Bad data: it is kept out, and kept with its reason. */
  quarantine(row: QuarantinedRow): void;
  /** Sound data that is not wanted. */
  drop(row: DroppedRow): void;
}

/**
 * One step of a pipeline: pulls record batches and yields record batches. Every row that it doesn't yield it
 * has quarantined or dropped. Being pulled by its consumer, it never runs ahead of it.
 */
export interface Stage {
  readonly name: string;
  run(batches: AsyncIterable<RecordBatch>, context: StageContext): AsyncGenerator<RecordBatch>;
}
