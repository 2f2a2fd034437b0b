import type { CurationReport, LanguageReport, ReasonRows } from '../../schemas/reports.ts';
import type { TakenBack } from './taken-back.ts';

/**
 * The report of a data set that several runs wrote, one after the other: what they counted is summed, what holds over
 * the whole (languages' rows that the mix could take, its shortfalls) is as the last one found it. What one had
 * quarantined and a later one has read again counts once, for that one, in every figure. Pure. Throws without a report.
 */
export function mergeReports(
  reports: readonly CurationReport[],
  taken: readonly TakenBack[] = [],
): CurationReport {
  const last = reports.at(-1);
  if (last === undefined) throw new Error('there is no report to merge');
  const sum = (of: (report: CurationReport) => number) => reports.reduce((total, one) => total + of(one), 0);
  const takenOf = (of: 'rows' | 'shards') => taken.reduce((total, one) => total + one[of], 0);
  const [read, kept] = [sum((one) => one.read) - takenOf('rows'), sum((one) => one.kept)];
  const [dropped, quarantined] = [sum((one) => one.dropped), sum((one) => one.quarantined) - takenOf('rows')];
  const languages = mergeLanguages(reports, taken, kept);
  const english = languages.find(({ language }) => language === 'en')?.kept ?? 0;
  return {
    ...last,
    seconds: Math.round(10 * sum((one) => one.seconds)) / 10,
    ...{ read, kept, dropped, quarantined },
    quarantinedShards: sum((one) => one.quarantinedShards) - takenOf('shards'),
    balanced: read === kept + dropped + quarantined,
    stages: mergeStages(reports, taken),
    reasons: {
      dropped: mergeReasons(reports.map(({ reasons }) => reasons.dropped)),
      quarantined: mergeReasons([
        ...reports.map(({ reasons }) => reasons.quarantined),
        ...taken.map(({ reasons }) => reasons.map((one) => ({ ...one, rows: -one.rows }))),
      ]),
    },
    languagesSeen: languages.filter(({ language }) => language !== 'und').length,
    mix: { ...last.mix, realised: { english: kept > 0 ? english / kept : 0 } },
    languages,
    regions: { rows: sum((one) => one.regions.rows), regions: sum((one) => one.regions.regions) },
  };
}

function mergeLanguages(
  reports: readonly CurationReport[],
  taken: readonly TakenBack[],
  kept: number,
): LanguageReport[] {
  const byName = new Map<string, LanguageReport>();
  for (const [i, report] of reports.entries()) {
    for (const one of report.languages) {
      const before = byName.get(one.language);
      const isLast = i === reports.length - 1;
      byName.set(one.language, {
        language: one.language,
        seen: (before?.seen ?? 0) + one.seen,
        available: one.available,
        kept: (before?.kept ?? 0) + one.kept,
        requestedShare: isLast ? one.requestedShare : 0,
        realisedShare: 0,
      });
    }
  }
  for (const { languages = {} } of taken) {
    for (const [language, rows] of Object.entries(languages)) {
      const one = byName.get(language);
      if (one) byName.set(language, { ...one, seen: one.seen - rows });
    }
  }
  return [...byName.values()]
    .filter(({ seen }) => seen > 0)
    .map((one) => ({ ...one, realisedShare: kept > 0 ? one.kept / kept : 0 }))
    .sort((a, b) => b.kept - a.kept || b.seen - a.seen || (a.language < b.language ? -1 : 1));
}

function mergeStages(
  reports: readonly CurationReport[],
  taken: readonly TakenBack[],
): CurationReport['stages'] {
  const merged: { stage: string; in: number; out: number; seconds: number }[] = [];
  const add = (stages: CurationReport['stages']) => {
    const added = new Set<number>();
    for (const one of stages) {
      // A stage may be of both passes.
      const found = merged.findIndex(({ stage }, i) => stage === one.stage && !added.has(i));
      const at = found < 0 ? merged.length : found;
      const before = merged[at] ?? { stage: one.stage, in: 0, out: 0, seconds: 0 };
      const seconds = Math.round(1000 * (before.seconds + one.seconds)) / 1000;
      merged[at] = { ...before, in: before.in + one.in, out: before.out + one.out, seconds };
      added.add(at);
    }
  };
  for (const { stages } of reports) add(stages);
  for (const { languages = {}, stages = [] } of taken) {
    const rows = Object.values(languages).reduce((sum, count) => sum + count, 0);
    add(stages.map((stage) => ({ stage, in: -rows, out: -rows, seconds: 0 })));
  }
  return merged;
}

function mergeReasons(all: readonly (readonly ReasonRows[])[]): ReasonRows[] {
  const byName = new Map<string, ReasonRows>();
  for (const one of all.flat()) {
    const name = `${one.stage}\u0000${one.reason}`;
    byName.set(name, { ...one, rows: (byName.get(name)?.rows ?? 0) + one.rows });
  }
  return [...byName.values()].filter(({ rows }) => rows !== 0);
}
