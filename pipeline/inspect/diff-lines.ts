import Table from 'cli-table3';
import type { Move, RunDiff } from './diff.ts';
import { printable } from './formats.ts';

/** Languages, settings and reasons that are told; --json has them all. */
const mostLines = 15;

/** What changed, as lines for a terminal. */
export function diffLines(diff: RunDiff): string[] {
  const { folders, counts } = diff;
  return [
    `a: ${printable(folders.a)}`,
    `b: ${printable(folders.b)}`,
    ...section('Settings', configLines(diff)),
    ...(counts.a && counts.b
      ? section(
          'Rows',
          table(
            ['', 'a', 'b', 'change'],
            (['read', 'kept', 'dropped', 'quarantined'] as const).map((name) => {
              const [a, b] = [counts.a?.[name] ?? 0, counts.b?.[name] ?? 0];
              return [name, `${a}`, `${b}`, signed(b - a)];
            }),
          ),
        )
      : []),
    ...section(
      `Entering: kept in b alone (${total(diff.entering)})`,
      moves(diff.entering, ({ from }) => from, 'in a'),
    ),
    ...section(
      `Leaving: kept in a alone (${total(diff.leaving)})`,
      moves(diff.leaving, ({ to }) => to, 'in b'),
    ),
    ...section(
      `Left out of both, otherwise (${total(diff.moved)})`,
      moves(diff.moved, ({ from, to }) => `${from} -> ${to}`, 'in a -> in b'),
    ),
    ...section('Mix of the kept rows', mixLines(diff)),
    ...section(`Rows kept in both: ${diff.keptInBoth}`, bothLines(diff)),
    ...section('Distillation', learnerLines(diff)),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines];
}

function configLines({ config }: RunDiff): string[] {
  if (config.length === 0) return ['the same'];
  const value = (said: unknown) => (said === undefined ? '' : JSON.stringify(said));
  return table(
    ['setting', 'a', 'b'],
    first(config, ({ setting, a, b }) => [setting, value(a), value(b)]),
  );
}

function moves(all: readonly Move[], name: (move: Move) => string, head: string): string[] {
  if (all.length === 0) return [];
  return table(
    [head, 'rows', 'such as'],
    first(all, (move) => [name(move), `${move.rows}`, move.example]),
  );
}

function mixLines({ mix }: RunDiff): string[] {
  if (mix.length === 0) return ['the same'];
  const percent = (share: number) => `${(100 * share).toFixed(2)}%`;
  const rows = first(mix, ({ language, kept, share }) => [
    language,
    `${kept.a}`,
    `${kept.b}`,
    percent(share.a),
    percent(share.b),
  ]);
  return table(['language', 'kept in a', 'in b', 'share in a', 'in b'], rows);
}

function bothLines({ changed, scores, keptInBoth }: RunDiff): string[] {
  if (keptInBoth === 0) return [];
  const drawn = table(
    ['score', 'rows', 'mean in a', 'in b', 'change: 5%', 'median', '95%', 'largest', 'of'],
    scores.map(({ score, rows, mean, quantiles, largest }) => [
      score,
      `${rows}`,
      mean.a.toFixed(4),
      mean.b.toFixed(4),
      ...quantiles.map((change) => signed(change, 4)),
      signed(largest.change, 4),
      largest.key,
    ]),
  );
  return [
    `text differs in ${changed.text}, language in ${changed.language}, the number of regions in ${changed.regions}`,
    ...(scores.length > 0 ? drawn : []),
  ];
}

function learnerLines({ learners, selections }: RunDiff): string[] {
  const { pairs, rows, inBoth } = selections;
  const figure = (value: number | null, digits: number) => (value === null ? '' : value.toFixed(digits));
  const drawn = table(
    ['learner', 'recall@1 in a', 'in b', 'loss in a', 'in b'],
    learners.map(({ learner, recallAt1, finalLoss }) => [
      learner,
      figure(recallAt1.a, 4),
      figure(recallAt1.b, 4),
      figure(finalLoss.a, 3),
      figure(finalLoss.b, 3),
    ]),
  );
  return [
    ...(learners.length > 0 ? drawn : []),
    ...(learners.length > 0 && (pairs.a > 0 || pairs.b > 0)
      ? [
          `selected ${pairs.a} pairs of ${rows.a} rows in a, ${pairs.b} of ${rows.b} in b; ${inBoth} rows in both`,
        ]
      : []),
  ];
}

function first<T>(all: readonly T[], cells: (item: T) => string[]): string[][] {
  const shown = all.slice(0, mostLines).map((item) => cells(item).map(printable));
  return all.length > mostLines
    ? [
        ...shown,
        [
          `and ${all.length - mostLines} more`,
          ...cells(all[0] as T)
            .slice(1)
            .fill(''),
        ],
      ]
    : shown;
}

function total(all: readonly Move[]): string {
  const rows = all.reduce((sum, move) => sum + move.rows, 0);
  return rows === 1 ? '1 row' : `${rows} rows`;
}

function signed(value: number, digits = 0): string {
  return `${value > 0 ? '+' : ''}${value.toFixed(digits)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const drawn = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  drawn.push(...rows.map((row) => [...row]));
  return drawn.toString().split('\n');
}
