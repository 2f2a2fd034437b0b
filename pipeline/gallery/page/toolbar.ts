import { type About, type Sort, sorts } from '../api.ts';
import { h } from './dom.ts';
import type { State } from './state.ts';
import { count } from './words.ts';

/** The line over the rows: how many there are, their order, and how they are shown. */
export interface Toolbar {
  readonly element: HTMLElement;
  update(state: State, total: number | null): void;
}

/** Makes the toolbar; `change` is called with what is asked for next. */
export function createToolbar(about: About, change: (next: Partial<State>) => void): Toolbar {
  const status = h('p', { class: 'status', role: 'status' });
  const known = new Set<Sort>(['order', 'shuffle', ...about.scores.map(({ name }) => name)]);
  const nearness = h('option', { value: 'nearness' }, sorts.nearness);
  const sort = h(
    'select',
    { 'aria-label': 'Sorted by' },
    [...known].map((name) => h('option', { value: name }, sorts[name])),
  );
  sort.addEventListener('change', () => change({ sort: sort.value as Sort }));
  const direction = h('button', { type: 'button', class: 'icon' });
  let current: State | null = null;
  direction.addEventListener('click', () =>
    change({ direction: current?.direction === 'asc' ? 'desc' : 'asc' }),
  );
  const toggle = (label: string, click: () => void) =>
    h('button', { type: 'button', class: 'toggle', 'aria-pressed': 'false', on: { click } }, label);
  const split = toggle('Side by side', () => change({ split: !current?.split }));
  const boxes = toggle('Boxes', () => {
    const isOn = document.body.classList.toggle('no-boxes');
    boxes.setAttribute('aria-pressed', String(!isOn));
  });
  boxes.setAttribute('aria-pressed', 'true');
  return {
    element: h(
      'div',
      { class: 'toolbar' },
      status,
      h('label', { class: 'sort' }, h('span', {}, 'Sorted by'), sort),
      direction,
      split,
      boxes,
    ),
    update(state, total) {
      current = state;
      status.textContent = total === null ? '…' : `${count(total)} ${total === 1 ? 'row' : 'rows'}`;
      if (state.search) sort.append(nearness);
      else nearness.remove();
      sort.value = state.sort;
      const isUp = state.direction === 'asc';
      direction.textContent = isUp ? '↑' : '↓';
      direction.title = isUp ? 'Least first' : 'Most first';
      direction.setAttribute('aria-label', direction.title);
      direction.disabled = state.sort === 'order';
      split.setAttribute('aria-pressed', String(state.split));
    },
  };
}
