import type { DistillOptions } from '../../pipeline/distill/options.ts';
import type { EmojiSourceOptions } from '../../pipeline/sources/emoji/options.ts';

/** The ways of choosing batches that are compared, by name: what each changes of the recipe. */
export const methods = {
  uniform: { method: 'uniform' },
  hard: { method: 'hard' },
  'easy-reference': { method: 'easy-reference' },
  learnability: { method: 'learnability' },
  independent: { method: 'learnability', chunks: 1 },
  distillation: { method: 'uniform', distillation: 1 },
  aced: { method: 'learnability', distillation: 1 },
  'aced-cheap': { method: 'learnability', distillation: 1, scoring: { imagePool: 2, reuse: 2 } },
} as const satisfies Readonly<Record<string, Partial<DistillOptions>>>;

/** One of the ways of choosing batches. */
export type MethodName = keyof typeof methods;

/** How the pool is spoilt: `web` has most alt-texts of its pictures right, and a share of another row's. */
export type Noise = 'web' | 'none';

/** What is trained: sizes that one machine can train many times over. */
export interface EvidencePlan {
  /** `validation` holds Twemoji out and is what settings are chosen on; `evaluation` holds OpenMoji out. */
  readonly style: 'validation' | 'evaluation';
  readonly rows: number;
  /** Emoji that the pool and the held-out images are of. */
  readonly emoji: number;
  /** Steps of the uniform runs. */
  readonly steps: number;
  /** Steps of the runs whose batches are selected: as many as reaching the uniform run's recall may take. */
  readonly selectedSteps: number;
  /** Steps of the runs that are only distilled, on uniform batches. */
  readonly distilledSteps: number;
  /** Evaluations of every run, evenly apart. */
  readonly evaluations: number;
  /** b. */
  readonly batch: number;
  /** B. */
  readonly superBatch: number;
  readonly learningRate: number;
  /** The bias of the logits at the start, about -log of the batch. */
  readonly logitBias: number;
  /** Of explicit distillation. */
  readonly weight: number;
  readonly seeds: readonly number[];
  readonly noises: readonly Noise[];
  readonly methods: readonly MethodName[];
}

/** One training run. */
export interface EvidenceRun {
  readonly noise: Noise;
  readonly seed: number;
  readonly method: MethodName;
}

/** The share of pairs whose alt-texts are another row's in the web-like pool. */
export const mismatchedShare = 0.4;

/** What is compared without noise: what selection and distillation each bring where no pair is wrong. */
const withoutNoise: readonly MethodName[] = ['uniform', 'learnability', 'distillation', 'aced'];

/** The methods that a plan compares on a pool. */
export function methodsOn(noise: Noise, names: readonly MethodName[]): MethodName[] {
  return names.filter((name) => noise === 'web' || withoutNoise.includes(name));
}

/** The runs of a plan; those of one seed stand together, so that a plan cut short has whole comparisons. */
export function planRuns({ noises, seeds, methods: names }: EvidencePlan): EvidenceRun[] {
  return seeds.flatMap((seed) =>
    noises.flatMap((noise) => methodsOn(noise, names).map((method) => ({ noise, seed, method }))),
  );
}

/** The pool of a plan: no defect but the mismatched alt-texts, so that what is compared is one thing. */
export function poolOptions(
  plan: Pick<EvidencePlan, 'style' | 'rows' | 'emoji'>,
  noise: Noise,
  out: string,
): Partial<EmojiSourceOptions> & { out: string } {
  const rates = [
    'boilerplate',
    'entities',
    'wrongLanguage',
    'exactDuplicates',
    'nearDuplicates',
    'truncated',
  ] as const;
  const none = Object.fromEntries(
    [...rates, 'empty', 'tiny', 'extremeAspect', 'bombs'].map((name) => [name, 0]),
  );
  return {
    out,
    rows: plan.rows,
    emoji: plan.emoji,
    seed: plan.style === 'validation' ? 301 : 401,
    ...(plan.style === 'validation' ? { styles: ['noto', 'fluent'], heldOut: 'twemoji' } : {}),
    evaluationImages: plan.emoji,
    defects: { ...none, mismatched: noise === 'web' ? mismatchedShare : 0 } as EmojiSourceOptions['defects'],
  };
}

/** The steps of a method's runs. */
export function stepsOf(plan: EvidencePlan, method: MethodName): number {
  if (methods[method].method !== 'uniform') return plan.selectedSteps;
  return method === 'uniform' ? plan.steps : plan.distilledSteps;
}

/** The recipe of a run. */
export function distillRecipe(plan: EvidencePlan, method: MethodName): object {
  const changes = methods[method];
  const steps = stepsOf(plan, method);
  return {
    learner: {
      imageSize: 32,
      patchSize: 8,
      width: 96,
      depth: 2,
      heads: 3,
      embeddingDim: 64,
      textWidth: 96,
      textDepth: 1,
      textStride: 2,
      textHeads: 3,
    },
    superBatch: plan.superBatch,
    batch: plan.batch,
    chunks: 16,
    training: { steps, learningRate: plan.learningRate, warmup: 20, logitBias: plan.logitBias },
    evaluateEvery: Math.max(1, Math.round(steps / plan.evaluations)),
    ...changes,
    ...('distillation' in changes ? { distillation: plan.weight } : {}),
  };
}
