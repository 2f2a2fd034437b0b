import { createHash } from 'node:crypto';
import type { AdmitTask } from '../admit/plan.ts';

/**
 * The phases of a run, in order: each begins when the one before it is done. `admit` reads and cleans runs of row
 * groups; `rank` and `pairs` reduce the facts of all rows by partitions of hashes; `decide` says what becomes of each
 * row; `finish` labels, embeds and writes one shard each; `commit` gives everything its name.
 */
export const phases = ['admit', 'rank', 'pairs', 'decide', 'finish', 'commit'] as const;

/** One phase of a run. */
export type Phase = (typeof phases)[number];

/** A task of a run: what one process does from start to end, and what it is known by. */
export interface Task {
  readonly phase: Phase;
  /** Its place among those of its phase. */
  readonly position: number;
  /** What it works on, by content. */
  readonly identity: string;
  /** The name of its folder and of its completion record: a digest of its identity and of what the recipe asks of it. */
  readonly id: string;
  /** Rows that it works on, as footers promise. */
  readonly rows: number;
}

/** A task of the first pass. */
export interface ReadTask extends Task {
  readonly phase: 'admit';
  readonly path: string;
  readonly name: string;
  readonly rowGroups?: { readonly from: number; readonly to: number };
  /** The rows of its row group, or of its tar, that alone are read, in order and apart; all where absent. */
  readonly only?: readonly RowRange[];
}

/**
 * Rows from the first up to, not including, the second, or to the end where that is null; counted within their row group,
 * or within their tar.
 */
export type RowRange = readonly [from: number, to: number | null];

/** A task of the evaluation set, which is read beside the first pass. */
export interface EvaluationTask extends Task {
  readonly phase: 'admit';
  readonly evaluation: true;
}

/** One partition of a reduction over all rows. */
export interface PartitionTask extends Task {
  readonly phase: 'rank' | 'pairs';
  readonly share: number;
  readonly of: number;
  /** The band of the hashes that is joined; all of them where absent. */
  readonly band?: number;
}

/** A task that there is one of. */
export interface WholeTask extends Task {
  readonly phase: 'decide' | 'commit';
}

/** A task of the second pass: the admitted rows of ids [from, to), which become one shard. */
export interface FinishTask extends Task {
  readonly phase: 'finish';
  readonly from: number;
  readonly to: number;
}

/** Any task of a plan. */
export type PlannedTask = ReadTask | EvaluationTask | PartitionTask | WholeTask | FinishTask;

/** Whether a task reads shards of the input, and not an evaluation set. */
export function isReadTask(task: Task): task is ReadTask {
  return task.phase === 'admit' && !('evaluation' in task);
}

/**
 * Ids of a task's rows begin at its position times this, so that they are one row's each over all tasks: more rows than a row
 * group or a tar has, and few enough that 2^25 tasks have theirs among the whole numbers that a double holds.
 */
export const idsOfTask = 2 ** 28;

/** What the tasks of a run hang on. */
export interface PlanFacts {
  readonly admit: readonly AdmitTask[];
  /** Rows that earlier runs read, which the reductions are over too. */
  readonly earlierRows?: number;
  /** A digest of what the recipe asks of the first pass. */
  readonly recipe: string;
  /** A digest of all that the recipe asks. */
  readonly outcome: string;
  /** What the evaluation set holds, by content; null without one. */
  readonly evaluation: string | null;
  /** How many bands near duplicates are looked for in, for so many rows; 0 where they aren't. */
  readonly bands: (rows: number) => number;
}

/** Rows from which on the reductions are cut up: fewer are one process's work. */
const rowsOfPartition = 2 ** 22;
/** Each partition looks through the facts of all rows for its own: with more of them that would be most of the work. */
const mostPartitions = 64;

/** The tasks that can be planned before any is run: all but those of `finish`, which `decide` plans. Pure. */
export function planRunTasks(planned: PlanFacts): PlannedTask[] {
  const { admit, earlierRows = 0, recipe, outcome, evaluation, bands } = planned;
  const rows = admit.reduce((sum, task) => sum + task.rows, earlierRows);
  const whole = digestOf([
    recipe,
    outcome,
    evaluation ?? '',
    ...admit.map(({ identity, name }) => `${identity} ${name}`),
  ]);
  const partitions = Math.min(mostPartitions, Math.max(1, rows / rowsOfPartition));
  const of = 2 ** Math.ceil(Math.log2(partitions));
  const identified = <T extends Omit<Task, 'id'>>(task: T, on: string) => ({
    ...task,
    id: digestOf([task.phase, task.identity, on]),
  });
  const partition = (phase: 'rank' | 'pairs', more: { share: number; of: number; band?: number }) => ({
    phase,
    rows,
    identity: `${phase}:${more.band ?? 'all'}:${more.share}/${more.of}`,
    ...more,
  });
  const shares = Array.from({ length: of }, (_, share) => ({ share, of }));
  const count = bands(rows);
  const pairs =
    count > 0 && of > 1
      ? Array.from({ length: count }, (_, band) => shares.map((share) => ({ ...share, band }))).flat()
      : [{ share: 0, of: 1 }].slice(0, count);
  const placed = <T>(list: readonly T[]) => list.map((task, position) => ({ ...task, position }));
  const single = (phase: 'decide' | 'commit') =>
    identified({ phase, identity: phase, position: 0, rows } as const, whole);
  const reads = admit.map((task) =>
    identified({ ...task, phase: 'admit' } as const, `${recipe} ${task.name}`),
  );
  return [
    ...reads,
    ...(evaluation === null
      ? []
      : [
          identified(
            {
              phase: 'admit',
              identity: evaluation,
              position: admit.length,
              rows: 0,
              evaluation: true,
            } as const,
            recipe,
          ),
        ]),
    ...placed(shares.map((share) => partition('rank', share))).map((task) => identified(task, whole)),
    ...placed(pairs.map((pair) => partition('pairs', pair))).map((task) => identified(task, whole)),
    single('decide'),
    single('commit'),
  ];
}

/** What the identity of a task of the first pass ends with, by the part of its shard that it reads. Pure. */
export function endOfPart({ rowGroups, only }: Pick<ReadTask, 'rowGroups' | 'only'>): string {
  const groups = rowGroups === undefined ? '' : `:${rowGroups.from}-${rowGroups.to}`;
  return only === undefined ? groups : `${groups}/${digestOf([JSON.stringify(only)])}`;
}

/** A digest of texts, short enough for a file's name. */
export function digestOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** A task as a person knows it. */
export function nameOfTask(task: Task): string {
  if (!isReadTask(task)) return `${task.phase} ${task.position}`;
  if (task.rowGroups === undefined) return task.path;
  return `${task.path}, row groups ${task.rowGroups.from} to ${task.rowGroups.to - 1}`;
}
