import { join } from 'node:path';
import type { DistillReport } from '../../schemas/reports.ts';
import { writeText } from '../run-folder.ts';
import { comparisonSentence } from './compare.ts';
import { page, type Section } from './html.ts';
import { distillFiles, inspectSection } from './sections/inspect.ts';
import { learningSection } from './sections/learning.ts';
import { leftOutSection } from './sections/left-out.ts';
import { selectionSection } from './sections/selection.ts';
import { type SelectionFacts, selectionFacts } from './selection-facts.ts';
import { count, duration, percent } from './words.ts';

/** Writes `report.html` of a distillation run: one file that needs no network and no script. */
export async function writeDistillPage(folder: string, report: DistillReport): Promise<void> {
  const head = {
    title: 'Distillation report',
    verdict: comparisonSentence(report),
    sound: true,
    facts: [
      { name: 'Rows', value: count(report.rows) },
      { name: 'Super-batch', value: count(report.superBatch) },
      { name: 'Batch', value: count(report.batch) },
      { name: 'Filter ratio', value: percent(report.filterRatio) },
      { name: 'Method', value: report.method },
      { name: 'Time', value: duration(report.seconds) },
      { name: 'Seed', value: String(report.seed) },
      { name: 'Assay', value: report.version },
    ],
  };
  const sections = [
    ...distillSections(report, await selectionFacts(folder)),
    leftOutSection(report.leftOut),
    inspectSection([distillFiles(folder)]),
  ];
  await writeText(join(folder, 'report.html'), page(head, sections));
}

/** The sections of a distillation before what was left out. */
export function distillSections(report: DistillReport, facts: SelectionFacts | null): Section[] {
  return [learningSection(report), selectionSection(facts, report)];
}
