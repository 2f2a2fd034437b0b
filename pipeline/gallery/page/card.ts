import { type Row, type Sort, sorts } from '../api.ts';
import { h, saidText } from './dom.ts';
import { pictureOf } from './picture.ts';
import { describe, figure, languageName, plain, textOf } from './words.ts';

/** Pixels of a card below its picture. */
export const captionHeight = 110;

/** How cards are drawn. */
export interface CardOptions {
  readonly epoch: string;
  readonly width: number;
  readonly pictureHeight: number;
  readonly sort: Sort;
}

/** A row as a cell of the grid. */
export function cardOf(row: Row, options: CardOptions): HTMLElement {
  const text = textOf(row);
  const padding = 8;
  const picture = pictureOf(row, {
    epoch: options.epoch,
    width: options.width - padding * 2,
    height: options.pictureHeight - padding * 2,
    side: options.width * devicePixelRatio > 220 ? 384 : 192,
  });
  picture.style.height = `${options.pictureHeight}px`;
  return h(
    'div',
    { class: `card ${row.outcome}`, role: 'gridcell', 'aria-label': describe(row) },
    picture,
    h(
      'div',
      { class: 'caption' },
      row.outcome === 'kept'
        ? null
        : h(
            'p',
            { class: 'verdict', title: `${row.stage}: ${row.value ?? ''}` },
            plain(row.reason ?? row.outcome),
          ),
      text === null ? h('p', { class: 'said none' }, 'no text known') : saidText(text, row.language, 'said'),
      h(
        'p',
        { class: 'facts' },
        h('span', { class: 'language' }, languageName(row.language)),
        scoreOf(row, options.sort),
      ),
    ),
  );
}

/** The score by which rows are sorted, or else what tells most. */
function scoreOf(row: Row, sort: Sort): HTMLElement | null {
  const known = { ...row, pixels: row.width && row.height ? row.width * row.height : null };
  const named = sort in known ? (known as unknown as Record<string, unknown>)[sort] : null;
  if (sort === 'region_count')
    return h('span', { class: 'score', title: sorts[sort] }, `${row.regions.length} boxes`);
  const [name, value] = typeof named === 'number' ? [sort, named] : (['text_score', row.text_score] as const);
  if (value === null || value === undefined) return null;
  return h('span', { class: 'score', title: sorts[name] }, figure(value));
}
