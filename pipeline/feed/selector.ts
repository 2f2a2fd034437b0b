import type { PairModel } from '../../models/selection/pair-model.ts';
import { createRandom } from '../../schemas/random.ts';
import type { TeacherFacts } from '../../stages/read-curated.ts';
import { drawUniformly, type SelectingOptions, selectFrom } from '../distill/choose-batch.ts';
import { pairTerms } from '../distill/pair-terms.ts';
import { selectionRows } from '../distill/selections.ts';
import type { Journal, RecordedSelection } from './journal.ts';
import { halvesOf } from './record-columns.ts';
import { Refusal } from './refusal.ts';
import type { FeedRow } from './rows.ts';
import { alone, type Rank, sliceOf } from './slices.ts';
import type { FeedSuperBatch, HeldSuperBatch, SuperBatches } from './super-batches.ts';

/** The learner as the feed scores with it. */
export interface ScoringLearner {
  /** Embeds the pairs of a super-batch, and says of which step the weights were that did: newer ones may have come. */
  score(rows: readonly FeedRow[]): Promise<Scored<PairModel>>;
}

/** What a selection is made by. */
export interface Scored<Model extends PairModel | null = PairModel | null> {
  readonly model: Model;
  /** The step of the feed's learner; null where the trainer scored, or nobody. */
  readonly learnerStep: number | null;
}

/** Embeddings that a trainer posted. */
export interface PostedEmbeddings {
  /** Reads them, where so many rows are expected; throws a {@link Refusal}. */
  read(rows: number): PairModel;
  /** Aborted when nobody waits for the answer: a slice whose trainer died is forgotten. */
  readonly gone: AbortSignal;
}

/** What the selections of a fine-tune are made with. */
export interface SelectorOptions {
  readonly options: SelectingOptions;
  readonly seed: number;
  readonly steps: number;
  readonly ahead: number;
  readonly superBatches: SuperBatches<FeedRow>;
  readonly journal: Journal;
  readonly teacher: TeacherFacts | null;
  /** The latest learner that was put; null where there is none. */
  readonly learner: () => ScoringLearner | null;
  /** Called with each step once its selection is on the disk. */
  readonly onSelected: (superBatch: FeedSuperBatch<FeedRow>) => Promise<void>;
}

/** Selections by step, each made once, whoever asks. */
export interface Selector {
  /** A step's candidates, to be released. Throws a {@link Refusal} when the step isn't one that is served now. */
  superBatch(step: number): Promise<HeldSuperBatch<FeedRow>>;
  /** Selects by the trainer's own embeddings; a step that was selected already is answered as it was then. */
  byEmbeddings(step: number, rank: Rank, posted: PostedEmbeddings): Promise<RecordedSelection>;
  /** A step's selection: as recorded, or made with the latest learner where the method needs one. */
  byFeed(step: number): Promise<RecordedSelection>;
  /** Whether the step's selection is recorded. */
  isSelected(step: number): boolean;
  /** Waits for the selection in hand. */
  settle(): Promise<void>;
}

/** Ranks that have posted their slices of the next step, and those that wait for the others. */
interface Gathering {
  readonly step: number;
  readonly world: number;
  readonly parts: Map<number, PairModel>;
  readonly done: Promise<RecordedSelection>;
  readonly complete: (model: PairModel) => void;
  readonly fail: (error: Error) => void;
}

/** Makes the selections of a fine-tune, from the step after the last that the journal has. */
export function createSelector(selector: SelectorOptions): Selector {
  const { options, seed, steps, ahead, superBatches, journal, learner } = selector;
  let making: { readonly step: number; readonly done: Promise<RecordedSelection> } | null = null;
  let gathering: Gathering | null = null;

  const check = (step: number, furthest: number) => {
    if (step >= steps)
      throw new Refusal(404, `step ${step} is past the last: the fine-tune has ${steps} steps`);
    const next = journal.steps();
    if (step > next + furthest) {
      throw new Refusal(409, `step ${step} is too far ahead: the next one to select is ${next}`);
    }
  };
  /** Makes the next step's selection, unless somebody is making it. */
  const make = (step: number, scored: (rows: readonly FeedRow[]) => Promise<Scored>) => {
    if (making?.step === step) return making.done;
    const work = async () => {
      const superBatch = await superBatches.get(step);
      try {
        const { model, learnerStep } = await scored(superBatch.rows);
        const recorded = { step, learnerStep, rows: await selected(superBatch, model) };
        await journal.add(recorded);
        await selector.onSelected(superBatch);
        // The batch of the step before may still be asked for by a slower rank.
        superBatches.release(step);
        return recorded;
      } finally {
        superBatch.release();
      }
    };
    const done = work();
    making = { step, done };
    const over = () => {
      if (making?.done === done) making = null;
    };
    done.then(over, over);
    return done;
  };
  const selected = async ({ step, rows }: FeedSuperBatch<FeedRow>, model: PairModel | null) => {
    const random = createRandom(`${seed}:selected:${step}`);
    const languages = rows.map(({ language }) => language);
    const open = Uint32Array.from(rows, (_, i) => i);
    const named = { keys: rows.map(({ key }) => key), languages };
    if (options.method === 'uniform') {
      const indices = drawUniformly(rows.length, options.batch, random);
      const zeros = new Float64Array(options.batch);
      const chunks = new Uint32Array(options.batch);
      const selection = { indices, chunks, selfScores: zeros, logits: zeros };
      return selectionRows(step, { superBatch: named, selection, terms: null });
    }
    const teacher = options.method === 'hard' ? null : teacherOf(selector.teacher, rows);
    const selection = await selectFrom(
      { options, random },
      { superBatch: { languages }, learner: model, teacher, open },
    ).catch((error: Error) => {
      // Scores that overflow are the trainer's to mend, and change nothing.
      throw new Refusal(422, error.message);
    });
    return selectionRows(step, { superBatch: named, selection, terms: pairTerms(model, teacher) });
  };
  const gather = (
    { step, size }: { readonly step: number; readonly size: number },
    { rank, world }: Rank,
    part: PairModel,
    gone: AbortSignal,
  ) => {
    if (gone.aborted) throw new Refusal(409, `the trainer of rank ${rank} is gone`);
    if (gathering !== null && (gathering.step !== step || gathering.world !== world)) {
      if (gathering.step === step) {
        throw new Refusal(
          409,
          `step ${step} is being scored by ${gathering.world} trainers, not by ${world}`,
        );
      }
      gathering.fail(new Refusal(409, `step ${gathering.step} was given up for step ${step}`));
      gathering = null;
    }
    gathering ??= startGathering(step, world);
    const mine = gathering;
    const { parts, done, complete, fail } = mine;
    const [first] = parts.values();
    if (
      first &&
      (first.dimension !== part.dimension || first.scale !== part.scale || first.bias !== part.bias)
    ) {
      throw new Refusal(422, `rank ${rank} has another dimension, scale or bias than the ranks before it`);
    }
    parts.set(rank, part);
    if (parts.size === world) complete(joined(parts, world, size));
    const forget = () => {
      if (parts.size === world || parts.get(rank) !== part) return;
      parts.delete(rank);
      if (parts.size > 0) return;
      fail(new Refusal(409, `step ${step} was given up: its trainers are gone`));
      if (gathering === mine) gathering = null;
    };
    // Of its own: who is gone waits no longer for the others, and what it posted is held by nobody.
    return new Promise<RecordedSelection>((resolve, reject) => {
      gone.addEventListener(
        'abort',
        () => {
          forget();
          reject(new Refusal(409, `the trainer of rank ${rank} is gone`));
        },
        { once: true },
      );
      done.then(resolve, reject);
    });
  };
  const startGathering = (step: number, world: number): Gathering => {
    let complete: (model: PairModel) => void = () => {};
    let fail: (error: Error) => void = () => {};
    const whole = new Promise<PairModel>((resolve, reject) => {
      complete = resolve;
      fail = reject;
    });
    const done = whole.then((model) => make(step, async () => ({ model, learnerStep: null })));
    const over = () => {
      if (gathering?.done === done) gathering = null;
    };
    done.then(over, over);
    return { step, world, parts: new Map(), done, complete, fail };
  };

  return {
    async superBatch(step) {
      check(step, ahead);
      return superBatches.get(step);
    },
    async byEmbeddings(step, rank, { read, gone }) {
      check(step, 0);
      if (options.method === 'uniform' || options.method === 'easy-reference') {
        throw new Refusal(409, `distill.method is ${options.method}, which asks no learner: GET /v1/batches`);
      }
      const superBatch = await superBatches.get(step);
      const size = superBatch.rows.length;
      superBatch.release();
      const part = read(sliceOf(size, rank, 'super-batch').length);
      if (step < journal.steps()) return journal.read(step);
      if (rank.world === alone.world) return make(step, async () => ({ model: part, learnerStep: null }));
      return gather({ step, size }, rank, part, gone);
    },
    async byFeed(step) {
      check(step, 0);
      if (step < journal.steps()) return journal.read(step);
      if (making?.step === step) return making.done;
      if (gathering?.step === step) return gathering.done;
      if (options.method === 'uniform' || options.method === 'easy-reference') {
        return make(step, async () => ({ model: null, learnerStep: null }));
      }
      const scoring = learner();
      if (scoring === null) {
        throw new Refusal(
          409,
          `step ${step} has no selection: POST /v1/selections?step=${step}, or PUT /v1/learner for the feed to score`,
        );
      }
      return make(step, (rows) => scoring.score(rows));
    },
    isSelected: (step) => step < journal.steps(),
    async settle() {
      gathering?.fail(new Refusal(503, 'the feed is stopping'));
      await making?.done.catch(() => {});
    },
  };
}

function teacherOf(teacher: TeacherFacts | null, rows: readonly FeedRow[]): PairModel | null {
  if (teacher === null) return null;
  return {
    images: halvesOf(rows, 'teacherImage', teacher.dimension).floats,
    texts: halvesOf(rows, 'teacherText', teacher.dimension).floats,
    ...teacher,
  };
}

/** The super-batch's embeddings out of its slices: row i is in slice i mod world. */
function joined(parts: ReadonlyMap<number, PairModel>, world: number, count: number): PairModel {
  const [first] = parts.values();
  if (first === undefined) throw new Error('no parts to join');
  const { dimension: d } = first;
  const images = new Float32Array(count * d);
  const texts = new Float32Array(count * d);
  for (const [rank, part] of parts) {
    for (let i = 0; i < count / world; i += 1) {
      const to = (rank + i * world) * d;
      images.set(part.images.subarray(i * d, (i + 1) * d), to);
      texts.set(part.texts.subarray(i * d, (i + 1) * d), to);
    }
  }
  return { ...first, images, texts };
}
