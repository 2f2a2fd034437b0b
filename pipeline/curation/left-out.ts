import type { BalancePlan } from '../../stages/balance/plan.ts';
import type { Config } from '../config.ts';
import type { EvaluationSetFacts } from './duplicates/evaluation-set.ts';
import { leftOutWithoutImages, readsImages } from './metadata-only.ts';

/** Stages that a run leaves out, and why, for its report. */
export function leftOutOf(
  config: Config,
  evaluationSet: EvaluationSetFacts | null,
  balanced: BalancePlan | null,
): { stage: string; why: string }[] {
  const out: { stage: string; why: string }[] = [];
  if (evaluationSet !== null && evaluationSet.undecodable > 0) {
    const { undecodable, rows } = evaluationSet;
    const why = `${undecodable} of ${rows} evaluation images cannot be decoded: they are found by their bytes alone`;
    out.push({ stage: 'decontaminate', why });
  }
  if (balanced?.tailShare === 1) {
    const why = `every English term has fewer than the ${config.balance.englishThreshold} rows of balance.englishThreshold`;
    out.push({ stage: 'balance-terms', why });
  }
  if (!config.boilerplate.enabled) {
    out.push({ stage: 'drop-boilerplate', why: 'boilerplate.enabled is false' });
  }
  if (!config.mix.enabled) out.push({ stage: 'mix-languages', why: 'mix.enabled is false' });
  if (!readsImages(config)) return [...out, ...leftOutWithoutImages(config)];
  if (config.regions.detector === 'none')
    out.push({ stage: 'label-regions', why: 'regions.detector is none' });
  else if (!config.teacher && config.regions.detector === 'windows') {
    out.push({ stage: 'label-regions', why: 'no teacher.checkpoint for the window detector' });
  }
  if (!config.teacher) out.push({ stage: 'embed-with-teacher', why: 'no teacher.checkpoint' });
  return out;
}
