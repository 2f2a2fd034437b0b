import { askMembers, scoreText, type TextScores } from '../../models/language/identifier.ts';
import type { Member, MemberName } from '../../models/language/member.ts';
import type { LanguageModel, Pool } from '../../models/language/model-file.ts';
import { createNgramScorer } from '../../models/language/ngrams.ts';
import { knots, type Place, placeOf } from '../../models/language/pool-weights.ts';
import { createRandom } from '../../schemas/random.ts';
import type { LabelledText } from './corpus.ts';

/** How the pool is fitted. */
export interface PoolOptions {
  readonly epochs: number;
  readonly batch: number;
  /** Learning rate of Adam in the first step; it falls to 0 in a straight line. */
  readonly rate: number;
  /** Penalty on the squares of the deviations: languages are alike until the texts say otherwise. */
  readonly decay: number;
  /** Texts of one kind of one language, at most. */
  readonly perKind: number;
}

/** The defaults. */
export const poolOptions: PoolOptions = { epochs: 10, batch: 64, rate: 0.02, decay: 0.002, perKind: 400 };

/** A text that the pool is fitted on, as the members see it. */
export interface PoolSample extends TextScores {
  /** Index of its language. */
  readonly language: number;
  /** How much it weighs: a language's samples weigh 1 on average. */
  readonly weight: number;
}

/** What the members make of the corpus's `calibrate` texts, at most so many of each kind of each language. */
export function poolSamples(
  identifier: { readonly model: LanguageModel; readonly members: readonly Member[] },
  byScript: readonly Int32Array[],
  texts: readonly LabelledText[],
  { perKind }: PoolOptions = poolOptions,
): PoolSample[] {
  const groups = new Map<string, LabelledText[]>();
  for (const text of texts) {
    if (text.part !== 'calibrate') continue;
    const id = `${text.language} ${text.kind}`;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [text]);
    else group.push(text);
  }
  const own = { model: identifier.model, candidates: byScript, scorer: createNgramScorer(identifier.model) };
  const samples: PoolSample[] = [];
  const totals = new Map<number, { weight: number; count: number }>();
  for (const group of groups.values()) {
    const count = Math.min(group.length, perKind);
    for (let i = 0; i < count; i += 1) {
      const { language: code, text } = group[Math.floor((i * group.length) / count)] as LabelledText;
      const language = identifier.model.languages.indexOf(code);
      const scored = scoreText(own, text);
      // Where one language alone is written in the script, or the text's own is not, there is nothing to learn.
      if (scored === null || scored.candidates.length < 2 || !scored.candidates.includes(language)) continue;
      // The kinds of a language weigh by the root of their number: few messages say more than as many names.
      const weight = 1 / Math.sqrt(count);
      samples.push({ ...askMembers(identifier.members, text, scored), language, weight });
      const total = totals.get(language) ?? { weight: 0, count: 0 };
      totals.set(language, { weight: total.weight + weight, count: total.count + 1 });
    }
  }
  const mean = samples.length / totals.size;
  return samples.map((sample) => {
    const total = totals.get(sample.language)?.weight ?? 1;
    return { ...sample, weight: Math.min(8, (sample.weight / total) * mean) };
  });
}

/**
 * Fits the pool of the n-grams and some of the members (`rows` are their places in the samples' scores, 0 the
 * n-grams') by Adam on the cross-entropy, so that its probabilities are calibrated on texts that taught no member.
 * The same samples give the same bits.
 */
export function fitPool(
  members: readonly MemberName[],
  rows: readonly number[],
  samples: readonly PoolSample[],
  { epochs, batch, rate, decay }: PoolOptions = poolOptions,
): Pool {
  const width = samples[0]?.scores[0]?.length ?? 0;
  // All parameters in one: weights [rows, knots], deviations [rows, width], biases [width].
  const deviationsAt = rows.length * knots.length;
  const biasesAt = deviationsAt + rows.length * width;
  const values = new Float64Array(biasesAt + width);
  for (let r = 0; r < rows.length; r += 1)
    values.fill(1 / rows.length, r * knots.length, (r + 1) * knots.length);
  const adam = adamOver(values, rate);
  const gradient = new Float64Array(values.length);
  const random = createRandom(`language pool ${members.join(' ')}`);
  const order = [...samples.keys()];
  const logits = new Float64Array(width);
  const steps = Math.ceil(order.length / batch) * epochs;
  let step = 0;
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    for (let i = order.length - 1; i > 0; i -= 1) {
      const j = random.integer(i + 1);
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    for (let from = 0; from < order.length; from += batch) {
      gradient.fill(0);
      const chunk = order.slice(from, from + batch);
      for (const i of chunk) addGradient(samples[i] as PoolSample, 1 / chunk.length);
      for (let p = deviationsAt; p < values.length; p += 1) {
        const penalty = p < biasesAt ? decay : decay / 10;
        gradient[p] = (gradient[p] as number) + penalty * (values[p] as number);
      }
      adam(gradient, 1 - step / steps);
      step += 1;
    }
  }
  const rounded = Array.from(values, (value) => Math.round(value * 1e4) / 1e4);
  return {
    members: [...members],
    weights: rows.map((_, r) => rounded.slice(r * knots.length, (r + 1) * knots.length)),
    deviations: rows.map((_, r) => rounded.slice(deviationsAt + r * width, deviationsAt + (r + 1) * width)),
    biases: rounded.slice(biasesAt),
  };

  function addGradient({ letters, candidates, scores, language, weight }: PoolSample, share: number): void {
    const place: Place = placeOf(letters);
    const at = (r: number) => r * knots.length + place.lower;
    let most = Number.NEGATIVE_INFINITY;
    for (const l of candidates) logits[l] = values[biasesAt + l] as number;
    for (const [r, row] of rows.entries()) {
      const own = scores[row] as Float64Array;
      const w = (1 - place.share) * (values[at(r)] as number) + place.share * (values[at(r) + 1] as number);
      const from = deviationsAt + r * width;
      for (const l of candidates) {
        logits[l] = (logits[l] as number) + (w + (values[from + l] as number)) * (own[l] as number);
      }
    }
    for (const l of candidates) most = Math.max(most, logits[l] as number);
    let total = 0;
    for (const l of candidates) total += Math.exp((logits[l] as number) - most);
    for (const l of candidates) {
      const probability = Math.exp((logits[l] as number) - most) / total;
      logits[l] = share * weight * (probability - (l === language ? 1 : 0));
      gradient[biasesAt + l] = (gradient[biasesAt + l] as number) + (logits[l] as number);
    }
    for (const [r, row] of rows.entries()) {
      const own = scores[row] as Float64Array;
      const from = deviationsAt + r * width;
      let along = 0;
      for (const l of candidates) {
        const slope = (logits[l] as number) * (own[l] as number);
        along += slope;
        gradient[from + l] = (gradient[from + l] as number) + slope;
      }
      gradient[at(r)] = (gradient[at(r)] as number) + (1 - place.share) * along;
      gradient[at(r) + 1] = (gradient[at(r) + 1] as number) + place.share * along;
    }
  }
}

/** Adam (Kingma and Ba, 2015) over `values`, which each step changes in place. */
function adamOver(values: Float64Array, rate: number): (gradient: Float64Array, decay: number) => void {
  const first = new Float64Array(values.length);
  const second = new Float64Array(values.length);
  let steps = 0;
  return (gradient, decay) => {
    steps += 1;
    const firstScale = 1 - 0.9 ** steps;
    const secondScale = 1 - 0.999 ** steps;
    for (let p = 0; p < values.length; p += 1) {
      const g = gradient[p] as number;
      first[p] = 0.9 * (first[p] as number) + 0.1 * g;
      second[p] = 0.999 * (second[p] as number) + 0.001 * g * g;
      const move =
        (first[p] as number) / firstScale / (Math.sqrt((second[p] as number) / secondScale) + 1e-8);
      values[p] = (values[p] as number) - rate * decay * move;
    }
  };
}
