import type { EvidenceResult } from './acid.ts';
import { type EvidencePlan, type MethodName, methodsOn, mismatchedShare, type Noise } from './plan.ts';
import type { Timings } from './timings.ts';

/** One value a seed, and their median; null where a run never got there. */
export interface Spread {
  readonly median: number | null;
  readonly values: readonly (number | null)[];
}

/** A way of choosing beside uniform batches. The ratios are uniform's over its own: over 1 it is the better. */
export interface MethodFigures {
  /** Recall@1 in English at the end: the mean of the last three evaluations. */
  readonly recall: Spread;
  /** The mean recall@1 over the languages, at the last step. */
  readonly languagesRecall: Spread;
  readonly zeroShot: Spread;
  /** Steps, operations and seconds to uniform's recall at the end. */
  readonly stepsRatio: Spread;
  readonly computeRatio: Spread;
  readonly secondsRatio: Spread;
  /** The mean over seeds of recall@1 at each evaluation, with the least and the most. */
  readonly curve: readonly {
    readonly step: number;
    readonly mean: number;
    readonly least: number;
    readonly most: number;
    /** The means over seeds of the languages' mean recall@1, and of zero-shot classification. */
    readonly languages: number;
    readonly zeroShot: number;
  }[];
}

/** `acid.json`. */
export interface EvidenceFigures {
  readonly plan: EvidencePlan;
  readonly seeds: number;
  readonly mismatchedShare: number;
  readonly timings: Timings;
  /** Of `acid` in the web-like pool. */
  readonly acid: MethodName;
  readonly stepsRatio: number | null;
  readonly computeRatio: number | null;
  readonly secondsRatio: number | null;
  readonly noises: Readonly<Partial<Record<Noise, Readonly<Partial<Record<MethodName, MethodFigures>>>>>>;
}

type Point = EvidenceResult['report']['curve'][number];

/** The method whose figures stand for ACID: active selection with explicit distillation. */
const acid = 'aced';
const window = 3;

/** Compares each method's runs with the uniform run of the same seed and pool. */
export function summarize(
  plan: EvidencePlan,
  results: readonly EvidenceResult[],
  timings: Timings,
): EvidenceFigures {
  const noises: Partial<Record<Noise, Partial<Record<MethodName, MethodFigures>>>> = {};
  for (const noise of plan.noises) {
    const figures: Partial<Record<MethodName, MethodFigures>> = {};
    for (const method of methodsOn(noise, plan.methods)) {
      const of = (name: MethodName) => results.filter((run) => run.noise === noise && run.method === name);
      const [own, uniform] = [method, 'uniform' as const].map((name) => timings.secondsPerStep[name] ?? 0);
      figures[method] = compare(of(method), of('uniform'), (uniform ?? 0) / (own || Number.NaN));
    }
    noises[noise] = figures;
  }
  const own = noises.web?.[acid];
  return {
    plan,
    seeds: plan.seeds.length,
    mismatchedShare,
    timings,
    acid,
    stepsRatio: own?.stepsRatio.median ?? null,
    computeRatio: own?.computeRatio.median ?? null,
    secondsRatio: own?.secondsRatio.median ?? null,
    noises,
  };
}

function compare(
  runs: readonly EvidenceResult[],
  uniform: readonly EvidenceResult[],
  stepTimeRatio: number,
): MethodFigures {
  const ratio = (cost: (point: Point) => number | null) =>
    spread(
      runs.map((run) => {
        const baseline = uniform.find(({ seed }) => seed === run.seed)?.report.curve;
        if (!baseline) return null;
        const goal = finalRecall(baseline);
        const [theirs, own] = [costOf(baseline, goal, cost), costOf(run.report.curve, goal, cost)];
        return theirs === null || own === null ? null : theirs / own;
      }),
    );
  const stepsRatio = ratio(({ step }) => step);
  return {
    recall: spread(runs.map(({ report }) => finalRecall(report.curve))),
    languagesRecall: spread(runs.map(({ report }) => report.evaluation?.languages?.recallAt1 ?? null)),
    zeroShot: spread(runs.map(({ report }) => report.evaluation?.zeroShot ?? null)),
    stepsRatio,
    computeRatio: ratio(({ flops }) => flops),
    secondsRatio: spread(stepsRatio.values.map((value) => value && value * stepTimeRatio)),
    curve: (runs[0]?.report.curve ?? []).map(({ step }, i) => {
      const points = runs.flatMap(({ report }) => report.curve[i] ?? []);
      const mean = (values: readonly number[]) =>
        values.reduce((sum, value) => sum + value, 0) / values.length;
      const recalls = points.map(recallOf);
      return {
        step,
        mean: mean(recalls),
        least: Math.min(...recalls),
        most: Math.max(...recalls),
        languages: mean(points.map(({ evaluation }) => evaluation?.languages?.recallAt1 ?? 0)),
        zeroShot: mean(points.map(({ evaluation }) => evaluation?.zeroShot ?? 0)),
      };
    }),
  };
}

function recallOf(point: Point | undefined): number {
  return point?.evaluation?.recallAt1 ?? 0;
}

/** Recall@1 at each evaluation as the mean with the two before it: one evaluation alone is noisy. */
export function smoothed(curve: readonly Point[]): number[] {
  return curve.map((_, i) => {
    const part = curve.slice(Math.max(0, i - window + 1), i + 1).map(recallOf);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}

function finalRecall(curve: readonly Point[]): number {
  return smoothed(curve).at(-1) ?? 0;
}

/** What it cost to reach a recall first, between the evaluations around it; null where it never did. */
export function costOf(
  curve: readonly Point[],
  goal: number,
  cost: (point: Point) => number | null,
): number | null {
  const recalls = smoothed(curve);
  const at = recalls.findIndex((recall) => recall >= goal);
  const [point, before] = [curve[at], curve[at - 1]];
  if (!point) return null;
  const [high, low] = [cost(point), before ? cost(before) : 0];
  if (high === null || low === null) return null;
  const [to, from] = [recalls[at] ?? 0, before ? (recalls[at - 1] ?? 0) : 0];
  return to === from ? high : low + ((goal - from) / (to - from)) * (high - low);
}

function spread(values: readonly (number | null)[]): Spread {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  // A run that never got there is worse than any that did.
  const missing = values.length - known.length;
  const sorted = [...new Array<null>(missing).fill(null), ...known];
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  const median = typeof low === 'number' && typeof high === 'number' ? (low + high) / 2 : null;
  return { median, values };
}
