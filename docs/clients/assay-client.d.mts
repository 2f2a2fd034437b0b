import type { Table } from 'apache-arrow';

export interface FeedClientOptions {
  readonly token?: string;
  readonly rank?: number;
  readonly world?: number;
  readonly retries?: number;
}

export interface ImageQuery {
  readonly image?: 'encoded' | 'pixels' | 'patches' | 'naflex' | 'none' | 'scheduled';
  readonly side?: number;
  readonly patch?: number;
  readonly length?: number;
  readonly teacher?: 0 | 1;
}

export interface LearnerEmbeddings {
  readonly images: Float32Array;
  readonly texts: Float32Array;
  readonly dimension: number;
  readonly scale: number;
  readonly bias: number;
}

export declare class Feed {
  constructor(url: string, options?: FeedClientOptions);
  status(): Promise<Record<string, unknown>>;
  superBatch(step: number, options?: ImageQuery): Promise<Table>;
  batch(step: number, options?: ImageQuery & { readonly count?: number }): Promise<Table>;
  select(step: number, embeddings: LearnerEmbeddings): Promise<Table>;
  putLearner(
    step: number,
    tar: Uint8Array,
    logits?: { readonly scale?: number; readonly bias?: number },
  ): Promise<Record<string, unknown>>;
}

export declare function embeddingsBody(
  images: Float32Array,
  texts: Float32Array,
  dimension: number,
): Uint8Array;
