import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import type { Teacher } from '../../../models/teacher.ts';
import { column, indicesWhere, takeRows } from '../../../schemas/batches.ts';
import type { Stage, StageContext } from '../../../schemas/stage.ts';
import { useStorage } from '../../../schemas/storage/open-storage.ts';
import { checkImages } from '../../../stages/check-images.ts';
import { cleanTexts } from '../../../stages/clean-texts.ts';
import { fingerprintMeasure } from '../../../stages/duplicates/fingerprint-column.ts';
import { embedWithTeacher } from '../../../stages/embed-with-teacher.ts';
import { hashImages } from '../../../stages/hash-images.ts';
import { identifyLanguage } from '../../../stages/identify-language.ts';
import { readShards, type ShardPart } from '../../../stages/read-shards.ts';
import type { Config } from '../../config.ts';
import { embedOptions } from '../../teacher.ts';
import { openTermFile } from '../balance/term-file.ts';
import { findsNear, withoutMeasures } from '../duplicates/settings.ts';
import { openFacts } from '../facts.ts';
import { chainStages, type StageFigures } from '../funnel.ts';
import { noImages, readsImages, rowsOfTheirOwn } from '../metadata-only.ts';
import type { RowRange } from '../plan/tasks.ts';
import { createSpool } from '../spool.ts';
import { holdsImages, withoutImageBytes } from '../tasks/images.ts';
import { countedRow, isAmong } from './part.ts';

/** What a task came to, beside the files that it left. */
export interface TaskResult {
  /** Rows admitted. */
  readonly rows: number;
  readonly figures: readonly StageFigures[];
  /** Rows by identified language. */
  readonly seen: Readonly<Record<string, number>>;
}

/** What a task reads. */
export interface TaskInput {
  readonly id: string;
  readonly parts: readonly ShardPart[];
  /** The rows of its row group, or of its tar, that are read; all where absent. */
  readonly only?: readonly RowRange[] | undefined;
}

/** How a task's stages are handed what they need, and watched. */
export interface TaskHooks {
  readonly context: StageContext;
  /** After each batch: rows read so far. */
  afterBatch(read: number): Promise<void>;
}

/** The files that a task leaves in its folder for the second pass and for the reduction. */
export function taskFiles(folder: string) {
  return {
    rows: join(folder, 'rows.arrows'),
    facts: join(folder, 'facts.parquet'),
    fingerprints: join(folder, 'fingerprints.parquet'),
    texts: join(folder, 'texts.parquet'),
    terms: join(folder, 'terms.parquet'),
  };
}

/**
 * Makes what runs the tasks of a recipe's first pass, one after another: reads rows, checks and hashes images, cleans
 * texts, identifies the language, and scores rows with the `teacher` where the recipe filters by score. A task leaves
 * its rows and their facts, of ids from 0 on, in the folder it is given: the same bytes whichever process runs it and
 * whatever ran before. Of parquet files of this machine the images stay where they are.
 */
export function createTaskRunner(config: Config, teacher: () => Promise<Teacher | null>) {
  useStorage(config.storage);
  const input = config.input as NonNullable<Config['input']>;
  const near = findsNear(config);
  const hasImages = readsImages(config);
  const stages = [
    ...(hasImages
      ? [checkImages(config.images, near ? [fingerprintMeasure] : []), hashImages()]
      : [noImages()]),
    cleanTexts({ ...config.texts, seed: config.seed }),
    identifyLanguage(config.language),
    // The filter's threshold, and the mix after it, are of all rows: then every one is scored in this pass.
    ...(config.scores ? [scoreRows(config, teacher)] : []),
  ];
  return async ({ id, parts, only }: TaskInput, folder: string, hooks: TaskHooks): Promise<TaskResult> => {
    const { context } = hooks;
    await mkdir(folder, { recursive: true });
    const source = {
      name: 'read-shards',
      batches: rowsOf(readShards(parts, { ...input, memory: config.memory }, context), { parts, only }),
    };
    const chain = chainStages(source, stages, context);
    const files = taskFiles(folder);
    const spool = createSpool(files.rows);
    const facts = await openFacts(files.facts, config.seed, {
      fingerprints: near ? files.fingerprints : undefined,
      texts: config.boilerplate.enabled ? files.texts : undefined,
    });
    const terms = config.balance.enabled ? await openTermFile(files.terms, config.seed, 0) : null;
    const factsOf = hasImages ? (batch: RecordBatch) => batch : rowsOfTheirOwn(id);
    const left = hasImages && parts.every(({ path }) => holdsImages(path));
    const spooled = (batch: RecordBatch) => (left ? withoutImageBytes(batch) : batch);
    let rows = 0;
    try {
      for await (const batch of chain.batches) {
        await facts.write(factsOf(batch));
        await terms?.write(batch);
        await spool.write(spooled(withoutMeasures(batch)));
        rows += batch.numRows;
        await hooks.afterBatch(chain.figures()[0]?.out ?? rows);
      }
    } catch (error) {
      await facts.abort();
      await terms?.abort();
      throw error;
    } finally {
      await spool.close();
    }
    await facts.close();
    await terms?.close();
    return { rows, figures: chain.figures(), seen: facts.seen() };
  };
}

async function* rowsOf(
  batches: AsyncGenerator<RecordBatch>,
  { parts, only }: Pick<TaskInput, 'parts' | 'only'>,
): AsyncGenerator<RecordBatch> {
  if (only === undefined) return yield* batches;
  const isTar = parts.every(({ rowGroups }) => rowGroups === undefined);
  for await (const batch of batches) {
    const [groups, rows] = [column(batch, 'row_group'), column(batch, 'row')];
    const wanted = Uint8Array.from({ length: batch.numRows }, (_, i) =>
      isAmong(countedRow(isTar, groups.get(i), rows.get(i)), only) ? 1 : 0,
    );
    const indices = indicesWhere(wanted);
    if (indices.length > 0) yield takeRows(batch, indices);
  }
}

/** Embeds and scores rows with a teacher that is opened when the first of them come. */
function scoreRows(config: Config, open: () => Promise<Teacher | null>): Stage {
  let opened: Promise<Teacher | null> | null = null;
  return {
    name: 'embed-with-teacher',
    async *run(batches, context) {
      opened ??= open();
      const teacher = await opened;
      if (teacher === null) throw new Error('scores need a teacher');
      yield* embedWithTeacher(teacher, embedOptions(config)).run(batches, context);
    },
  };
}

/** Runs one task of the first pass. */
export type TaskRunner = ReturnType<typeof createTaskRunner>;
