import type { CurationReport, DistillReport } from '../../schemas/reports.ts';
import { writeText } from '../run-folder.ts';
import { comparisonSentence } from './compare.ts';
import { curationSections } from './curation-page.ts';
import { distillSections } from './distill-page.ts';
import { curationExamples } from './examples.ts';
import { page, type Section } from './html.ts';
import { funnelSection } from './sections/funnel.ts';
import { curationFiles, distillFiles, inspectSection } from './sections/inspect.ts';
import { leftOutSection } from './sections/left-out.ts';
import { truthSection } from './sections/truth.ts';
import { selectionFacts } from './selection-facts.ts';
import { balanceLine, count, duration, percent } from './words.ts';

/** What the demo's page is made of. */
export interface DemoParts {
  readonly curation: CurationReport;
  readonly curationFolder: string;
  readonly distill: DistillReport;
  readonly distillFolder: string;
  /** Rows by the defect that the source planted in them, if it is known. */
  readonly truth: Record<string, number> | null;
  readonly notes?: readonly string[];
}

/** Writes one page of a curation and the distillation that followed: one file, no network, no script. */
export async function writeDemoPage(path: string, parts: DemoParts): Promise<void> {
  const { curation, distill } = parts;
  const [examples, facts] = [
    await curationExamples(parts.curationFolder),
    await selectionFacts(parts.distillFolder),
  ];
  const notes = parts.notes ?? [];
  const about: Section[] = parts.truth || notes.length > 0 ? [truthSection(parts.truth, notes)] : [];
  const sections = [
    funnelSection(curation, distill),
    ...curationSections(curation, examples),
    ...distillSections(distill, facts),
    leftOutSection([...curation.leftOut, ...distill.leftOut]),
    ...about,
    inspectSection([curationFiles(parts.curationFolder), distillFiles(parts.distillFolder)]),
  ];
  await writeText(path, page(demoHead(curation, distill), sections));
}

function demoHead(curation: CurationReport, distill: DistillReport) {
  return {
    title: 'From shards to a distilled learner',
    verdict: `${balanceLine(curation)}. ${comparisonSentence(distill)}`,
    sound: curation.balanced,
    facts: [
      { name: 'Kept', value: count(curation.kept) },
      { name: 'Quarantined', value: count(curation.quarantined) },
      { name: 'English', value: percent(curation.mix.realised.english, 2) },
      { name: 'Languages seen', value: count(curation.languagesSeen) },
      { name: 'Regions', value: count(curation.regions.regions) },
      { name: 'Filter ratio', value: percent(distill.filterRatio) },
      { name: 'Time', value: duration(curation.seconds + distill.seconds) },
      { name: 'Seed', value: String(curation.seed) },
      { name: 'Assay', value: curation.version },
    ],
  };
}
