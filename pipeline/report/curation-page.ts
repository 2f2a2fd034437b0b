import { join } from 'node:path';
import type { CurationReport } from '../../schemas/reports.ts';
import { writeText } from '../run-folder.ts';
import { type CurationExamples, curationExamples } from './examples.ts';
import { type PageHead, page, type Section } from './html.ts';
import { keptSection, leftSection } from './sections/examples.ts';
import { funnelSection } from './sections/funnel.ts';
import { curationFiles, inspectSection } from './sections/inspect.ts';
import { languagesSection } from './sections/languages.ts';
import { leftOutSection } from './sections/left-out.ts';
import { mixSection } from './sections/mix.ts';
import { regionsSection } from './sections/regions.ts';
import { balanceLine, count, duration, percent } from './words.ts';

/** Writes `report.html` of a curation run: one file that needs no network and no script. */
export async function writeCurationPage(folder: string, report: CurationReport): Promise<void> {
  const examples = await curationExamples(folder);
  const sections = [
    funnelSection(report),
    ...curationSections(report, examples),
    leftOutSection(report.leftOut),
    inspectSection([curationFiles(folder)]),
  ];
  await writeText(join(folder, 'report.html'), page(curationHead(report), sections));
}

/** The sections between a curation's funnel and what was left out. */
export function curationSections(report: CurationReport, examples: CurationExamples): Section[] {
  return [
    mixSection(report),
    languagesSection(report),
    keptSection(examples.kept),
    leftSection(examples.left, report),
    regionsSection(examples.regions, report),
  ];
}

function curationHead(report: CurationReport): PageHead {
  return {
    title: 'Curation report',
    verdict: balanceLine(report),
    sound: report.balanced,
    facts: [
      { name: 'Kept', value: count(report.kept) },
      { name: 'Quarantined', value: count(report.quarantined) },
      { name: 'English', value: percent(report.mix.realised.english, 2) },
      { name: 'Languages seen', value: count(report.languagesSeen) },
      { name: 'Regions', value: count(report.regions.regions) },
      { name: 'Time', value: duration(report.seconds) },
      { name: 'Seed', value: String(report.seed) },
      { name: 'Assay', value: report.version },
    ],
  };
}
