import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { type Html, html, trusted } from './html.ts';
import { percent } from './words.ts';

/** A line of a chart. */
export interface Line {
  readonly name: string;
  /** A CSS colour. */
  readonly colour: string;
  readonly dashed: boolean;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** What is around a chart: `label` is what a screen reader says of it. */
export interface ChartOptions {
  readonly title: string;
  readonly note?: string;
  readonly label: string;
  readonly x: string;
  readonly y: string;
  /** Whether y is a share, to be written as percent. */
  readonly share?: boolean;
}

/** Lines over the same axes, drawn as inline SVG: one path a line, a dot a point. */
export function lineChart(lines: readonly Line[], options: ChartOptions): Html {
  const values = lines.flatMap(({ points }) => points.map(({ y }) => y));
  const digits = Math.max(0, ...values) < 0.05 ? 1 : 0;
  const dots = lines.every((line) => line.points.length <= 40);
  const svg = draw(options, {
    width: 420,
    height: 270,
    marginLeft: 48,
    marginBottom: 38,
    marginTop: 24,
    x: { label: options.x, nice: true, ticks: 6, zero: true },
    y: {
      label: options.y,
      nice: true,
      ticks: 5,
      grid: true,
      zero: options.share === true,
      ...(options.share ? { tickFormat: (value: number) => percent(value, digits) } : {}),
    },
    marks: lines.flatMap((line) => [
      Plot.line(line.points, {
        x: 'x',
        y: 'y',
        stroke: line.colour,
        strokeWidth: 2.2,
        ariaLabel: () => `${line.name}: ${options.y}`,
        ...(line.dashed ? { strokeDasharray: '6 4' } : {}),
      }),
      ...(dots ? [Plot.dot(line.points, { x: 'x', y: 'y', r: 2.6, fill: line.colour })] : []),
    ]),
  });
  return figure(options, svg, lines.length > 1 ? keysOf(lines) : null, 'chart');
}

/** A share of a language beside what it is measured against. */
export interface SharePair {
  readonly language: string;
  readonly name: string;
  readonly bar: number;
  readonly mark: number;
}

/** Languages a share chart shows: more would run into each other. */
const mostLanguages = 120;

/** Shares of languages as bars, each with a mark for what it is measured against (if it is); the largest first. */
export function shareChart(
  pairs: readonly SharePair[],
  names: { readonly bar: string; readonly mark: string | null },
  options: ChartOptions,
): Html {
  const size = (pair: SharePair) => Math.max(pair.bar, pair.mark);
  const shown = pairs.toSorted((a, b) => size(b) - size(a)).slice(0, mostLanguages);
  const most = Math.max(...shown.map(size), 1e-6);
  const digits = most < 0.02 ? 2 : 1;
  const svg = draw(options, {
    width: 1080,
    height: 270,
    marginLeft: 48,
    marginBottom: 50,
    marginTop: 24,
    x: {
      domain: shown.map((pair) => pair.language),
      tickRotate: -90,
      tickSize: 0,
      label: options.x,
      labelOffset: 46,
      padding: 0.25,
    },
    y: {
      label: options.y,
      grid: true,
      nice: true,
      zero: true,
      ticks: 5,
      tickFormat: (value: number) => percent(value, digits),
    },
    marks: [
      Plot.barY(shown, {
        x: 'language',
        y: 'bar',
        fill: 'var(--bar)',
        ariaLabel: (pair: SharePair) => `${pair.name}: ${names.bar}`,
        title: (pair: SharePair) => {
          const mark = names.mark === null ? '' : `, ${names.mark} ${percent(pair.mark, 2)}`;
          return `${pair.name}: ${names.bar} ${percent(pair.bar, 2)}${mark}`;
        },
      }),
      ...(names.mark === null
        ? []
        : [
            Plot.tickY(shown, {
              x: 'language',
              y: 'mark',
              stroke: 'var(--first)',
              strokeWidth: 2,
              ariaLabel: (pair: SharePair) => `${pair.name}: ${names.mark}`,
            }),
          ]),
    ],
  });
  const keys = html`<span class="key"><i class="block" style="background:var(--bar)"></i>${names.bar}</span>
${names.mark === null ? null : html`<span class="key"><i style="border-color:var(--first)"></i>${names.mark}</span>`}`;
  const rest = pairs.length - shown.length;
  const more = rest > 0 ? ` The ${rest} languages with the smallest shares are not drawn.` : '';
  const note = `${options.note ?? ''}${more}`.trim();
  return figure({ ...options, note }, svg, keys, 'chart wide');
}

/** The caption's key of lines. */
function keysOf(lines: readonly Line[]): Html {
  return html`${lines.map(
    ({ name, colour, dashed }) =>
      html`<span class="key"><i class="${dashed ? 'dashed' : ''}" style="border-color:${colour}"></i>${name}</span> `,
  )}`;
}

function figure(options: ChartOptions, svg: Html, keys: Html | null, className: string): Html {
  return html`<figure class="${className}"><figcaption><b>${options.title}</b>${options.note} <span class="keys">${keys}</span></figcaption>${svg}</figure>`;
}

function draw(options: ChartOptions, plot: Plot.PlotOptions): Html {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const drawn = Plot.plot({
    ...plot,
    document,
    ariaLabel: options.label,
    style: { background: 'transparent', color: 'inherit', fontSize: '11px', fontFamily: 'inherit' },
  });
  drawn.setAttribute('role', 'img');
  // Plot and linkedom escape text and attributes; what they draw is markup already.
  return trusted(drawn.outerHTML);
}
