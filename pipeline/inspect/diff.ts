import type { EvaluationScores } from '../../schemas/reports.ts';
import { type ConfigChange, configChanges } from './config-changes.ts';
import { type OpenRun, openRun } from './open-run.ts';
import type { RunConfig, RunParts } from './run-parts.ts';

/** Two values of one thing, in the first run and in the second. */
export interface Pair<T> {
  readonly a: T;
  readonly b: T;
}

/** Rows whose state changed: kept, or the stage and reason for which they weren't. */
export interface Move {
  readonly from: string;
  readonly to: string;
  readonly rows: number;
  /** The first of their keys. */
  readonly example: string;
}

/** A language's part of the kept rows. */
export interface MixChange {
  readonly language: string;
  readonly kept: Pair<number>;
  readonly share: Pair<number>;
}

/** How a score of the rows that both runs kept moved. */
export interface ScoreShift {
  readonly score: string;
  /** Rows that have it in both. */
  readonly rows: number;
  readonly mean: Pair<number>;
  readonly meanChange: number;
  /** Quantiles of the change: 5%, 50%, 95%. */
  readonly quantiles: readonly number[];
  readonly largest: { readonly key: string; readonly change: number };
}

/** A learner in both runs, where both are distilled; null where a run has none of its name. */
export interface LearnerChange {
  readonly learner: string;
  readonly recallAt1: Pair<number | null>;
  readonly finalLoss: Pair<number | null>;
}

/** What changed between two runs. */
export interface RunDiff {
  readonly folders: Pair<string>;
  readonly config: readonly ConfigChange[];
  readonly counts: Pair<Counts | null>;
  readonly keptInBoth: number;
  /** Rows that only the second run kept, by what became of them in the first; `not read` where it hadn't them. */
  readonly entering: readonly Move[];
  /** Rows that only the first run kept, by what became of them in the second. */
  readonly leaving: readonly Move[];
  /** Rows that neither kept, for other reasons. */
  readonly moved: readonly Move[];
  /** By language, the one whose share moved most first; languages that didn't change are left out. */
  readonly mix: readonly MixChange[];
  /** Of rows kept in both: those whose text, language or number of regions differs. */
  readonly changed: { readonly text: number; readonly language: number; readonly regions: number };
  readonly scores: readonly ScoreShift[];
  readonly learners: readonly LearnerChange[];
  /** Pairs selected, and rows among them, of each run, and rows that both selected. */
  readonly selections: { readonly pairs: Pair<number>; readonly rows: Pair<number>; readonly inBoth: number };
}

/** Rows by what became of them. */
export interface Counts {
  readonly read: number;
  readonly kept: number;
  readonly dropped: number;
  readonly quarantined: number;
}

/** Compares two runs by their rows' keys. Throws a UsageError when either folder holds no run. */
export async function diffRuns(a: string, b: string): Promise<RunDiff> {
  const run = await openRun(a, { beside: b });
  try {
    const parts = { a: run.parts, b: run.beside as RunParts };
    const configs = configsOf(parts);
    await run.query(statesSql);
    const moves = await movesOf(run);
    return {
      folders: { a, b },
      config: configChanges(configs.a, configs.b),
      counts: { a: countsOf(parts.a), b: countsOf(parts.b) },
      ...moves,
      mix: await mixOf(run),
      changed: await changedOf(run),
      scores: await scoresOf(run),
      learners: learnersOf(parts),
      selections: await selectionsOf(run),
    };
  } finally {
    await run.close();
  }
}

/** What became of each row in each run; of a key that came twice, the kept one counts. */
const statesSql = ['main', 'other']
  .map(
    (schema, i) => `CREATE TEMP TABLE state_${'ab'[i]} AS
      SELECT key, coalesce(min(state) FILTER (state = 'kept'), min(state)) AS state FROM (
        SELECT key, 'kept' AS state FROM ${schema}.rows
        UNION ALL SELECT key, outcome || ': ' || stage || ', ' || reason FROM ${schema}.verdicts
        WHERE outcome <> 'labelled' AND key IS NOT NULL)
      GROUP BY key;`,
  )
  .join('\n');

async function movesOf(
  run: OpenRun,
): Promise<Pick<RunDiff, 'keptInBoth' | 'entering' | 'leaving' | 'moved'>> {
  const found = await run.query(
    `SELECT coalesce(a.state, 'not read') AS "from", coalesce(b.state, 'not read') AS "to", count(*) AS rows,
       min(key) AS example
     FROM state_a a FULL JOIN state_b b USING (key) GROUP BY ALL ORDER BY rows DESC, 1, 2`,
  );
  const all = found.map((row) => ({
    from: String(row.from),
    to: String(row.to),
    rows: Number(row.rows),
    example: String(row.example),
  }));
  const changed = all.filter(({ from, to }) => from !== to);
  return {
    keptInBoth: all.find(({ from, to }) => from === 'kept' && to === 'kept')?.rows ?? 0,
    entering: changed.filter(({ to }) => to === 'kept'),
    leaving: changed.filter(({ from }) => from === 'kept'),
    moved: changed.filter(({ from, to }) => from !== 'kept' && to !== 'kept'),
  };
}

async function mixOf(run: OpenRun): Promise<MixChange[]> {
  const found = await run.query(
    `WITH a AS (SELECT language, count(*) AS kept, count(*) / sum(count(*)) OVER () AS share FROM main.rows GROUP BY 1),
       b AS (SELECT language, count(*) AS kept, count(*) / sum(count(*)) OVER () AS share FROM other.rows GROUP BY 1)
     SELECT language, coalesce(a.kept, 0) AS kept_a, coalesce(b.kept, 0) AS kept_b,
       coalesce(a.share, 0)::DOUBLE AS share_a, coalesce(b.share, 0)::DOUBLE AS share_b
     FROM a FULL JOIN b USING (language) WHERE kept_a <> kept_b OR share_a <> share_b
     ORDER BY abs(share_a - share_b) DESC, language`,
  );
  return found.map((row) => ({
    language: String(row.language),
    kept: { a: Number(row.kept_a), b: Number(row.kept_b) },
    share: { a: Number(row.share_a), b: Number(row.share_b) },
  }));
}

async function changedOf(run: OpenRun): Promise<RunDiff['changed']> {
  const [row] = await run.query(
    `SELECT count(*) FILTER (a.text IS DISTINCT FROM b.text) AS text,
       count(*) FILTER (a.language IS DISTINCT FROM b.language) AS language,
       count(*) FILTER (coalesce(len(a.regions), 0) <> coalesce(len(b.regions), 0)) AS regions
     FROM main.rows a JOIN other.rows b USING (key)`,
  );
  return { text: Number(row?.text), language: Number(row?.language), regions: Number(row?.regions) };
}

/** Scores that both runs may give a row. */
const scores = ['text_score', 'language_score'] as const;

async function scoresOf(run: OpenRun): Promise<ScoreShift[]> {
  const shifts: ScoreShift[] = [];
  for (const score of scores) {
    const [row] = await run.query(
      `SELECT count(*) AS rows, avg(a) AS a, avg(b) AS b, avg(b - a) AS change,
         quantile_cont(b - a, [0.05, 0.5, 0.95]) AS quantiles, arg_max(key, abs(b - a)) AS key,
         arg_max(b - a, abs(b - a)) AS largest
       FROM (SELECT key, x.${score}::DOUBLE AS a, y.${score}::DOUBLE AS b
         FROM main.rows x JOIN other.rows y USING (key)) WHERE a IS NOT NULL AND b IS NOT NULL`,
    );
    if (row === undefined || Number(row.rows) === 0) continue;
    shifts.push({
      score,
      rows: Number(row.rows),
      mean: { a: Number(row.a), b: Number(row.b) },
      meanChange: Number(row.change),
      quantiles: (row.quantiles as unknown[]).map(Number),
      largest: { key: String(row.key), change: Number(row.largest) },
    });
  }
  return shifts;
}

async function selectionsOf(run: OpenRun): Promise<RunDiff['selections']> {
  const [row] = await run.query(
    `SELECT (SELECT count(*) FROM main.selections) AS pairs_a, (SELECT count(*) FROM other.selections) AS pairs_b,
       (SELECT count(DISTINCT key) FROM main.selections) AS rows_a,
       (SELECT count(DISTINCT key) FROM other.selections) AS rows_b,
       (SELECT count(*) FROM (SELECT key FROM main.selections INTERSECT SELECT key FROM other.selections)) AS both`,
  );
  return {
    pairs: { a: Number(row?.pairs_a), b: Number(row?.pairs_b) },
    rows: { a: Number(row?.rows_a), b: Number(row?.rows_b) },
    inBoth: Number(row?.both),
  };
}

/** The sections of a recipe that only distillation and training a teacher read. */
const trainingSections = ['distill', 'evaluation', 'teach'] as const;

/** What both runs were made with: of distillation where both are distilled, each by its own recipe. */
function configsOf({ a, b }: Pair<RunParts>): Pair<RunConfig> {
  const isDistilled = a.distilled !== null && b.distilled !== null;
  const of = ({ curated, distilled }: RunParts): RunConfig => {
    const config: Record<string, unknown> = { ...curated?.config };
    for (const name of trainingSections) delete config[name];
    return isDistilled
      ? { ...config, distill: distilled?.config.distill, evaluation: distilled?.config.evaluation }
      : config;
  };
  return { a: of(a), b: of(b) };
}

function countsOf({ curated }: RunParts): Counts | null {
  if (curated === null) return null;
  const { read, kept, dropped, quarantined } = curated.report;
  return { read, kept, dropped, quarantined };
}

function learnersOf(parts: Pair<RunParts>): LearnerChange[] {
  if (parts.a.distilled === null || parts.b.distilled === null) return [];
  const learners = ({ distilled }: RunParts) =>
    new Map((distilled?.report.learners ?? []).map((learner) => [learner.name, learner]));
  const [a, b] = [learners(parts.a), learners(parts.b)];
  const recall = (learner?: {
    readonly evaluation?: Pick<EvaluationScores, 'recallAt1'> | null | undefined;
  }) => learner?.evaluation?.recallAt1 ?? null;
  return [...new Set([...a.keys(), ...b.keys()])].map((name) => ({
    learner: name,
    recallAt1: { a: recall(a.get(name)), b: recall(b.get(name)) },
    finalLoss: { a: a.get(name)?.finalLoss ?? null, b: b.get(name)?.finalLoss ?? null },
  }));
}
