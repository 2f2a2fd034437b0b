import { join } from 'node:path';
import Table from 'cli-table3';
import type { CurationReport, DistillReport, EvaluationScores } from '../../schemas/reports.ts';
import { comparisonSentence } from './compare.ts';
import { balanceLine, count, counted, duration, percent, shareOf } from './words.ts';

type Cell = string | number;

/** What a curation run did, as lines for a terminal: the balance, the reasons, the mix, where the report is. */
export function curationSummary(report: CurationReport, folder: string): string[] {
  const { mix, regions } = report;
  const asked = (share: number) => (wasMixed(report) ? percent(share, 2) : 'any');
  const kept = report.languages.filter((language) => language.kept > 0 && language.language !== 'und').length;
  return [
    `Curated in ${duration(report.seconds)} (assay ${report.version}, seed ${report.seed})`,
    balanceLine(report),
    quarantineLine(report),
    ...reasonsTable(report),
    ...table(
      ['mix', 'requested', 'realised'],
      [
        ['English', asked(mix.requested.english), percent(mix.realised.english, 2)],
        ['other languages', asked(1 - mix.requested.english), restRealised(report)],
      ],
    ),
    ...mix.shortfalls.map((shortfall) => `mix: ${shortfall}`),
    `Languages: ${count(report.languagesSeen)} seen, ${count(kept)} kept`,
    `Regions: ${counted(regions.regions, 'region')} on ${count(regions.rows)} of ${count(report.kept)} kept rows (${percent(shareOf(regions.rows, report.kept))})`,
    ...leftOutLines(report.leftOut),
    `Report: ${join(folder, 'report.html')}`,
  ];
}

function wasMixed(report: CurationReport): boolean {
  return report.leftOut.every(({ stage }) => stage !== 'mix-languages');
}

/** What a distillation run found, as lines for a terminal: both learners beside each other and the teacher. */
export function distillSummary(report: DistillReport, folder: string): string[] {
  const rows = report.learners.map((learner): Cell[] => [
    learner.name,
    ...scoreCells(learner.evaluation),
    learner.finalLoss.toFixed(3),
    duration(learner.seconds),
  ]);
  if (report.teacherAgreement) rows.push(['teacher', ...scoreCells(report.teacherAgreement), '', '']);
  const scored = report.learners.find((learner) => learner.evaluation)?.evaluation;
  return [
    `Distilled in ${duration(report.seconds)} (assay ${report.version}, seed ${report.seed})`,
    `${count(report.rows)} rows; ${count(report.batch)} of each ${count(report.superBatch)} selected by ${report.method} (filter ratio ${percent(report.filterRatio)})`,
    ...table(
      ['run', 'recall@1', 'recall@5', 'languages @1', 'languages @5', 'zero-shot', 'loss', 'time'],
      rows,
    ),
    ...(scored ? [scoredLine(scored)] : []),
    comparisonSentence(report),
    ...leftOutLines(report.leftOut),
    `Report: ${join(folder, 'report.html')}`,
  ];
}

function scoredLine({ images, languages }: EvaluationScores): string {
  const mean = languages ? `; "languages" is the mean over ${counted(languages.count, 'language')}` : '';
  return `Scored on ${counted(images, 'held-out image')}${mean}`;
}

function scoreCells(scores: EvaluationScores | null): string[] {
  if (!scores) return ['', '', '', '', ''];
  const { recallAt1, recallAt5, languages, zeroShot } = scores;
  const perLanguage = languages ? [percent(languages.recallAt1), percent(languages.recallAt5)] : ['', ''];
  return [percent(recallAt1), percent(recallAt5), ...perLanguage, percent(zeroShot)];
}

function quarantineLine(report: CurationReport): string {
  const shards = report.quarantinedShards;
  const rows = `Quarantined: ${counted(report.quarantined, 'row')}`;
  return shards > 0 ? `${rows}, and ${counted(shards, 'whole shard')} that could not be read` : rows;
}

function restRealised(report: CurationReport): string {
  return percent(report.kept > 0 ? 1 - report.mix.realised.english : 0, 2);
}

function reasonsTable({ reasons }: CurationReport): string[] {
  const rows = [
    ...reasons.dropped.map((reason) => ({ ...reason, kind: 'dropped' })),
    ...reasons.quarantined.map((reason) => ({ ...reason, kind: 'quarantined' })),
  ];
  if (rows.length === 0) return [];
  return table(
    ['stage', 'reason', 'went to', 'rows'],
    rows.map(({ stage, reason, kind, rows: many }) => [stage, reason, kind, count(many)]),
  );
}

function leftOutLines(leftOut: readonly { stage: string; why: string }[]): string[] {
  return leftOut.map(({ stage, why }) => `Left out: ${stage} (${why})`);
}

/** A table without colours; columns of figures, told by their cells, are aligned to the right. */
function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const figures = head.map((_, i) =>
    rows.every((row) => /^([\d.,]+( ?(%|s|min|h))?|)( .*)?$/.test(String(row[i]))),
  );
  const drawn = new Table({
    head: [...head],
    colAligns: figures.map((isFigure) => (isFigure ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn.toString().split('\n');
}
