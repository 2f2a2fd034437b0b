import { type Data, Int32, type RecordBatch } from 'apache-arrow';
import { streamLength } from '../../schemas/arrow-stream.ts';
import { batchOfData, column, dataOf } from '../../schemas/batches.ts';
import { binaryColumn, floatColumn, intColumn } from '../../schemas/columns.ts';
import { loccaType } from '../../schemas/rows.ts';
import type { StageContext } from '../../schemas/stage.ts';
import { addTrainingViews, describeViews, type ViewedStep } from '../../stages/add-training-views.ts';
import type { DecodingOptions } from '../../stages/images/each-image.ts';
import { layOutImages } from '../../stages/lay-out-images.ts';
import type { TeacherFacts } from '../../stages/read-curated.ts';
import type { ImageLayout } from '../../stages/views/schedule.ts';
import type { RecordedSelection } from './journal.ts';
import { pairColumns, sentColumns, sentLengths, teacherColumns } from './record-columns.ts';
import type { FeedRow } from './rows.ts';
import type { Answer } from './send.ts';

/** How a client wants its pairs. */
export interface AnswerOptions {
  readonly layout: ImageLayout;
  /** The teacher whose embeddings go along; null where the client wants none, or the shards have none. */
  readonly teacher: TeacherFacts | null;
  readonly decoding: DecodingOptions;
}

/** Bytes of a record batch, about: what a slow client makes the feed hold. */
const batchBytes = 4 * 1024 ** 2;
const mostRows = 256;

/**
 * The rows of a super-batch at these places, as record batches of some megabytes, which are of the rows' own memory where
 * images aren't decoded: then the stream's length is known.
 */
export function superBatchAnswer(
  rows: readonly FeedRow[],
  places: Uint32Array,
  { layout, teacher, decoding }: AnswerOptions,
  metadata: Readonly<Record<string, string>>,
): Pick<Answer, 'batches' | 'length'> {
  const parts = [...partsOf(rows, places, bytesOf(layout))];
  if (layout.kind === 'encoded' || layout.kind === 'none') {
    const sent = { images: layout.kind === 'encoded', dimension: teacher?.dimension ?? null };
    const rowsAt = (part: Uint32Array) => Array.from(part, (place) => rows[place] as FeedRow);
    const lengths = parts.map((part) => sentLengths(rowsAt(part), sent));
    return {
      length:
        parts.length === 0 ? 0 : streamLength(sentColumns([], new Int32Array(), sent), metadata, lengths),
      async *batches() {
        for (const part of parts) yield sentColumns(rowsAt(part), Int32Array.from(part), sent);
      },
    };
  }
  return {
    batches(signal) {
      async function* pairs() {
        for (const part of parts) {
          yield batchOfData([
            ['index', intColumn(Int32Array.from(part))],
            ...pairsAt(rows, part, { layout, teacher }),
          ]);
        }
      }
      return layOutImages(layout, decoding).run(pairs(), contextOf(signal));
    },
  };
}

/** The places of a selected batch's rows that a client gets, with the views of the step. */
export async function* selectedAnswer(
  rows: readonly FeedRow[],
  { step, learnerStep, rows: selected }: RecordedSelection,
  positions: Uint32Array,
  viewed: ViewedStep,
  { layout, teacher, decoding, signal }: AnswerOptions & { readonly signal: AbortSignal },
): AsyncGenerator<RecordBatch> {
  const indices = column(selected, 'index').toArray() as Int32Array;
  const [selfScores, logits] = [
    column(selected, 'self_score').toArray(),
    column(selected, 'logit').toArray(),
  ];
  const views = viewed.views.selfDistillation;
  const viewBytes = views
    ? 3 * (views.globals * views.globalSide ** 2 + views.locals * views.localSide ** 2)
    : 0;
  async function* parts() {
    for (const part of partsOf(rows, positions, (row) => bytesOf(layout)(row) + viewBytes, indices)) {
      const places = Uint32Array.from(part, (position) => indices[position] ?? 0);
      const picked = places.length;
      yield batchOfData([
        ['step', intColumn(new Int32Array(picked).fill(step))],
        ['position', intColumn(Int32Array.from(part))],
        ['index', intColumn(Int32Array.from(places))],
        ...pairsAt(rows, places, { layout, teacher, viewed }),
        ['self_score', floatColumn(Float32Array.from(part, (position) => selfScores[position] ?? 0))],
        ['logit', floatColumn(Float32Array.from(part, (position) => logits[position] ?? 0))],
        ['learner_step', dataOf(new Int32(), new Array(picked).fill(learnerStep))],
        [
          'staleness',
          dataOf(new Int32(), new Array(picked).fill(learnerStep === null ? null : step - learnerStep)),
        ],
      ]);
    }
  }
  const context = contextOf(signal);
  const withViews = addTrainingViews(viewed, decoding).run(parts(), context);
  yield* layOutImages(layout, decoding).run(withViews, context);
}

/** A selection as a trainer is answered: `position`, `chunk`, `index`, `key`, `self_score`, `logit`. */
export function selectionAnswer({ rows }: RecordedSelection): RecordBatch {
  const names = ['position', 'chunk', 'index', 'key', 'self_score', 'logit'];
  return batchOfData(names.map((name) => [name, column(rows, name).data[0] as never]));
}

/** What the schema of an answer says beside its columns. */
export function answerMetadata(facts: {
  readonly step: number;
  readonly steps: number;
  readonly rank: number;
  readonly world: number;
  readonly superBatch: number;
  readonly batch: number;
  readonly layout: ImageLayout;
  readonly teacher: TeacherFacts | null;
  readonly viewed?: ViewedStep;
}): Record<string, string> {
  const { layout, teacher, viewed, step, steps, rank, world } = facts;
  return {
    step: String(step),
    steps: String(steps),
    rank: String(rank),
    world: String(world),
    super_batch: String(facts.superBatch),
    batch: String(facts.batch),
    image: JSON.stringify(layout),
    ...(teacher ? { teacher: JSON.stringify(teacher) } : {}),
    ...(viewed ? { views: JSON.stringify(describeViews(viewed)) } : {}),
  };
}

/** The columns of pairs; what is decoded, or viewed, needs the image too. */
function pairsAt(
  rows: readonly FeedRow[],
  places: Uint32Array,
  { layout, teacher, viewed }: Pick<AnswerOptions, 'layout' | 'teacher'> & { readonly viewed?: ViewedStep },
): [name: string, data: Data][] {
  const picked = Array.from(places, (place) => rows[place] as FeedRow);
  const needsImage = layout.kind !== 'none' || Boolean(viewed?.views.selfDistillation);
  const targets = () =>
    dataOf(
      loccaType,
      picked.map((row) => row.locca ?? []),
    );
  return [
    ...pairColumns(picked),
    ...(needsImage ? [['image', binaryColumn(picked.map(({ image }) => image))] as [string, Data]] : []),
    ...(teacher ? teacherColumns(picked, teacher.dimension) : []),
    ...(viewed?.views.locca ? [['locca', targets()] as [string, Data]] : []),
  ];
}

/** The bytes of a row's image in a layout. */
function bytesOf(layout: ImageLayout): (row: FeedRow) => number {
  if (layout.kind === 'naflex') return () => layout.length * layout.patch ** 2 * 12;
  if (layout.kind === 'none') return () => 0;
  if (layout.kind === 'encoded') return (row) => row.image.length;
  return (row) => layout.side ** 2 * 3 + row.image.length;
}

/** Runs of places, each of some megabytes, a row at the least. */
function* partsOf(
  rows: readonly FeedRow[],
  places: Uint32Array,
  bytes: (row: FeedRow) => number,
  indices?: Int32Array,
): Generator<Uint32Array> {
  let [start, size] = [0, 0];
  for (let i = 0; i < places.length; i += 1) {
    const place = places[i] ?? 0;
    const next = bytes(rows[indices ? (indices[place] ?? 0) : place] as FeedRow);
    if (i > start && (size + next > batchBytes || i - start >= mostRows)) {
      yield places.subarray(start, i);
      [start, size] = [i, 0];
    }
    size += next;
  }
  if (places.length > start) yield places.subarray(start);
}

function contextOf(signal: AbortSignal): StageContext {
  const refuse = () => {
    throw new Error('an answer loses no row');
  };
  return { signal, quarantine: refuse, drop: refuse };
}
