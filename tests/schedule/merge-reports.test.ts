import { describe, expect, it } from 'vitest';
import { mergeReports } from '../../pipeline/schedule/merge-reports.ts';
import type { CurationReport } from '../../schemas/reports.ts';

const report = (rows: number, lost: number): CurationReport => ({
  ...{ kind: 'curation', version: '0', seed: 1, seconds: 1, quarantinedShards: 0, balanced: true },
  ...{ read: rows, kept: rows - lost, dropped: 0, quarantined: lost, leftOut: [], languagesSeen: 1 },
  stages: [
    { stage: 'read-shards', in: rows, out: rows, seconds: 1 },
    { stage: 'embed-with-teacher', in: rows, out: rows, seconds: 1 },
    { stage: 'deduplicate', in: rows - lost, out: rows - lost, seconds: 1 },
    { stage: 'embed-with-teacher', in: rows - lost, out: rows - lost, seconds: 1 },
  ],
  reasons: {
    dropped: [],
    quarantined: lost > 0 ? [{ stage: 'label-and-write', reason: 'crashed-worker', rows: lost }] : [],
  },
  mix: { requested: { english: 1 }, realised: { english: 1 }, shortfalls: [], missing: [] },
  languages: [
    {
      ...{ language: 'en', seen: rows, available: rows, kept: rows - lost },
      ...{ requestedShare: 1, realisedShare: 1 },
    },
  ],
  regions: { rows: 0, regions: 0 },
});

describe('the report of several runs', () => {
  it('counts a row that was lost and read again once, in a stage of both passes too', () => {
    const taken = {
      ...{ number: 1, rows: 8, shards: 0, languages: { en: 8 } },
      reasons: [{ stage: 'label-and-write', reason: 'crashed-worker', rows: 8 }],
      stages: ['read-shards', 'embed-with-teacher'],
    };
    const merged = mergeReports([report(40, 8), report(8, 0)], [taken]);
    const { stages, languages, reasons, ...figures } = merged;
    expect(figures).toMatchObject({ read: 40, kept: 40, quarantined: 0, balanced: true });
    expect(stages.map(({ stage, in: before, out }) => [stage, before, out])).toEqual([
      ['read-shards', 40, 40],
      ['embed-with-teacher', 40, 40],
      ['deduplicate', 40, 40],
      ['embed-with-teacher', 40, 40],
    ]);
    expect(languages).toMatchObject([{ language: 'en', seen: 40, kept: 40 }]);
    expect(reasons.quarantined).toEqual([]);
  });
});
