import { printable } from './formats.ts';
import type { StageLine, StepLine, Why } from './why.ts';

/** Steps that are told one by one: of a long run the rest are counted. */
const mostSteps = 40;

/** The life of a row, as lines for a terminal; its texts can't steer it. */
export function whyLines(told: Why): string[] {
  return [
    `${told.key}: ${told.outcome === 'unread' ? 'known to the distillation alone' : told.outcome}`,
    ...rowLines(told),
    ...section('Stages', told.stages.map(stageLine)),
    ...duplicateLines(told),
    ...section(
      'Regions (box: ymin, xmin, ymax, xmax)',
      told.regions.map(({ text, score, box }) => {
        return `${text}, score ${score.toFixed(3)}, box ${box.map((edge) => edge.toFixed(3)).join(', ')}`;
      }),
    ),
    ...teacherLines(told),
    ...stepLines(told),
  ].map(printable);
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}

function rowLines({ read, written, row }: Why): string[] {
  const lines = [
    read === null
      ? 'read: not recorded'
      : `read: ${read.shard}${read.rowGroup === null ? '' : `, row group ${read.rowGroup}`}${read.row === null ? '' : `, row ${read.row}`}`,
  ];
  if (written) lines.push(`written: ${written.file}, row ${written.row}`);
  if (row === null) return lines;
  if (row.text !== null) lines.push(`text: ${row.text}`);
  const others = row.altTexts.filter((text) => text !== row.text);
  if (others.length > 0) lines.push(`other alt-texts: ${others.join(' | ')}`);
  for (const { text, reason } of row.removedTexts) lines.push(`removed alt-text (${reason}): ${text}`);
  return lines;
}

function stageLine({ stage, verdict, reason, checks }: StageLine): string {
  const found = checks.map(({ what, value, threshold }) => {
    const subject = what === reason ? value : `${what} ${value}`;
    return threshold === null ? subject : `${subject} (${threshold})`;
  });
  const said = reason === null ? verdict : `${verdict}: ${reason}`;
  return `${stage.padEnd(18)}  ${found.length === 0 ? said : `${said}; ${found.join('; ')}`}`;
}

function duplicateLines({ duplicates, key }: Why): string[] {
  if (duplicates === null) return [];
  return section(
    `Duplicates, of which ${duplicates.groupKey} is kept`,
    duplicates.members.map((member) => {
      const self = member.key === key ? ' (this row)' : '';
      if (member.kind === 'kept') return `${member.key}${self}: kept`;
      return `${member.key}${self}: ${member.kind}, ${member.outcome}${member.value === null ? '' : `, ${member.value}`}`;
    }),
  );
}

function teacherLines({ teacher, row }: Why): string[] {
  if (teacher === null) return [];
  const others = teacher.textScores.map((score, i) => `${score.toFixed(3)} of ${row?.altTexts[i] ?? ''}`);
  return section('Teacher', [
    `similarity ${teacher.textScore.toFixed(3)}`,
    ...(others.length > 1 ? others.map((line) => `similarity ${line}`) : []),
  ]);
}

function stepLines({ steps, offersRecorded }: Why): string[] {
  if (steps.length === 0) return [];
  const selected = steps.filter((step) => step.selected).length;
  const title = offersRecorded
    ? `Offered ${steps.length} times, selected ${selected} times`
    : `Selected ${selected} times (what was offered was not recorded)`;
  const lines = steps.slice(0, mostSteps).map(stepLine);
  const left = steps.length - lines.length;
  return section(title, left > 0 ? [...lines, `and ${left} more: --json has them all`] : lines);
}

function stepLine(step: StepLine): string {
  const { selfScore, learnerLoss, teacherLoss, chunk, logit } = step;
  const terms = [
    learnerLoss === null ? '' : `learner ${learnerLoss.toFixed(3)}`,
    teacherLoss === null ? '' : `teacher ${teacherLoss.toFixed(3)}`,
  ].filter((term) => term !== '');
  const score = selfScore === null ? '' : `, own score ${selfScore.toFixed(3)}`;
  const of = terms.length === 0 ? '' : ` (${terms.join(', ')})`;
  const how = step.selected ? `, selected in chunk ${chunk} at ${logit?.toFixed(3)}` : '';
  return `step ${step.step}${score}${of}${how}`;
}
