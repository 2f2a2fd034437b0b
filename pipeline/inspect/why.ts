import { mixDraw } from '../../stages/mix/plan.ts';
import { UsageError } from '../errors.ts';
import { type Check, type CheckedRow, checksOf } from './checks.ts';
import type { OpenRun } from './open-run.ts';

/** What became of a row; `unread` where only a distillation tells of it. */
export type Outcome = 'kept' | 'dropped' | 'quarantined' | 'unread';

/** What one stage said of a row. */
export interface StageLine {
  readonly stage: string;
  readonly verdict: 'passed' | 'labelled' | 'dropped' | 'quarantined' | 'not reached';
  /** Of a verdict against the row; null otherwise. */
  readonly reason: string | null;
  readonly checks: readonly Check[];
}

/** A member of a row's group of duplicates. */
export interface DuplicateMember {
  readonly key: string;
  readonly kind: string;
  readonly outcome: string;
  readonly value: string | null;
  readonly threshold: string | null;
}

/** A labelled region: its n-gram, its box as fractions (ymin, xmin, ymax, xmax), its score. */
export interface WhyRegion {
  readonly text: string;
  readonly score: number;
  readonly box: readonly number[];
}

/** A step at which a row was offered or selected; scores are null where they weren't recorded. */
export interface StepLine {
  /** Of an offer that was not taken, the first step that chose from its super-batch. */
  readonly step: number;
  readonly selected: boolean;
  /** s_ii: the learnability then, where that is the method. */
  readonly selfScore: number | null;
  readonly learnerLoss: number | null;
  readonly teacherLoss: number | null;
  /** Of a selected one: its chunk, and its score given what was selected before it. */
  readonly chunk: number | null;
  readonly logit: number | null;
}

/** The whole life of one row. What the run's files don't tell is null or empty. */
export interface Why {
  readonly key: string;
  readonly outcome: Outcome;
  readonly read: {
    readonly shard: string;
    readonly rowGroup: number | null;
    readonly row: number | null;
  } | null;
  readonly written: { readonly file: string; readonly row: number } | null;
  readonly row: {
    readonly text: string | null;
    readonly altTexts: readonly string[];
    readonly removedTexts: readonly { readonly text: string; readonly reason: string }[];
    readonly url: string | null;
    readonly language: string | null;
    readonly languageScore: number | null;
    readonly width: number | null;
    readonly height: number | null;
  } | null;
  readonly stages: readonly StageLine[];
  readonly duplicates: { readonly groupKey: string; readonly members: readonly DuplicateMember[] } | null;
  readonly regions: readonly WhyRegion[];
  /** The teacher's similarity of the image and its text, and of each of its alt-texts. */
  readonly teacher: { readonly textScore: number; readonly textScores: readonly number[] } | null;
  readonly steps: readonly StepLine[];
  /** Whether the run recorded what it offered and did not select. */
  readonly offersRecorded: boolean;
}

/** Members of a group that are told: a row may have thousands of copies. */
const mostMembers = 100;

type Found = Readonly<Record<string, unknown>>;

/** Tells the whole life of a row of an open run. Throws a {@link UsageError} when no file of the run knows its key. */
export async function why(run: OpenRun, key: string): Promise<Why> {
  const [row] = await run.query('SELECT * FROM rows WHERE key = $key LIMIT 1', { key });
  const against = await run.query(
    `SELECT 'dropped' AS outcome, stage, reason, value, threshold, shard, row_group, "row", language FROM dropped
     WHERE key = $key
     UNION ALL SELECT 'quarantined', stage, reason, detail, NULL, shard, row_group, "row", NULL FROM quarantined
     WHERE key = $key`,
    { key },
  );
  const steps = await stepsOf(run, key);
  const [gone] = against;
  if (row === undefined && gone === undefined && steps.length === 0) {
    throw new UsageError(`${key}: no row of this key in ${run.parts.folder}`);
  }
  const [lineage] = row ? await run.query('SELECT * FROM lineage WHERE key = $key LIMIT 1', { key }) : [];
  const duplicates = await duplicatesOf(run, key);
  const place = lineage ?? gone;
  const { offers } = run.parts.distilled?.files ?? { offers: [] };
  return {
    key,
    outcome: row ? 'kept' : ((gone?.outcome as Outcome | undefined) ?? 'unread'),
    read:
      typeof place?.shard === 'string'
        ? { shard: place.shard, rowGroup: number(place.row_group), row: number(place.row) }
        : null,
    written: row ? { file: String(row.file), row: Number(row.file_row) } : null,
    row: row ? factsOf(row) : null,
    stages: await stagesOf(run, key, row, gone, duplicates),
    duplicates,
    regions: regionsOf(row),
    teacher:
      typeof row?.text_score === 'number'
        ? { textScore: row.text_score, textScores: list(row.text_scores).map(Number) }
        : null,
    steps,
    offersRecorded: offers.length > 0,
  };
}

function factsOf(row: Found): NonNullable<Why['row']> {
  return {
    text: text(row.text),
    altTexts: list(row.alt_texts).map(String),
    removedTexts: list(row.removed_texts).map((removed) => {
      const { text: value, reason } = removed as { text: unknown; reason: unknown };
      return { text: String(value), reason: String(reason) };
    }),
    url: text(row.url),
    language: text(row.language),
    languageScore: number(row.language_score),
    width: number(row.width),
    height: number(row.height),
  };
}

function regionsOf(row: Found | undefined): WhyRegion[] {
  return list(row?.regions).map((region) => {
    const { text: ngram, score, box } = region as { text: unknown; score: unknown; box: unknown };
    return { text: String(ngram), score: Number(score), box: list(box).map(Number) };
  });
}

async function duplicatesOf(run: OpenRun, key: string): Promise<Why['duplicates']> {
  const members = await run.query(
    `SELECT group_key, key, kind, outcome, value, threshold FROM duplicates
     WHERE group_key = (SELECT group_key FROM duplicates WHERE key = $key ORDER BY group_key LIMIT 1)
     ORDER BY kind <> 'kept', key <> $key, key LIMIT ${mostMembers}`,
    { key },
  );
  const [first] = members;
  if (first === undefined) return null;
  return {
    groupKey: String(first.group_key),
    members: members.map((member) => ({
      key: String(member.key),
      kind: String(member.kind),
      outcome: String(member.outcome),
      value: text(member.value),
      threshold: text(member.threshold),
    })),
  };
}

async function stepsOf(run: OpenRun, key: string): Promise<StepLine[]> {
  const found = await run.query(
    `WITH offered AS (SELECT * FROM offers WHERE key = $key), selected AS (SELECT * FROM selections WHERE key = $key)
     SELECT coalesce(selected.step, offered.step) AS step,
       selected.step IS NOT NULL AS selected, coalesce(selected.self_score, offered.self_score) AS self_score,
       coalesce(selected.learner_loss, offered.learner_loss) AS learner_loss,
       coalesce(selected.teacher_loss, offered.teacher_loss) AS teacher_loss, chunk, logit
     FROM offered FULL JOIN selected ON offered.step = selected.step // $reuse * $reuse AND offered.index = selected.index
     ORDER BY step`,
    { key, reuse: reuseOf(run) },
  );
  return found.map((row) => ({
    step: Number(row.step),
    selected: row.selected === true,
    selfScore: number(row.self_score),
    learnerLoss: number(row.learner_loss),
    teacherLoss: number(row.teacher_loss),
    chunk: number(row.chunk),
    logit: number(row.logit),
  }));
}

/** Steps that choose from one super-batch, whose pairs are recorded at the first. */
function reuseOf({ parts }: OpenRun): number {
  const scoring = (parts.distilled?.config.distill as Found | undefined)?.scoring as Found | undefined;
  return typeof scoring?.reuse === 'number' && scoring.reuse >= 1 ? scoring.reuse : 1;
}

async function stagesOf(
  run: OpenRun,
  key: string,
  row: Found | undefined,
  gone: Found | undefined,
  duplicates: Why['duplicates'],
): Promise<StageLine[]> {
  const { curated } = run.parts;
  if (curated === null || (row === undefined && gone === undefined)) return [];
  const names = [...new Set(curated.report.stages.map(({ stage }) => stage))];
  // A verdict of a stage that the report doesn't list comes last.
  if (gone !== undefined && !names.includes(String(gone.stage))) names.push(String(gone.stage));
  const end = gone === undefined ? names.length : names.indexOf(String(gone.stage));
  const checked = row && (await checkedRow(run, key, row, duplicates));
  const labels = list(row?.labels) as {
    stage: unknown;
    reason: unknown;
    value: unknown;
    threshold: unknown;
  }[];
  return names.flatMap((stage, i): StageLine[] => {
    if (gone !== undefined && i === end) return [against(stage, gone.outcome as 'dropped', gone)];
    if (gone !== undefined && i > end) {
      return [{ stage, verdict: 'not reached', reason: null, checks: [] }];
    }
    const said = labels.filter((label) => label.stage === stage);
    if (said.length > 0) return said.map((label) => against(stage, 'labelled', label));
    const checks = checked ? checksOf(stage, checked, curated.config) : [];
    return [{ stage, verdict: 'passed', reason: null, checks }];
  });
}

function against(stage: string, verdict: 'dropped' | 'quarantined' | 'labelled', said: Found): StageLine {
  const { value, threshold } = said;
  const what = String(said.reason);
  return {
    stage,
    verdict,
    reason: what,
    checks: [{ what, value: String(value ?? ''), threshold: text(threshold) }],
  };
}

async function checkedRow(
  run: OpenRun,
  key: string,
  row: Found,
  duplicates: Why['duplicates'],
): Promise<CheckedRow> {
  const language = text(row.language);
  const [over] = await run.query(
    `SELECT threshold FROM dropped WHERE stage = 'mix-languages' AND threshold IS NOT NULL AND language = $language
     LIMIT 1`,
    { language },
  );
  return {
    width: number(row.width),
    height: number(row.height),
    imageStats: row.image_stats as Found | null,
    sha256: text(row.sha256),
    altTexts: list(row.alt_texts).map(String),
    removedTexts: list(row.removed_texts).length,
    language,
    languageScore: number(row.language_score),
    textScore: number(row.text_score),
    regions: row.regions === null ? null : list(row.regions).length,
    duplicates: duplicates?.members.length ?? 0,
    draw: mixDraw(key, run.parts.curated?.report.seed ?? 0),
    mixThreshold: text(over?.threshold),
  };
}

function text(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

function number(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
