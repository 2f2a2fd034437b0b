import { beforeAll, describe, expect, it } from 'vitest';
import type { SelectionLoss } from '../../models/selection/pair-model.ts';
import { selectBatch } from '../../models/selection/select-batch.ts';
import { createRandom } from '../../schemas/random.ts';
import { denseScores, modelOf } from './dense-reference.ts';

const count = 4;
const draws = 6000;
/** Chi-square with 11 degrees of freedom (12 ordered pairs): its 99.9% point. */
const critical = 31.26;

/** The probability of each ordered pair (first, second) when one is drawn in each of two chunks. */
function probabilities(score: (i: number, set: readonly number[]) => number): Map<string, number> {
  const result = new Map<string, number>();
  const shares = (open: readonly number[], set: readonly number[]) => {
    const weights = open.map((i) => Math.exp(score(i, set)));
    const total = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / total);
  };
  const all = Array.from({ length: count }, (_, i) => i);
  const firsts = shares(all, []);
  for (const i of all) {
    const open = all.filter((j) => j !== i);
    shares(open, [i]).forEach((share, k) => {
      result.set(`${i},${open[k]}`, (firsts[i] ?? 0) * share);
    });
  }
  return result;
}

/**
 * The distribution of what is selected in two chunks, jointly. With 6,000 draws and a level of 0.1%, a distribution
 * that is off by w = 0.085 (Cohen's w, about 3.5% of the probability in the wrong place) gives a noncentrality of
 * 43: it is found with a power of over 95%. The last tests show what it finds.
 */
describe.each<SelectionLoss>(['sigmoid', 'softmax'])('Gumbel selection, %s', (loss) => {
  const [learner, teacher] = [modelOf(count, 3, 'draw', 3, 0), modelOf(count, 3, 'draw t', 2, 0.5)];
  const score = denseScores(learner, teacher, 'learnability', loss);
  const counts = new Map<string, number>();
  const chiSquare = (expected: Map<string, number>) =>
    [...expected].reduce(
      (sum, [pair, p]) => sum + ((counts.get(pair) ?? 0) - draws * p) ** 2 / (draws * p),
      0,
    );

  beforeAll(async () => {
    const options = { batch: 2, chunks: 2, method: 'learnability', sampling: 'gumbel', loss } as const;
    const random = createRandom('draws');
    for (let n = 0; n < draws; n += 1) {
      const pair = (await selectBatch(learner, teacher, options, random)).indices.join();
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
  });

  it('draws each chunk with probability proportional to exp(logit)', () => {
    expect(chiSquare(probabilities(score))).toBeLessThan(critical);
  });

  it('would be told from draws by the own scores alone', () => {
    expect(chiSquare(probabilities((i) => score(i, [])))).toBeGreaterThan(critical);
  });

  it('would be told from draws at a temperature a tenth higher', () => {
    expect(chiSquare(probabilities((i, set) => score(i, set) / 1.1))).toBeGreaterThan(critical);
  });
});

describe('the draw of several in a chunk', () => {
  it('is without replacement, each next one in proportion to what is left', async () => {
    const learner = modelOf(count, 3, 'several', 3, 0);
    const own = denseScores(learner, learner, 'hard', 'sigmoid');
    const options = { batch: 2, chunks: 1, method: 'hard', sampling: 'gumbel' } as const;
    const random = createRandom('several draws');
    const counts = new Map<string, number>();
    for (let n = 0; n < draws; n += 1) {
      const pair = (await selectBatch(learner, null, options, random)).indices.join();
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    const chiSquare = [...probabilities((i) => own(i, []))].reduce(
      (sum, [pair, p]) => sum + ((counts.get(pair) ?? 0) - draws * p) ** 2 / (draws * p),
      0,
    );
    expect(chiSquare).toBeLessThan(critical);
  });

  it('is the same for a seed, and another for another', async () => {
    const [learner, teacher] = [modelOf(300, 8, 'seed'), modelOf(300, 8, 'seed t')];
    const options = { batch: 60, chunks: 4, method: 'learnability', sampling: 'gumbel' } as const;
    const draw = (seed: number) => selectBatch(learner, teacher, options, createRandom(seed));
    const [first, again, other] = [await draw(1), await draw(1), await draw(2)];
    expect(again).toEqual(first);
    expect(other.indices).not.toEqual(first.indices);
  });
});
