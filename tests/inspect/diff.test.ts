import { beforeAll, describe, expect, it } from 'vitest';
import { configChanges } from '../../pipeline/inspect/config-changes.ts';
import { diffRuns, type Move, type RunDiff } from '../../pipeline/inspect/diff.ts';
import { diffLines } from '../../pipeline/inspect/diff-lines.ts';
import { type MadeRun, makeRun } from './made-run.ts';

let [a, b]: MadeRun[] = [];
let diff: RunDiff;

beforeAll(async () => {
  a = await makeRun({ rows: 60, seed: 1, name: 'a' });
  b = await makeRun({ rows: 80, seed: 2, name: "b's", english: 0.8 });
  diff = await diffRuns(a.folder, b.folder);
});

/** What became of each row, from the made values. */
function statesOf({ rows, dropped, quarantined }: MadeRun): Map<string, string> {
  return new Map([
    ...quarantined.map((key) => [key, 'quarantined: check-images, undecodable-image'] as const),
    ...dropped.map(({ key, stage, reason }) => [key, `dropped: ${stage}, ${reason}`] as const),
    ...rows.map(({ key }) => [key, 'kept'] as const),
  ]);
}

function movesBetween(from: MadeRun, to: MadeRun): Map<string, number> {
  const [before, after] = [statesOf(from), statesOf(to)];
  const counts = new Map<string, number>();
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [x, y] = [before.get(key) ?? 'not read', after.get(key) ?? 'not read'];
    if (x !== y) counts.set(`${x} -> ${y}`, (counts.get(`${x} -> ${y}`) ?? 0) + 1);
  }
  return counts;
}

const counted = (moves: readonly Move[]) =>
  new Map(moves.map(({ from, to, rows }) => [`${from} -> ${to}`, rows]));

describe('diff', () => {
  it('tells every row that came or went, by what became of it in the other run', () => {
    const expected = movesBetween(a as MadeRun, b as MadeRun);
    expect(counted([...diff.entering, ...diff.leaving, ...diff.moved])).toEqual(expected);
    expect(diff.entering.every(({ to }) => to === 'kept')).toBe(true);
    expect(diff.entering.reduce((sum, { rows }) => sum + rows, 0)).toBe(20);
    expect(diff.keptInBoth).toBe(60);
  });

  it('turned round says the opposite', async () => {
    const turned = await diffRuns(b?.folder ?? '', a?.folder ?? '');
    const flipped = (moves: readonly Move[]) =>
      moves.map(({ from, to, rows }) => ({ from: to, to: from, rows }));
    const plain = (moves: readonly Move[]) => moves.map(({ from, to, rows }) => ({ from, to, rows }));
    expect(plain(turned.leaving)).toEqual(flipped(diff.entering));
    expect(turned.scores[0]?.meanChange).toBeCloseTo(-(diff.scores[0]?.meanChange ?? 0), 6);
  });

  it('tells the mix, by how far shares moved', () => {
    for (const { language, kept, share } of diff.mix) {
      const rows = (run?: MadeRun) => (run?.rows ?? []).filter((row) => row.language === language).length;
      expect(kept).toEqual({ a: rows(a), b: rows(b) });
      expect(share.a).toBeCloseTo(rows(a) / 60, 9);
      expect(share.b).toBeCloseTo(rows(b) / 80, 9);
    }
    const moved = diff.mix.map(({ share }) => Math.abs(share.a - share.b));
    expect(moved).toEqual([...moved].sort((x, y) => y - x));
  });

  it('tells how scores of the rows in both moved', () => {
    const after = new Map(b?.rows.map((row) => [row.key, row]));
    const changes = (a?.rows ?? []).map((row) => (after.get(row.key)?.textScore ?? 0) - row.textScore);
    const [shift] = diff.scores;
    expect(shift).toMatchObject({ score: 'text_score', rows: 60 });
    expect(shift?.meanChange).toBeCloseTo(changes.reduce((sum, change) => sum + change, 0) / 60, 6);
    const sorted = [...changes].sort((x, y) => x - y);
    expect(shift?.quantiles[1]).toBeCloseTo(((sorted[29] ?? 0) + (sorted[30] ?? 0)) / 2, 6);
    expect(Math.abs(shift?.largest.change ?? 0)).toBeCloseTo(Math.max(...changes.map(Math.abs)), 6);
    const texts = (a?.rows ?? []).filter((row) => after.get(row.key)?.text !== row.text).length;
    expect(diff.changed.text).toBe(texts);
  });

  it('says of a run and itself that nothing changed', async () => {
    const same = await diffRuns(a?.folder ?? '', a?.folder ?? '');
    expect([same.entering, same.leaving, same.moved, same.mix, same.config]).toEqual([[], [], [], [], []]);
    expect(same.changed).toEqual({ text: 0, language: 0, regions: 0 });
    expect(same.selections.inBoth).toBe(same.selections.rows.a);
  });

  it('is told in lines that cannot steer a terminal', () => {
    const lines = diffLines(diff).join('\n');
    expect(lines).toContain('Entering: kept in b alone (20 rows)');
    expect(lines.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202a-\u202e]/u);
  });
});

describe('settings that differ', () => {
  it('are told by their paths, absent ones too, lists whole', () => {
    const left = { seed: 1, mix: { english: 0.9, caps: {} }, list: [1, 2] };
    const right = { seed: 1, mix: { english: 0.8, rows: 5 }, list: [1, 3] };
    expect(configChanges(left, right)).toEqual([
      { setting: 'list', a: [1, 2], b: [1, 3] },
      { setting: 'mix.english', a: 0.9, b: 0.8 },
      { setting: 'mix.rows', b: 5 },
    ]);
  });
});
