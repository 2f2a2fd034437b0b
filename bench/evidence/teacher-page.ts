import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TeacherFigures, type TeacherName, type TeacherResult, teachers } from './teacher-plan.ts';

type Score = 'recallAt1' | 'languagesRecallAt1' | 'zeroShot';

/** Writes `teacher.json` and the page that shows it (`teacher.md`). */
export async function writeTeacherEvidence(folder: string, figures: TeacherFigures): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'teacher.json'), `${JSON.stringify(figures, null, 2)}\n`);
  await writeFile(join(folder, 'teacher.md'), teacherPage(figures));
}

/** The page: a row a teacher, each score as the median over seeds with the least and the most. */
export function teacherPage({ plan, mismatchedShare, results }: TeacherFigures): string {
  const heldOut = plan.style === 'validation' ? 'Twemoji' : 'OpenMoji';
  const names = Object.keys(teachers) as TeacherName[];
  return [
    '# What each stage of the teacher brings',
    '',
    `A teacher is trained ${plan.poolSteps + plan.fineTuneSteps} steps of ${plan.batch} pairs in all, over ${plan.seeds.length} seeds, on ${plan.rows.toLocaleString('en')} rows of emoji-109`,
    `of which ${mismatchedShare * 100}% carry another row's alt-texts, and is scored on ${heldOut}, which it never sees. Of two stages the`,
    `first takes ${plan.poolSteps} steps at a rate of ${plan.poolRate} and the second ${plan.fineTuneSteps} at ${plan.fineTuneRate}; one stage takes them all at ${plan.poolRate}. The`,
    `high-quality part is the ${plan.quality * 100}% of each language's rows whose image and text are the most alike to the first`,
    "stage's teacher. The control tells what is owed to the part from what is owed to the second stage's low rate.",
    '',
    '| teacher | trained on | rows | recall@1 | languages @1 | zero-shot |',
    '| --- | --- | ---: | ---: | ---: | ---: |',
    ...names.map((name) => rowOf(name, results)),
    '',
    'Made by `npm run evidence -- teacher`; the figures of every seed are in [teacher.json](teacher.json).',
    '',
  ].join('\n');
}

function rowOf(name: TeacherName, results: readonly TeacherResult[]): string {
  const own = results.filter(({ teacher }) => teacher === name);
  const scores = (['recallAt1', 'languagesRecallAt1', 'zeroShot'] as const).map((score) =>
    spread(own, score),
  );
  const rows = Math.round(median(own.map((result) => result.rows))).toLocaleString('en');
  return `| ${[name, teachers[name], rows, ...scores].join(' | ')} |`;
}

function spread(results: readonly TeacherResult[], score: Score): string {
  const values = results.map((result) => result[score]);
  const percent = (value: number) => (value * 100).toFixed(1);
  return `${percent(median(values))}% (${percent(Math.min(...values))}–${percent(Math.max(...values))})`;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}
