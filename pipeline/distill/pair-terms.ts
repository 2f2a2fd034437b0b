import { ownPairs, ownScore, type PairModel } from '../../models/selection/pair-model.ts';
import type { SelectionMethod } from '../../models/selection/select-batch.ts';

/** What the own score of each pair of a super-batch is made of: its loss by itself under each model, [B]. */
export interface PairTerms {
  /** Null where the learner wasn't asked. */
  readonly learner: Float64Array | null;
  /** Null where there is no teacher. */
  readonly teacher: Float64Array | null;
}

/** The sigmoid losses of the pairs of a super-batch under both models (ACID, arXiv 2411.18674, section 3). */
export function pairTerms(learner: PairModel | null, teacher: PairModel | null): PairTerms {
  return { learner: learner && termsOf(learner, 'learner'), teacher: teacher && termsOf(teacher, 'teacher') };
}

function termsOf(model: PairModel, name: string): Float64Array {
  return ownPairs(model, name).map((similarity) => ownScore('sigmoid', model, similarity));
}

/** A pair's own score by the method: the learner's loss, the teacher's with its sign turned, or their difference. */
export function selfScoreOf(
  { learner, teacher }: PairTerms,
  method: SelectionMethod | 'uniform',
  index: number,
): number | null {
  if (method === 'uniform') return null;
  const asked = {
    learner: method === 'easy-reference' ? 0 : learner?.[index],
    teacher: method === 'hard' ? 0 : teacher?.[index],
  };
  if (asked.learner === undefined || asked.teacher === undefined) return null;
  return asked.learner - asked.teacher;
}
