import type { Row, Sort } from '../api.ts';
import { captionHeight, cardOf } from './card.ts';
import { fill, h } from './dom.ts';
import { openRows, type RowsSource } from './rows-source.ts';
import { createScrollMap, type ScrollMap } from './scroll-map.ts';
import { count } from './words.ts';

const gap = 12;
/** Rows of cards that are drawn beyond what is seen. */
const overscan = 2;

/** What a grid shows. */
export interface Shown {
  readonly query: URLSearchParams;
  readonly total: number;
  readonly sort: Sort;
  readonly epoch: string;
}

/** A grid of cards over any number of rows, of which only those in sight are in the document. */
export interface Grid {
  readonly element: HTMLElement;
  show(shown: Shown): void;
  /** Goes on to the row so many places further, and gives it once it is there. */
  step(by: number): Promise<Row | null>;
  focus(): void;
}

/** Makes a grid; `opened` is called for the row that is chosen, `failed` when the server said no. */
export function createGrid(
  label: string,
  opened: (row: Row, grid: Grid) => void,
  failed: (error: unknown) => void,
): Grid {
  const canvas = h('div', { class: 'canvas', role: 'presentation' });
  const empty = h('p', { class: 'empty', hidden: true }, 'No row is like that.');
  const element = h(
    'div',
    { class: 'grid', role: 'grid', 'aria-label': label, tabindex: '-1' },
    canvas,
    empty,
  );
  const drawn = new Map<number, HTMLElement>();
  let shown: Shown | null = null;
  let source: RowsSource | null = null;
  let map: ScrollMap = createScrollMap(0, 1);
  let [columns, cardWidth, pictureHeight, rowHeight] = [1, 200, 180, 320];
  let [place, active] = [0, 0];

  const lines = () => Math.ceil((shown?.total ?? 0) / columns);

  const layOut = () => {
    const width = element.clientWidth - gap * 2;
    if (width <= 0) return;
    columns = Math.max(1, Math.floor((width + gap) / (Math.min(208, Math.max(140, width / 2 - gap)) + gap)));
    cardWidth = Math.floor((width - gap * (columns - 1)) / columns);
    pictureHeight = Math.min(260, Math.round(cardWidth * 0.86));
    rowHeight = pictureHeight + captionHeight + gap;
    const kept = Math.floor(active / columns) * rowHeight;
    map = createScrollMap(lines() * rowHeight + gap, element.clientHeight);
    canvas.style.height = `${map.height}px`;
    element.setAttribute('aria-rowcount', String(lines()));
    element.setAttribute('aria-colcount', String(columns));
    clear();
    if (active > 0) element.scrollTop = map.topOf(kept);
    place = map.follow(element.scrollTop);
    draw();
  };

  const clear = () => {
    drawn.clear();
    canvas.replaceChildren();
  };

  const cellOf = (index: number) => {
    const row = source?.at(index) ?? null;
    const cell =
      row === null || shown === null
        ? h('div', { class: 'card waiting', role: 'gridcell', 'aria-busy': 'true' })
        : cardOf(row, { epoch: shown.epoch, width: cardWidth, pictureHeight, sort: shown.sort });
    cell.dataset.index = String(index);
    cell.tabIndex = index === active ? 0 : -1;
    cell.setAttribute('aria-colindex', String((index % columns) + 1));
    cell.style.width = `${cardWidth}px`;
    return cell;
  };

  const lineOf = (line: number) => {
    const from = line * columns;
    const to = Math.min(shown?.total ?? 0, from + columns);
    const cells = Array.from({ length: to - from }, (_, i) => cellOf(from + i));
    const made = h('div', { class: 'line', role: 'row', 'aria-rowindex': line + 1 }, cells);
    made.style.height = `${rowHeight - gap}px`;
    return made;
  };

  /** Draws the lines in sight; those whose rows have come since are drawn anew. */
  const draw = () => {
    if (shown === null || source === null) return;
    const first = Math.max(0, Math.floor(place / rowHeight) - overscan);
    const last = Math.min(lines() - 1, Math.ceil((place + element.clientHeight) / rowHeight) + overscan);
    const hadFocus = element.contains(document.activeElement) && document.activeElement !== element;
    for (const [line, made] of drawn) {
      if (line >= first && line <= last) continue;
      made.remove();
      drawn.delete(line);
    }
    for (let line = first; line <= last; line += 1) {
      const known = drawn.get(line);
      const hasCome = known?.querySelector('.waiting') && source.at(line * columns) !== null;
      const made = known && !hasCome ? known : lineOf(line);
      if (known && hasCome) known.replaceWith(made);
      else if (!known) canvas.append(made);
      drawn.set(line, made);
      made.style.transform = `translate(${gap}px, ${gap + line * rowHeight - place + element.scrollTop}px)`;
    }
    if (hadFocus && !element.contains(document.activeElement)) cellAt(active)?.focus({ preventScroll: true });
    source.want(first * columns, (last + 1) * columns);
  };

  const cellAt = (index: number) => canvas.querySelector<HTMLElement>(`[data-index="${index}"]`);

  const reveal = () => {
    const top = Math.floor(active / columns) * rowHeight;
    const view = element.clientHeight;
    if (top < place) element.scrollTop = map.topOf(top);
    else if (top + rowHeight > place + view) element.scrollTop = map.topOf(top + rowHeight + gap - view);
    place = map.follow(element.scrollTop);
    draw();
  };

  const goTo = (index: number, focuses = true) => {
    const total = shown?.total ?? 0;
    const before = cellAt(active);
    if (before) before.tabIndex = -1;
    active = Math.max(0, Math.min(total - 1, index));
    reveal();
    const cell = cellAt(active);
    if (!cell) return;
    cell.tabIndex = 0;
    if (focuses) cell.focus({ preventScroll: true });
  };

  const open = () => {
    const row = source?.at(active);
    if (row) opened(row, grid);
  };

  const perPage = () => Math.max(1, Math.floor(element.clientHeight / rowHeight)) * columns;
  const moves: Readonly<Record<string, () => number>> = {
    ArrowLeft: () => active - 1,
    ArrowRight: () => active + 1,
    ArrowUp: () => (active < columns ? active : active - columns),
    ArrowDown: () => active + columns,
    PageUp: () => active - perPage(),
    PageDown: () => active + perPage(),
    Home: () => 0,
    End: () => (shown?.total ?? 1) - 1,
  };
  element.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = moves[event.key];
    if (move) goTo(move());
    else if (event.key === 'Enter' || event.key === ' ') open();
    else return;
    event.preventDefault();
  });
  element.addEventListener('click', (event) => {
    const cell = (event.target as Element).closest<HTMLElement>('[data-index]');
    if (!cell) return;
    goTo(Number(cell.dataset.index));
    open();
  });
  element.addEventListener(
    'scroll',
    () => {
      place = map.follow(element.scrollTop);
      draw();
    },
    { passive: true },
  );
  new ResizeObserver(() => layOut()).observe(element);

  const grid: Grid = {
    element,
    show(next) {
      source?.close();
      shown = next;
      source = openRows(next.query, next.total, draw, failed);
      [place, active] = [0, 0];
      element.scrollTop = 0;
      empty.hidden = next.total > 0;
      element.setAttribute('aria-label', `${label}, ${count(next.total)} rows`);
      layOut();
    },
    async step(by) {
      if (shown === null || active + by < 0 || active + by >= shown.total) return null;
      goTo(active + by, false);
      // It comes with the page that was wanted, or it doesn't.
      for (let tries = 0; tries < 60; tries += 1) {
        const row = source?.at(active);
        if (row) return row;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return null;
    },
    focus: () => goTo(active),
  };
  fill(element, canvas, empty);
  return grid;
}
