import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import type { Teacher } from '../../../models/teacher.ts';
import { column } from '../../../schemas/batches.ts';
import type { Stage } from '../../../schemas/stage.ts';
import { addLoccaTargets } from '../../../stages/add-locca-targets.ts';
import { balanceTerms } from '../../../stages/balance-terms.ts';
import { decontaminate } from '../../../stages/decontaminate.ts';
import { deduplicate } from '../../../stages/deduplicate.ts';
import { dropBoilerplate } from '../../../stages/drop-boilerplate.ts';
import { embedWithTeacher } from '../../../stages/embed-with-teacher.ts';
import { filterByScore } from '../../../stages/filter-by-score.ts';
import { labelRegions } from '../../../stages/label-regions.ts';
import { mixLanguages } from '../../../stages/mix-languages.ts';
import { recordLineage } from '../../../stages/record-lineage.ts';
import type { Detector } from '../../../stages/regions/detector.ts';
import { genericWords } from '../../../stages/regions/generic-words.ts';
import { writeShards } from '../../../stages/write-shards.ts';
import type { Config } from '../../config.ts';
import { type FileFacts, fileFacts } from '../../run-folder.ts';
import { embedOptions } from '../../teacher.ts';
import { version } from '../../version.ts';
import { readVerdicts, type Verdicts } from '../duplicates/verdict-tables.ts';
import { chainStages, type StageFigures } from '../funnel.ts';
import { readsImages } from '../metadata-only.ts';
import type { FinishTask } from '../plan/tasks.ts';
import { openDetector } from '../region-detector.ts';
import { openTaskLedger, type TaskContext, type TaskKind, type TaskLedger, type Units } from './context.ts';
import { type Decisions, readDecisions } from './decide.ts';
import { needsImages } from './images.ts';
import { rowsOfRange } from './rows.ts';

/** The name of the shard that a task of the second pass leaves, where it keeps a row. */
export const shardName = '00000.parquet';

/** The name of the file that says where the rows of that shard were read. */
export const lineageName = 'lineage.parquet';

/** The stage by whose name the quarantine knows rows that ended the process that was labelling and writing them. */
export const writingStage = 'label-and-write';

/** What a task of the second pass says of its work. */
export interface FinishResult {
  readonly figures: readonly StageFigures[];
  /** Rows kept, by language. */
  readonly kept: Readonly<Record<string, number>>;
  readonly regions: { readonly rows: number; readonly regions: number };
  /** The shard that it wrote; null where it kept no row. */
  readonly shard: FileFacts | null;
  /** Where that shard's rows were read. */
  readonly lineage: FileFacts | null;
}

/** Applies what was decided to the rows of a range, labels and embeds those that are kept, and writes them as a shard. */
export const finishRows: TaskKind<FinishTask, FinishResult> = async (context, task, folder) => {
  const { run, config, signal } = context;
  const { decisions, folder: decided } = await readDecisions(run);
  const verdicts = await verdictsOf(context, decided, task, decisions);
  const teacher = await context.teacher();
  // A detector of its own: what it holds of other tasks' texts may change the last bits of its scores.
  const detector = await openDetector(config, teacher, run.plan.configPath);
  const ledger = openTaskLedger(folder);
  try {
    const stages = stagesOf(config, { decisions, verdicts, teacher, detector });
    const written: FileFacts[] = [];
    const writing = writeShards(
      folder,
      { ...config.output, shardRows: Infinity },
      shardMetadata(config, teacher),
      (path, { bytes, sha256 }) => written.push({ path, bytes, sha256 }),
    );
    stages.push(recordLineage(writing, join(folder, lineageName)));
    if (readsImages(config)) {
      // Rows that are dropped before need none.
      const first = stages.findIndex(({ name }) => looksAtImages.has(name));
      stages.splice(first, 1, needsImages(stages[first] as Stage, config));
    }
    const source = unitsOfRows(rowsOfRange(run, task), context.units, ledger);
    const chain = chainStages({ name: 'admitted', batches: source }, stages, {
      signal,
      drop: ledger.drop,
      quarantine: ledger.quarantine,
    });
    const kept: Record<string, number> = {};
    const regions = { rows: 0, regions: 0 };
    let rows = 0;
    for await (const batch of chain.batches) {
      for (const language of column(batch, 'language')) kept[language] = (kept[language] ?? 0) + 1;
      for (const list of batch.getChild('regions') ?? []) {
        regions.rows += list?.length > 0 ? 1 : 0;
        regions.regions += list?.length ?? 0;
      }
      await ledger.flush();
      rows += batch.numRows;
      context.progress(rows);
    }
    const [shard = null] = written;
    const lineage = rows > 0 ? await fileFacts(join(folder, lineageName)) : null;
    // What the first pass let through is no stage of the funnel.
    const figures = chain.figures().slice(1);
    return { result: { figures, kept, regions, shard, lineage }, rows, quarantined: ledger.quarantined() };
  } finally {
    await ledger.close();
    await detector?.dispose();
  }
};

/** The stages of the second pass, by name, that images are read for. */
const looksAtImages = new Set(['label-regions', 'embed-with-teacher', 'write-shards']);

async function verdictsOf(
  { config, database }: TaskContext,
  folder: string,
  task: FinishTask,
  { verdicts }: Decisions,
): Promise<Verdicts> {
  const { near, radius, colours } = config.deduplicate;
  return readVerdicts(database, folder, task, verdicts, {
    near: near ? { radius, colours } : null,
    evaluation: config.decontaminate ?? null,
  });
}

interface Parts {
  readonly decisions: Decisions;
  readonly verdicts: Verdicts;
  readonly teacher: Teacher | null;
  readonly detector: Detector | null;
}

function stagesOf(config: Config, { decisions, verdicts, teacher, detector }: Parts): Stage[] {
  const { seed, images } = config;
  const { scoreThreshold, balanced, mix } = decisions;
  const stages: Stage[] = [];
  if (config.decontaminate) stages.push(decontaminate(verdicts.contaminatedOf, config.decontaminate.mode));
  if (config.boilerplate.enabled) {
    stages.push(dropBoilerplate(verdicts.boilerplateOf, { mode: config.boilerplate.mode, seed }));
  }
  if (readsImages(config)) stages.push(deduplicate(verdicts.duplicatesOf, config.deduplicate.mode));
  if (config.scores && scoreThreshold !== null)
    stages.push(filterByScore(scoreThreshold, config.scores.mode));
  if (balanced) stages.push(balanceTerms(verdicts.unbalancedOf, config.balance.mode));
  if (mix) stages.push(mixLanguages(mix, seed, config.mix.mode));
  if (detector) {
    const generic = new Map(
      Object.entries(decisions.genericWords).map(([language, words]) => [language, new Set(words)]),
    );
    stages.push(labelRegions(detector, config.regions, images.maxPixels, genericWords(generic)));
  }
  if (config.locca.enabled) stages.push(addLoccaTargets(config.locca, seed));
  // Scores of the first pass are kept where no text was taken away since.
  if (teacher) stages.push(embedWithTeacher(teacher, embedOptions(config)));
  return stages;
}

/** What a reader of the shards needs to use them: written in each footer. */
function shardMetadata(config: Config, teacher: Teacher | null): Record<string, string> {
  const facts: Record<string, string> = { assay: version, seed: String(config.seed) };
  if (teacher) {
    facts.teacher = JSON.stringify({
      dimension: teacher.dimension,
      scale: teacher.scale,
      bias: teacher.bias,
    });
  }
  return facts;
}

/** The batches but for those that ended the process that was at them: their rows are quarantined. */
async function* unitsOfRows(
  batches: AsyncIterable<RecordBatch>,
  { skip = [], only }: Units,
  { quarantine }: Pick<TaskLedger, 'quarantine'>,
): AsyncGenerator<RecordBatch> {
  const lost = new Map(skip.map(({ unit, how }) => [unit, how]));
  let unit = 0;
  for await (const batch of batches) {
    const how = lost.get(unit);
    if (how !== undefined) {
      for (let i = 0; i < batch.numRows; i += 1) {
        quarantine({
          key: column(batch, 'key').get(i),
          shard: column(batch, 'shard').get(i),
          rowGroup: column(batch, 'row_group').get(i),
          row: column(batch, 'row').get(i),
          stage: writingStage,
          reason: 'crashed-worker',
          detail: how,
        });
      }
    } else if (only === undefined || only === unit) yield batch;
    unit += 1;
  }
}
