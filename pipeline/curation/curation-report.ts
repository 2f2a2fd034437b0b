import type { CurationReport, LanguageReport } from '../../schemas/reports.ts';
import type { BalancePlan } from '../../stages/balance/plan.ts';
import type { MixPlan } from '../../stages/mix/plan.ts';
import type { Config } from '../config.ts';
import { version } from '../version.ts';
import type { StageFigures } from './funnel.ts';
import type { Ledger } from './ledger.ts';

/** What a curation run found, from which its report is made. */
export interface CurationFindings {
  readonly config: Config;
  readonly ledger: Pick<Ledger, 'dropped' | 'quarantined' | 'quarantinedShards'>;
  readonly figures: readonly StageFigures[];
  readonly seen: Readonly<Record<string, number>>;
  readonly available: Readonly<Record<string, number>>;
  readonly balance?: BalancePlan | null;
  readonly plan: MixPlan | null;
  readonly kept: Readonly<Record<string, number>>;
  readonly regions: { readonly rows: number; readonly regions: number };
  readonly leftOut: CurationReport['leftOut'];
  readonly seconds: number;
}

const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);
const rowsOf = (reasons: readonly { rows: number }[]) => sum(reasons.map((reason) => reason.rows));

function balanceReport(plan: BalancePlan, config: Config): NonNullable<CurationReport['balance']> {
  const languages = Object.entries(plan.languages)
    .map(([language, facts]) => ({ language, ...facts }))
    .sort((a, b) => b.terms - a.terms || (a.language < b.language ? -1 : 1));
  return { englishThreshold: config.balance.englishThreshold, tailShare: plan.tailShare, languages };
}

/** The report of a curation run: pure arithmetic over what the stages counted. */
export function curationReport(findings: CurationFindings): CurationReport {
  const { config, ledger, figures, seen, kept, plan } = findings;
  const reasons = { dropped: ledger.dropped(), quarantined: ledger.quarantined() };
  const unread = rowsOf(reasons.quarantined.filter((reason) => reason.stage === 'read-shards'));
  const read = (figures[0]?.out ?? 0) + unread;
  const keptRows = sum(Object.values(kept));
  const [dropped, quarantined] = [rowsOf(reasons.dropped), rowsOf(reasons.quarantined)];
  const planned = plan ? sum(Object.values(plan.languages).map(({ quota }) => quota)) : 0;
  const languages: LanguageReport[] = Object.keys(seen)
    .map((language) => ({
      language,
      seen: seen[language] ?? 0,
      available: findings.available[language] ?? 0,
      kept: kept[language] ?? 0,
      requestedShare: planned > 0 ? (plan?.languages[language]?.quota ?? 0) / planned : 0,
      realisedShare: keptRows > 0 ? (kept[language] ?? 0) / keptRows : 0,
    }))
    .sort((a, b) => b.kept - a.kept || b.seen - a.seen || (a.language < b.language ? -1 : 1));
  return {
    kind: 'curation',
    version,
    seed: config.seed,
    seconds: Math.round(findings.seconds * 10) / 10,
    read,
    kept: keptRows,
    dropped,
    quarantined,
    quarantinedShards: ledger.quarantinedShards(),
    balanced: read === keptRows + dropped + quarantined,
    stages: figures,
    reasons,
    leftOut: findings.leftOut,
    languagesSeen: languages.filter(({ language }) => language !== 'und').length,
    mix: {
      requested: { english: config.mix.english },
      realised: { english: keptRows > 0 ? (kept.en ?? 0) / keptRows : 0 },
      shortfalls: plan?.shortfalls ?? [],
      missing: plan?.missing ?? [],
    },
    ...(findings.balance ? { balance: balanceReport(findings.balance, config) } : {}),
    languages,
    regions: findings.regions,
  };
}
