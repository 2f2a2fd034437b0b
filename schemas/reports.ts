/** Rows that didn't go on, by stage and reason. */
export interface ReasonRows {
  readonly stage: string;
  readonly reason: string;
  readonly rows: number;
}

/** One language of a curation report. Shares are of all kept rows. */
export interface LanguageReport {
  readonly language: string;
  /** Rows identified as this language, before duplicates and the mix. */
  readonly seen: number;
  /** Rows that the mix could take. */
  readonly available: number;
  readonly kept: number;
  readonly requestedShare: number;
  readonly realisedShare: number;
}

/** `report.json` of a curation run. */
export interface CurationReport {
  readonly kind: 'curation';
  readonly version: string;
  readonly seed: number;
  readonly seconds: number;
  /** Rows decoded from the shards, and entries of row groups that could not be. */
  readonly read: number;
  readonly kept: number;
  readonly dropped: number;
  readonly quarantined: number;
  /** Whole shards that could not be read: no row of theirs is counted. */
  readonly quarantinedShards: number;
  /** read = kept + dropped + quarantined. */
  readonly balanced: boolean;
  readonly stages: readonly {
    readonly stage: string;
    readonly in: number;
    readonly out: number;
    readonly seconds: number;
  }[];
  readonly reasons: {
    readonly dropped: readonly ReasonRows[];
    readonly quarantined: readonly ReasonRows[];
  };
  /** Stages that were left out, and why. */
  readonly leftOut: readonly { readonly stage: string; readonly why: string }[];
  readonly languagesSeen: number;
  readonly mix: {
    readonly requested: { readonly english: number };
    readonly realised: { readonly english: number };
    /** What kept the mix from being met, in words; empty when it was met. */
    readonly shortfalls: readonly string[];
    /** The same by language: rows that the mix asked for, rows that there are, and how many are missing to it. */
    readonly missing: readonly {
      /** `*` stands for all languages but English together. */
      readonly language: string;
      readonly requested: number;
      readonly available: number;
      readonly missing: number;
    }[];
  };
  /** What terms were balanced to; absent where they weren't. */
  readonly balance?: {
    readonly englishThreshold: number;
    /** The share of matches that terms under their threshold have, of English and so of all; null without English. */
    readonly tailShare: number | null;
    readonly languages: readonly {
      readonly language: string;
      readonly terms: number;
      /** Rows of a term from which on its rows are thinned out. */
      readonly threshold: number;
    }[];
  };
  readonly languages: readonly LanguageReport[];
  readonly regions: { readonly rows: number; readonly regions: number };
}

/** Recall on a held-out set, and zero-shot classification; each in [0, 1]. */
export interface EvaluationScores {
  readonly images: number;
  /** English: the mean of text to image and image to text. */
  readonly recallAt1: number;
  readonly recallAt5: number;
  /** The mean over languages, when every language was scored. */
  readonly languages?: {
    readonly count: number;
    readonly recallAt1: number;
    readonly recallAt5: number;
    readonly perLanguage: Readonly<Record<string, { recallAt1: number; recallAt5: number; names: number }>>;
  };
  /** Top-1 among the held-out images' English names, each an ensemble of prompts. */
  readonly zeroShot: number;
}

/** One training run of a distillation. */
export interface LearnerReport {
  readonly name: 'selected' | 'uniform';
  readonly steps: number;
  /** Evaluation left out, here and in the curve. */
  readonly seconds: number;
  /** Floating-point operations of the towers' matrix products, scoring included; null where they aren't counted. */
  readonly flops: number | null;
  readonly finalLoss: number;
  readonly curve: readonly {
    readonly step: number;
    readonly seconds: number;
    readonly flops: number | null;
    readonly loss: number;
    readonly evaluation: EvaluationScores | null;
  }[];
  readonly evaluation: EvaluationScores | null;
}

/** How far selection moved the mix of languages, counted as batches were selected. Shares are in [0, 1]. */
export interface DriftReport {
  readonly pairs: { readonly offered: number; readonly selected: number };
  readonly english: { readonly offered: number; readonly selected: number };
  /** Half the sum of the languages' absolute differences of shares: 0 where the mixes are equal, at most 1. */
  readonly totalVariation: number;
  /** The ten languages whose shares moved most, the furthest first. */
  readonly moved: readonly {
    readonly language: string;
    readonly offered: number;
    readonly selected: number;
  }[];
  /** Pairs of every language, in super-batches (each counted once) and in the batches selected of them. */
  readonly counts: Readonly<Record<string, { readonly offered: number; readonly selected: number }>>;
}

/** `report.json` of a distillation run. */
export interface DistillReport {
  readonly kind: 'distillation';
  readonly version: string;
  readonly seed: number;
  readonly seconds: number;
  readonly rows: number;
  readonly superBatch: number;
  readonly batch: number;
  readonly filterRatio: number;
  readonly method: string;
  readonly teacherAgreement: EvaluationScores | null;
  /** Of the selected run; absent where batches were drawn uniformly. */
  readonly drift?: DriftReport | undefined;
  readonly learners: readonly LearnerReport[];
  readonly leftOut: readonly { readonly stage: string; readonly why: string }[];
}
