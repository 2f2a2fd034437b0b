import { describe, expect, it } from 'vitest';
import type { EvidenceResult } from '../bench/evidence/acid.ts';
import {
  distillRecipe,
  type EvidencePlan,
  methods,
  methodsOn,
  planRuns,
  poolOptions,
  stepsOf,
} from '../bench/evidence/plan.ts';
import { costOf, smoothed, summarize } from '../bench/evidence/summary.ts';
import { timeMethods } from '../bench/evidence/timings.ts';
import { configSchema } from '../pipeline/config.ts';
import { emojiSourceOptionsSchema } from '../pipeline/sources/emoji/options.ts';

const plan: EvidencePlan = {
  style: 'evaluation',
  rows: 1000,
  emoji: 50,
  steps: 100,
  selectedSteps: 20,
  distilledSteps: 40,
  evaluations: 5,
  batch: 16,
  superBatch: 64,
  learningRate: 0.001,
  logitBias: -4,
  weight: 2,
  seeds: [1, 2, 3],
  noises: ['web', 'none'],
  methods: ['uniform', 'learnability', 'hard', 'distillation', 'aced'],
};

/** A run whose recall@1 is `recalls` at evaluations `every` steps apart, at `flops` operations a step. */
function runOf(
  seed: number,
  method: EvidenceResult['method'],
  recalls: readonly number[],
  { every, flops }: { every: number; flops: number },
): EvidenceResult {
  const curve = recalls.map((recallAt1, i) => {
    const step = every * (i + 1);
    const evaluation = { images: 50, recallAt1, recallAt5: recallAt1, zeroShot: recallAt1 / 2 };
    return { step, seconds: 99, flops: step * flops, loss: 1, evaluation };
  });
  const last = curve.at(-1);
  const report = {
    name: 'selected' as const,
    steps: last?.step ?? 0,
    seconds: 99,
    flops: last?.flops ?? 0,
    finalLoss: 1,
    curve,
    evaluation: last?.evaluation ?? null,
  };
  return { noise: 'web', seed, method, report };
}

describe('the plan', () => {
  it('holds runs of one seed together, whole comparisons before the next seed', () => {
    const runs = planRuns(plan);
    const seeds = runs.map(({ seed }) => seed);
    expect(seeds).toEqual(seeds.toSorted());
    expect(
      runs.filter(({ seed, noise }) => seed === 1 && noise === 'web').map(({ method }) => method),
    ).toEqual(plan.methods);
    expect(new Set(runs.map((run) => JSON.stringify(run))).size).toBe(runs.length);
  });

  it('compares fewer methods without noise, uniform and the one that stands for ACID among them', () => {
    expect(methodsOn('web', plan.methods)).toEqual(plan.methods);
    const fewer = methodsOn('none', plan.methods);
    expect(fewer).toContain('uniform');
    expect(fewer).toContain('aced');
    expect(fewer).not.toContain('hard');
  });

  it('trains each kind of run as long as it is told', () => {
    expect(stepsOf(plan, 'uniform')).toBe(100);
    expect(stepsOf(plan, 'learnability')).toBe(20);
    expect(stepsOf(plan, 'distillation')).toBe(40);
  });

  it.each(Object.keys(methods) as (keyof typeof methods)[])('has a recipe that holds: %s', (method) => {
    const { distill } = configSchema.parse({ distill: distillRecipe(plan, method) });
    expect(distill.training.steps).toBe(stepsOf(plan, method));
    expect(distill.distillation).toBe(['distillation', 'aced', 'aced-cheap'].includes(method) ? 2 : 0);
    expect(distill.training.steps / distill.evaluateEvery).toBe(5);
  });

  it('plants nothing but mismatched alt-texts, and holds out another style for choosing settings', () => {
    const pool = emojiSourceOptionsSchema.parse(poolOptions(plan, 'web', 'x'));
    const { mismatched, ...others } = pool.defects;
    expect(mismatched).toBeGreaterThan(0);
    expect(Object.values(others).every((rate) => rate === 0)).toBe(true);
    expect(emojiSourceOptionsSchema.parse(poolOptions(plan, 'none', 'x')).defects.mismatched).toBe(0);
    const validation = emojiSourceOptionsSchema.parse(
      poolOptions({ ...plan, style: 'validation' }, 'web', 'x'),
    );
    expect(validation.heldOut).not.toBe(pool.heldOut);
    expect(validation.styles).not.toContain(validation.heldOut);
    expect(validation.styles).not.toContain(pool.heldOut);
  });
});

describe('the figures', () => {
  const cost = { every: 10, flops: 5 };
  const { curve } = runOf(1, 'uniform', [0, 0.3, 0.6, 0.6, 0.6], cost).report;

  it('smooth a curve over three evaluations', () => {
    expect(smoothed(curve).map((recall) => Math.round(recall * 1000) / 1000)).toEqual([
      0, 0.15, 0.3, 0.5, 0.6,
    ]);
  });

  it('find where a recall was first reached, between evaluations', () => {
    expect(costOf(curve, 0.3, ({ step }) => step)).toBeCloseTo(30, 9);
    expect(costOf(curve, 0.4, ({ step }) => step)).toBeCloseTo(35, 9);
    expect(costOf(curve, 0.4, ({ flops }) => flops)).toBeCloseTo(175, 9);
    expect(costOf(curve, 0.7, ({ step }) => step)).toBeNull();
  });

  it('compare a method with the uniform run of its own seed, and count a run that never got there as the worst', () => {
    const uniform = { every: 10, flops: 5 };
    const results = [
      runOf(1, 'uniform', [0.125, 0.125, 0.25, 0.25, 0.25], uniform),
      runOf(2, 'uniform', [0.25, 0.25, 0.5, 0.5, 0.5], uniform),
      runOf(3, 'uniform', [0.9, 0.9, 0.9, 0.9, 0.9], uniform),
      runOf(1, 'aced', [0.25, 0.25, 0.25], { every: 1, flops: 10 }),
      runOf(2, 'aced', [0.5, 0.5, 0.5], { every: 5, flops: 10 }),
      runOf(3, 'aced', [0.3, 0.3, 0.3], { every: 1, flops: 10 }),
    ];
    const timings = { processor: 'a test', secondsPerStep: { uniform: 1, aced: 4 } };
    const figures = summarize({ ...plan, noises: ['web'], methods: ['uniform', 'aced'] }, results, timings);
    const own = figures.noises.web?.aced;
    expect(own?.stepsRatio.values).toEqual([50, 10, null]);
    expect(figures.stepsRatio).toBe(10);
    expect(figures.computeRatio).toBe(5);
    expect(figures.secondsRatio).toBe(2.5);
    expect(figures.noises.web?.uniform?.stepsRatio.values).toEqual([1, 1, 1]);
    expect(figures.seeds).toBe(3);
    expect(own?.curve[0]).toMatchObject({ least: 0.25, most: 0.5 });
  });
});

it('steps are timed after the warm-up, and the median round counts', async () => {
  const told: string[] = [];
  let round = 0;
  const task = { update: () => {}, end: () => {} };
  const context = {
    signal: new AbortController().signal,
    progress: { start: () => task },
    configPath: 'evidence',
  };
  const { secondsPerStep } = await timeMethods(
    { ...plan, methods: ['uniform', 'aced'] },
    context,
    async (method, steps, onStep) => {
      told.push(method);
      const perStep = (method === 'aced' ? 3 : 1) * (round++ === 0 ? 100 : 1);
      for (let step = 0; step < steps; step += 1) {
        const seconds = 1000 + perStep * (step + 1);
        onStep({ run: 'selected', step, loss: 1, gradientNorm: 1, learningRate: 1, seconds, flops: null });
      }
    },
  );
  expect(told).toEqual(['uniform', 'aced', 'uniform', 'aced', 'uniform', 'aced']);
  expect(secondsPerStep.uniform).toBeCloseTo(1, 6);
  expect(secondsPerStep.aced).toBeCloseTo(3, 6);
});
