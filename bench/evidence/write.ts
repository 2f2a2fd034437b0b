import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { MethodName, Noise } from './plan.ts';
import type { EvidenceFigures, MethodFigures, Spread } from './summary.ts';

const titles: Readonly<Record<Noise, string>> = { web: 'Web-like noise', none: 'No noise' };

/** Writes `acid.json`, a chart for each pool (`acid-<noise>.svg`) and the page that shows them (`acid.md`). */
export async function writeEvidence(folder: string, figures: EvidenceFigures): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'acid.json'), `${JSON.stringify(figures, null, 2)}\n`);
  for (const [noise, methods] of entries(figures.noises)) {
    await writeFile(join(folder, `acid-${noise}.svg`), chartOf(methods));
  }
  await writeFile(join(folder, 'acid.md'), pageOf(figures));
}

function chartOf(methods: Readonly<Partial<Record<MethodName, MethodFigures>>>): string {
  const points = entries(methods).flatMap(([method, { curve }]) =>
    curve.map((point) => ({ method, ...point })),
  );
  const { document } = parseHTML('<html><body></body></html>');
  const chart = Plot.plot({
    document,
    width: 760,
    height: 420,
    marginRight: 110,
    style: { background: 'white', fontFamily: 'sans-serif', fontSize: '12px' },
    color: { domain: entries(methods).map(([method]) => method), scheme: 'Dark2' },
    x: { label: 'Step' },
    y: { label: 'Recall@1, held-out style', grid: true, percent: true },
    marks: [
      Plot.areaY(points, { x: 'step', y1: 'least', y2: 'most', fill: 'method', fillOpacity: 0.12 }),
      Plot.line(points, { x: 'step', y: 'mean', stroke: 'method', strokeWidth: 2 }),
      Plot.text(
        points,
        Plot.selectLast({
          x: 'step',
          y: 'mean',
          z: 'method',
          text: 'method',
          fill: 'method',
          textAnchor: 'start',
          dx: 6,
        }),
      ),
    ],
  });
  chart.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${chart.outerHTML}\n`;
}

function pageOf(figures: EvidenceFigures): string {
  const { plan } = figures;
  const sections = entries(figures.noises).map(([noise, methods]) =>
    [
      `## ${titles[noise]}`,
      '',
      `![Recall@1 by step](acid-${noise}.svg)`,
      '',
      '| method | recall@1 | languages @1 | zero-shot | steps ratio | compute ratio | seconds ratio |',
      '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
      ...entries(methods).map(([method, row]) => rowOf(method, row)),
      '',
    ].join('\n'),
  );
  return [
    '# Does selection pay?',
    '',
    `Each method trains a learner from the same initial weights on batches of ${plan.batch} pairs, over ${figures.seeds} seeds, and is`,
    `scored on a style of art that neither it nor its teacher was trained on. Uniform batches train ${count(plan.steps)} steps, what is`,
    `selected from ${plan.superBatch} pairs ${count(plan.selectedSteps)}, what is only distilled ${count(plan.distilledSteps)}. The pool: ${count(plan.rows)} rows of emoji-109 with`,
    `${plan.emoji} emoji. In the web-like one ${figures.mismatchedShare * 100}% of the rows carry another row's alt-texts. Settings (the learning`,
    `rate, ${plan.learningRate}, and the weight of distillation, ${plan.weight}) were chosen on another held-out style.`,
    '',
    "A ratio is uniform's cost over the method's, each to uniform's recall@1 at its end (medians over seeds; recall as the",
    'mean of three evaluations): over 1 the method is the better. Compute is the operations of the towers, scoring',
    'included; seconds are the steps by what a step of each takes, timed in turn in one process (' +
      `${figures.timings.processor}). A dash: most seeds never reached it in their steps.`,
    '',
    ...sections,
    'Made by `npm run evidence -- acid`; the figures of every seed are in [acid.json](acid.json).',
    '',
  ].join('\n');
}

const count = (value: number) => value.toLocaleString('en');

function rowOf(method: string, row: MethodFigures): string {
  const share = ({ median, values }: Spread) => {
    const known = values.filter((value) => value !== null);
    const percent = (value: number) => (value * 100).toFixed(1);
    return median === null
      ? '–'
      : `${percent(median)}% (${percent(Math.min(...known))}–${percent(Math.max(...known))})`;
  };
  const ratio = ({ median }: Spread) => (median === null ? '–' : median.toFixed(2));
  const cells = [
    method,
    share(row.recall),
    share(row.languagesRecall),
    share(row.zeroShot),
    ratio(row.stepsRatio),
    ratio(row.computeRatio),
    ratio(row.secondsRatio),
  ];
  return `| ${cells.join(' | ')} |`;
}

function entries<K extends string, V>(record: Readonly<Partial<Record<K, V>>>): [K, V][] {
  return Object.entries(record) as [K, V][];
}
