import { openShard } from '../../../schemas/parquet-reader.ts';
import type { QuarantinedRow, StageContext } from '../../../schemas/stage.ts';
import { mostEntries } from '../../../stages/read-shards/reader.ts';
import type { ShardPart } from '../../../stages/read-shards.ts';
import { ResumableError } from '../../errors.ts';
import { type FileFacts, fileFacts } from '../../run-folder.ts';
import { ownEntries } from '../admit/part.ts';
import { readShardFacts } from '../admit/plan.ts';
import { createTaskRunner, type TaskResult } from '../admit/run-task.ts';
import { type EvaluationSetFacts, evaluationIdentity } from '../duplicates/evaluation-set.ts';
import { readEvaluation } from '../duplicates/settings.ts';
import type { EvaluationTask, ReadTask } from '../plan/tasks.ts';
import { openTaskLedger, type TaskContext, type TaskKind, type Units } from './context.ts';

/** What a task of the first pass says of its work. */
export interface AdmitResult extends TaskResult {
  /** The shard, of the task that reads its beginning. */
  readonly input: FileFacts | null;
}

/**
 * Reads and cleans a run of row groups. Throws a {@link ResumableError} when the shard isn't there any more, or isn't
 * the one that was planned.
 */
export const admitRows: TaskKind<ReadTask, AdmitResult> = async (context, task, folder) => {
  const { config, units } = context;
  await checkShard(task);
  const ledger = openTaskLedger(folder);
  const isFirst = (task.rowGroups?.from ?? 0) === 0;
  // Beside the images that are decoded: it waits for the disk, and they for the processor.
  const hashed = isFirst && units.only === undefined ? fileFacts(task.path) : null;
  hashed?.catch(() => {});
  const { only } = task;
  const quarantine = (row: QuarantinedRow) => {
    for (const own of ownEntries(task, row)) ledger.quarantine(own);
  };
  try {
    for (const { unit, how } of units.skip ?? []) await quarantineUnit(task, unit, how, { quarantine });
    const runTask = createTaskRunner(config, context.teacher);
    const result = await runTask({ id: task.id, parts: partsOf(task, units), only }, folder, {
      context: { signal: context.signal, drop: ledger.drop, quarantine },
      async afterBatch(rows) {
        await ledger.flush();
        context.progress(rows);
      },
    });
    // A shard that goes while it is read looks like a broken one, but nothing is wrong with what it held.
    await checkShard(task);
    return {
      result: { ...result, input: await hashed },
      rows: result.figures[0]?.out ?? 0,
      quarantined: ledger.quarantined(),
    };
  } finally {
    await ledger.close();
  }
};

/** Reads the evaluation set. */
export const admitEvaluation: TaskKind<EvaluationTask, EvaluationResult> = async (context, task, folder) => {
  const { evaluation } = context.run.plan.files;
  await checkEvaluation(context, task);
  const set = await readEvaluation(context.config, evaluation, folder, context.signal);
  await checkEvaluation(context, task);
  const files = await Promise.all(evaluation.map((path) => fileFacts(path)));
  return { result: { set, files }, rows: set.rows };
};

async function checkEvaluation({ config, run }: TaskContext, { identity }: EvaluationTask): Promise<void> {
  const { evaluation } = run.plan.files;
  const found = await evaluationIdentity(config.decontaminate, evaluation).catch((error: Error) => {
    throw new ResumableError(
      `decontaminate.shards: were there when the run was planned and can't be read now (${error.message}): put them back`,
    );
  });
  if (found !== identity) {
    throw new ResumableError(
      'decontaminate.shards: are not those that the run was planned for: put those back, or plan the run again',
    );
  }
}

/** What the task of the evaluation set says of its work. */
export interface EvaluationResult {
  readonly set: EvaluationSetFacts;
  readonly files: readonly FileFacts[];
}

async function checkShard({ path, name, identity }: ReadTask): Promise<void> {
  const facts = await readShardFacts(path, name).catch((error: Error) => {
    throw new ResumableError(
      `${path}: was there when the run was planned and can't be read now (${error.message}): put it back`,
    );
  });
  if (!identity.startsWith(facts.identity)) {
    throw new ResumableError(
      `${path}: isn't the file that the run was planned for: put that one back, or plan the run again`,
    );
  }
}

/** The units of a task of the first pass: its row groups, or the shard where it has none. */
export function unitsOfRead({ rowGroups }: ReadTask): number[] {
  if (rowGroups === undefined) return [0];
  return Array.from({ length: rowGroups.to - rowGroups.from }, (_, i) => rowGroups.from + i);
}

function partsOf(task: ReadTask, { skip = [], only }: Units): ShardPart[] {
  const { path, name, rowGroups } = task;
  const skipped = new Set(skip.map(({ unit }) => unit));
  if (skipped.size === 0 && only === undefined) {
    return [{ path, name, ...(rowGroups === undefined ? {} : { rowGroups }) }];
  }
  const units = only === undefined ? unitsOfRead(task).filter((unit) => !skipped.has(unit)) : [only];
  if (rowGroups === undefined) return units.map(() => ({ path, name }));
  return units.map((from) => ({ path, name, rowGroups: { from, to: from + 1 } }));
}

async function quarantineUnit(
  { path, rowGroups }: ReadTask,
  unit: number,
  how: string,
  { quarantine }: Pick<StageContext, 'quarantine'>,
): Promise<void> {
  const entry = { key: null, shard: path, stage: 'read-shards', reason: 'crashed-reader', detail: how };
  const shard = rowGroups === undefined ? null : await openShard(path).catch(() => null);
  const rows = shard?.rowGroups[unit]?.rows ?? 0;
  const isKnown = rows > 0 && rows <= Math.min(mostEntries, shard?.mostRows ?? 0);
  const rowGroup = rowGroups === undefined ? null : unit;
  if (!isKnown) quarantine({ ...entry, rowGroup, row: null });
  else for (let row = 0; row < rows; row += 1) quarantine({ ...entry, rowGroup, row });
}
