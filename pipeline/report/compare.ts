import type { DistillReport, EvaluationScores, LearnerReport } from '../../schemas/reports.ts';
import { percent } from './words.ts';

/** A learner of a distillation by its name. */
export function learnerNamed(report: DistillReport, name: LearnerReport['name']): LearnerReport | undefined {
  return report.learners.find((learner) => learner.name === name);
}

/** Who is ahead at recall@1 and by how many points. */
export interface Comparison {
  readonly better: LearnerReport['name'] | 'neither';
  /** Selected minus uniform, in points of recall@1. */
  readonly points: number;
  /** The standard error of that difference, in points, were the two runs' images drawn apart. */
  readonly standardError: number;
}

/** Compares the two learners' recall@1; null when either wasn't evaluated. */
export function compareLearners(report: DistillReport): Comparison | null {
  const selected = learnerNamed(report, 'selected')?.evaluation;
  const uniform = learnerNamed(report, 'uniform')?.evaluation;
  if (!selected || !uniform) return null;
  const difference = selected.recallAt1 - uniform.recallAt1;
  const variance = varianceOf(selected) + varianceOf(uniform);
  return {
    better: difference > 0 ? 'selected' : difference < 0 ? 'uniform' : 'neither',
    points: difference * 100,
    standardError: Math.sqrt(variance) * 100,
  };
}

function varianceOf({ recallAt1, images }: EvaluationScores): number {
  return images > 0 ? (recallAt1 * (1 - recallAt1)) / images : 0;
}

/** The comparison in one plain sentence, whichever run is better. */
export function comparisonSentence(report: DistillReport): string {
  const compared = compareLearners(report);
  const selected = learnerNamed(report, 'selected')?.evaluation;
  const uniform = learnerNamed(report, 'uniform')?.evaluation;
  if (!compared || !selected || !uniform) return 'The learners were not evaluated on held-out images.';
  const figures = `selected ${percent(selected.recallAt1)}, uniform ${percent(uniform.recallAt1)} recall@1`;
  if (compared.better === 'neither') return `Neither run is better: ${figures}.`;
  const points = Math.abs(compared.points).toFixed(1);
  const within = Math.abs(compared.points) < 2 * compared.standardError;
  const noise = within
    ? ` That is within the noise of ${selected.images} held-out images (standard error ${compared.standardError.toFixed(1)} points).`
    : '';
  return `The ${compared.better} run is better by ${points} points: ${figures}.${noise}`;
}
