import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Teacher } from '../models/teacher.ts';
import { column } from '../schemas/batches.ts';
import type { CurationReport } from '../schemas/reports.ts';
import type { Stage, StageContext } from '../schemas/stage.ts';
import { addLoccaTargets } from '../stages/add-locca-targets.ts';
import type { BalancePlan } from '../stages/balance/plan.ts';
import { balanceTerms } from '../stages/balance-terms.ts';
import { decontaminate } from '../stages/decontaminate.ts';
import { deduplicate } from '../stages/deduplicate.ts';
import { dropBoilerplate } from '../stages/drop-boilerplate.ts';
import { embedWithTeacher } from '../stages/embed-with-teacher.ts';
import { filterByScore } from '../stages/filter-by-score.ts';
import { labelRegions } from '../stages/label-regions.ts';
import type { MixPlan } from '../stages/mix/plan.ts';
import { mixLanguages } from '../stages/mix-languages.ts';
import { recordLineage } from '../stages/record-lineage.ts';
import { createCaptionSample } from '../stages/regions/caption-sample.ts';
import type { Detector } from '../stages/regions/detector.ts';
import { genericWords } from '../stages/regions/generic-words.ts';
import { writeShards } from '../stages/write-shards.ts';
import { type Admitted, admit } from './admit.ts';
import type { Config } from './config.ts';
import { curationReport } from './curation-report.ts';
import type { EvaluationSetFacts } from './duplicates/evaluation-set.ts';
import { readEvaluation, reduceOptions, workFiles } from './duplicates/settings.ts';
import { UsageError } from './errors.ts';
import { chainStages, type StageFigures } from './funnel.ts';
import { resolveInput, resolveShards } from './inputs.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { leftOutWithoutImages, readsImages, withoutImages } from './metadata-only.ts';
import type { Progress } from './progress.ts';
import { type Reduction, reduceFacts } from './reduce.ts';
import { openDetector } from './region-detector.ts';
import { fileFacts, prepareRunFolder, writeJson } from './run-folder.ts';
import { embedOptions, openExecutorOf, openTeacher, resolveTeacher, teacherFacts } from './teacher.ts';
import { version } from './version.ts';

/** What a run needs beside its recipe. */
export interface RunContext {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** The recipe's path, for messages. */
  readonly configPath: string;
}

interface Models {
  readonly teacher: Teacher | null;
  readonly detector: Detector | null;
}

interface Run extends RunContext {
  readonly config: Config;
  readonly folder: string;
  readonly ledger: Ledger;
  readonly context: StageContext;
}

/**
 * Curates shards into a run's folder, in two passes. The first admits rows (images, texts, language) to a spool and
 * keeps a few facts of each; DuckDB reduces the facts to what needs the whole data set (duplicates, the mix); the
 * second applies it, labels regions, embeds with the teacher and writes shards. Memory doesn't grow with the data.
 * Of shards without images it does what can be done without. Throws a {@link UsageError} when the recipe can't be run.
 */
export async function curate(given: Config, folder: string, run: RunContext): Promise<CurationReport> {
  const started = performance.now();
  const config = readsImages(given) ? given : withoutImages(given);
  if (!config.input) throw new UsageError(`${run.configPath}: input.shards: required to curate`);
  const shards = await resolveInput(config.input, run.configPath);
  const checkpoint = config.teacher && (await resolveTeacher(config.teacher, run.configPath, run));
  if (config.scores && checkpoint === undefined) {
    throw new UsageError(`${run.configPath}: scores: needs teacher.checkpoint`);
  }
  const evaluationShards =
    config.decontaminate &&
    (await resolveShards(config.decontaminate.shards, 'decontaminate.shards', run.configPath));
  const executor = checkpoint ? await openExecutorOf(config, run.configPath) : null;
  await prepareRunFolder(folder);
  const ledger = await openLedger(folder);
  const context: StageContext = {
    signal: run.signal,
    quarantine: ledger.quarantine,
    drop: ledger.drop,
  };
  const whole: Run = { ...run, config, folder, ledger, context };
  const teacher = checkpoint && executor ? await openTeacher(checkpoint, executor, config) : null;
  let detector: Detector | null = null;
  try {
    detector = await openDetector(config, teacher, run.configPath);
    const evaluationSet = evaluationShards
      ? await readEvaluation(config, evaluationShards, folder, run.signal)
      : null;
    const admitted = await admit({ ...whole, teacher }, shards);
    const files = workFiles(folder);
    const reduction = await reduceFacts(
      files.facts,
      join(folder, 'work'),
      reduceOptions(config, folder, run.signal),
    );
    const plan = config.mix.enabled ? await reduction.planMix(config.mix) : null;
    const generic = await genericWordsOf(whole, admitted, { teacher, detector });
    const finished = await finish(whole, admitted, { reduction, plan, generic }, { teacher, detector });
    reduction.close();
    await ledger.close();
    const report = curationReport({
      config,
      ledger,
      figures: [...admitted.figures, ...finished.figures],
      seen: admitted.seen,
      available: reduction.counts,
      balance: reduction.balanced,
      plan,
      kept: finished.kept,
      regions: finished.regions,
      leftOut: leftOut(given, evaluationSet, reduction.balanced),
      seconds: (performance.now() - started) / 1000,
    });
    await writeManifest(
      { ...whole, config: given },
      { shards, evaluation: evaluationShards ?? [] },
      checkpoint ?? null,
      teacher,
      report,
      generic,
    );
    await writeJson(join(folder, 'report.json'), report);
    await rm(join(folder, 'work'), { recursive: true });
    return report;
  } catch (error) {
    await ledger.abort().catch(() => {});
    throw error;
  } finally {
    await detector?.dispose();
    await teacher?.dispose();
  }
}

/** The generic words that a sample of the admitted rows shows, by language; none without a teacher or a use for them. */
async function genericWordsOf(
  { config, context, progress }: Run,
  admitted: Admitted,
  { teacher, detector }: Models,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const { genericWords: looked } = config.regions;
  if (!detector || !teacher || looked.sample === 0) return new Map();
  const { maxPixels } = config.images;
  const captions = createCaptionSample(teacher, looked, { seed: config.seed, maxPixels });
  const task = progress.start('looking for generic words', admitted.rows, 'rows');
  let done = 0;
  for await (const batch of admitted.batches()) {
    context.signal.throwIfAborted();
    await captions.add(batch);
    done += batch.numRows;
    task.update(done);
  }
  task.end();
  return captions.genericWords();
}

/** What the whole data set decides, between the passes. */
interface Decisions {
  readonly reduction: Reduction;
  readonly plan: MixPlan | null;
  readonly generic: ReadonlyMap<string, ReadonlySet<string>>;
}

async function finish(
  run: Run,
  admitted: Admitted,
  { reduction, plan, generic }: Decisions,
  { teacher, detector }: Models,
) {
  const { config, context, folder, ledger } = run;
  const stages: Stage[] = config.decontaminate
    ? [decontaminate(reduction.contaminatedOf, config.decontaminate.mode)]
    : [];
  if (config.boilerplate.enabled) {
    const { mode } = config.boilerplate;
    stages.push(dropBoilerplate(reduction.boilerplateOf, { mode, seed: config.seed }));
  }
  if (readsImages(config)) stages.push(deduplicate(reduction.duplicatesOf, config.deduplicate.mode));
  const { scoreThreshold } = reduction;
  if (config.scores && scoreThreshold !== null)
    stages.push(filterByScore(scoreThreshold, config.scores.mode));
  if (reduction.balanced) stages.push(balanceTerms(reduction.unbalancedOf, config.balance.mode));
  if (plan) stages.push(mixLanguages(plan, config.seed, config.mix.mode));
  if (detector) {
    const { maxPixels } = config.images;
    stages.push(labelRegions(detector, config.regions, maxPixels, genericWords(generic)));
  }
  if (config.locca.enabled) stages.push(addLoccaTargets(config.locca, config.seed));
  // Scores of the first pass are kept where no text was taken away since.
  if (teacher) stages.push(embedWithTeacher(teacher, embedOptions(config)));
  const shards = writeShards(join(folder, 'shards'), config.output, shardMetadata(config, teacher));
  stages.push(recordLineage(shards, join(folder, 'lineage'), config.output.shardRows));
  const chain = chainStages({ name: 'admitted', batches: admitted.batches() }, stages, context);
  const target = plan
    ? Object.values(plan.languages).reduce((sum, { quota }) => sum + quota, 0)
    : admitted.rows;
  const task = run.progress.start('labelling and writing', target, 'rows');
  const kept: Record<string, number> = {};
  const regions = { rows: 0, regions: 0 };
  let done = 0;
  for await (const batch of chain.batches) {
    for (const language of column(batch, 'language')) kept[language] = (kept[language] ?? 0) + 1;
    for (const list of batch.getChild('regions') ?? []) {
      regions.rows += list?.length > 0 ? 1 : 0;
      regions.regions += list?.length ?? 0;
    }
    await ledger.flush();
    done += batch.numRows;
    task.update(done);
  }
  task.end();
  // The spool is no stage of the funnel: its rows are those the first pass let through.
  return { kept, regions, figures: chain.figures().slice(1) as StageFigures[] };
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

function leftOut(
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

async function writeManifest(
  run: Run,
  input: { readonly shards: readonly string[]; readonly evaluation: readonly string[] },
  checkpoint: string | null,
  teacher: Teacher | null,
  report: CurationReport,
  generic: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<void> {
  const { folder, config } = run;
  const facts = async (part: string) => {
    const names = (await readdir(join(folder, part)).catch(() => [])).sort();
    return Promise.all(names.map((name) => fileFacts(join(folder, part, name), `${part}/${name}`)));
  };
  await writeJson(join(folder, 'manifest.json'), {
    kind: 'curation',
    version,
    config,
    configSha256: createHash('sha256').update(JSON.stringify(config)).digest('hex'),
    input: await Promise.all(input.shards.map((path) => fileFacts(path))),
    evaluation: await Promise.all(input.evaluation.map((path) => fileFacts(path))),
    teacher:
      checkpoint && teacher
        ? {
            ...(await teacherFacts(checkpoint)),
            dimension: teacher.dimension,
            imageSize: teacher.imageSize,
            scale: teacher.scale,
            bias: teacher.bias,
          }
        : null,
    // What the data itself showed to be generic words of captions, by language.
    genericWords: Object.fromEntries(
      [...generic].sort().map(([language, words]) => [language, [...words].sort()]),
    ),
    rows: { read: report.read, kept: report.kept, dropped: report.dropped, quarantined: report.quarantined },
    output: (await Promise.all(['shards', 'quarantine', 'dropped', 'lineage'].map(facts))).flat(),
  });
}
