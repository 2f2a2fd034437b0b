/** A row and the group that it was put in. */
export interface FoundRow {
  readonly key: string;
  readonly sha256: string;
  readonly group: string;
}

/** How pairs that were found agree with the planted ones. */
export interface PairScores {
  readonly planted: number;
  readonly found: number;
  readonly precision: number;
  readonly recall: number;
}

/**
 * Scores groups by their pairs against the true groups (by key): pairs of rows in one group, those with the same bytes
 * aside. Precision and recall are 1 where there is no pair to be wrong about.
 */
export function pairScores(rows: readonly FoundRow[], truth: ReadonlyMap<string, string>): PairScores {
  const trueGroup = ({ key }: FoundRow) => truth.get(key) ?? key;
  const planted = nearPairs(rows, trueGroup);
  const found = nearPairs(rows, ({ group }) => group);
  const right = nearPairs(rows, (row) => `${row.group}\u0000${trueGroup(row)}`);
  return {
    planted,
    found,
    precision: found === 0 ? 1 : right / found,
    recall: planted === 0 ? 1 : right / planted,
  };
}

/** Pairs in the same group, less those of them with the same bytes. */
function nearPairs(rows: readonly FoundRow[], groupOf: (row: FoundRow) => string): number {
  const all = pairsOf(rows.map(groupOf));
  return all - pairsOf(rows.map((row) => `${groupOf(row)}\u0000${row.sha256}`));
}

function pairsOf(names: readonly string[]): number {
  const sizes = new Map<string, number>();
  for (const name of names) sizes.set(name, (sizes.get(name) ?? 0) + 1);
  return [...sizes.values()].reduce((sum, n) => sum + (n * (n - 1)) / 2, 0);
}
