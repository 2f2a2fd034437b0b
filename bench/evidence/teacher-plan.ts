/** The ways of making a teacher that are compared, each of as many steps in all. */
export const teachers = {
  pool: 'the whole pool, one stage',
  'fine-tune': 'the high-quality part from scratch, one stage',
  both: 'the pool, then the high-quality part',
  control: 'the pool, then the pool at the same low rate',
} as const;

/** One of them. */
export type TeacherName = keyof typeof teachers;

/** What is trained, and on what. */
export interface TeacherPlan {
  /** `validation` holds Twemoji out, `evaluation` OpenMoji. */
  readonly style: 'validation' | 'evaluation';
  readonly rows: number;
  readonly poolSteps: number;
  readonly fineTuneSteps: number;
  readonly batch: number;
  readonly poolRate: number;
  readonly fineTuneRate: number;
  /** The share of rows kept for the high-quality part. */
  readonly quality: number;
  readonly seeds: readonly number[];
}

/** What one teacher came to. */
export interface TeacherResult {
  readonly seed: number;
  readonly teacher: TeacherName;
  readonly rows: number;
  readonly loss: number;
  readonly recallAt1: number;
  readonly languagesRecallAt1: number;
  readonly zeroShot: number;
}

/** What `teacher.json` holds. */
export interface TeacherFigures {
  readonly plan: TeacherPlan;
  /** The share of the pool's rows that carry another row's alt-texts. */
  readonly mismatchedShare: number;
  readonly results: readonly TeacherResult[];
}
