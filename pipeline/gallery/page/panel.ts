import { type About, type FacetName, type Facets, facetNames, type Sort, sorts } from '../api.ts';
import { fill, h } from './dom.ts';
import { initial, isFiltered, type State } from './state.ts';
import { count, figure, languageName, plain } from './words.ts';

const titles: Readonly<Record<FacetName, string>> = {
  outcome: 'What became of it',
  language: 'Language',
  stage: 'Stage that left it out',
  reason: 'Reason',
};

const labelOf = (facet: FacetName, value: string) => {
  if (facet === 'language') return languageName(value);
  return value === '' ? 'none' : plain(value);
};

/** The filters, as a form that says what it is set to. */
export interface Panel {
  readonly element: HTMLElement;
  update(state: State, facets: Facets | null): void;
}

/** Makes the panel of filters; `change` is called with what is asked for next. */
export function createPanel(about: About, change: (next: Partial<State>) => void): Panel {
  const clear = h(
    'button',
    { type: 'button', class: 'clear', on: { click: () => change({ ...initial }) } },
    'Clear all',
  );
  const lists = new Map(facetNames.map((facet) => [facet, h('ul', { class: 'values' })]));
  const groups = facetNames.map((facet) =>
    h('fieldset', { class: `facet of-${facet}` }, h('legend', {}, titles[facet]), lists.get(facet)),
  );
  const range = createRange(about, change);
  const steps = about.lastStep === null ? null : createSteps(about.lastStep, change);
  const group = h('div', { class: 'facet group', hidden: true });
  const element = h(
    'aside',
    { class: 'panel', id: 'filters', 'aria-label': 'Filters' },
    h('div', { class: 'panel-head' }, h('h2', {}, 'Filters'), clear),
    group,
    groups,
    range.element,
    steps?.element,
    about.sourcesOff ? h('p', { class: 'note' }, about.sourcesOff) : null,
  );

  const updateFacet = (facet: FacetName, state: State, facets: Facets | null) => {
    const chosen = state.facets[facet];
    const found = facets?.values[facet] ?? [];
    const listed = new Set(found.map(({ value }) => value ?? ''));
    const rest = chosen.filter((value) => !listed.has(value)).map((value) => ({ value, rows: 0 }));
    const most = Math.max(1, ...found.map(({ rows }) => rows));
    const list = lists.get(facet);
    if (!list) return;
    const focused = list.querySelector<HTMLInputElement>('input:focus')?.value;
    const items = [...rest, ...found]
      // Rows that were kept have neither: it says nothing.
      .filter(({ value }) => !((facet === 'stage' || facet === 'reason') && value === null))
      .map(({ value, rows }) => {
        const name = value ?? '';
        const box = h('input', {
          type: 'checkbox',
          value: name,
          name: facet,
          checked: chosen.includes(name),
        });
        box.addEventListener('change', () => {
          const others = chosen.filter((other) => other !== name);
          change({ facets: { ...state.facets, [facet]: box.checked ? [...others, name] : others } });
        });
        const bar = h('span', { class: `bar ${facet === 'outcome' ? name : ''}` });
        bar.style.width = `${(rows / most) * 100}%`;
        return h(
          'li',
          {},
          h(
            'label',
            {},
            box,
            h('span', { class: 'name' }, h('bdi', {}, labelOf(facet, name))),
            h('span', { class: 'rows' }, count(rows)),
            bar,
          ),
        );
      });
    fill(list, items.length > 0 ? items : h('li', { class: 'nothing' }, 'none'));
    if (focused !== undefined) {
      [...list.querySelectorAll('input')].find(({ value }) => value === focused)?.focus();
    }
  };

  return {
    element,
    update(state, facets) {
      for (const facet of facetNames) updateFacet(facet, state, facets);
      range.update(state);
      steps?.update(state);
      clear.hidden = !isFiltered(state);
      group.hidden = state.group === null;
      if (state.group !== null) {
        fill(
          group,
          h('span', {}, 'Duplicates of ', h('bdi', {}, state.group)),
          h('button', { type: 'button', on: { click: () => change({ group: null }) } }, 'Show all'),
        );
      }
    },
  };
}

function numberField(label: string, changed: (value: string) => void): HTMLInputElement {
  const input = h('input', {
    type: 'text',
    inputmode: 'decimal',
    'aria-label': label,
    autocomplete: 'off',
    maxlength: 20,
  });
  input.addEventListener('change', () => {
    const value = input.value.trim().replace(',', '.');
    const isNumber =
      value === '' || (/^-?[\d.]+(e[+-]?\d+)?$/i.test(value) && Number.isFinite(Number(value)));
    input.setAttribute('aria-invalid', String(!isNumber));
    if (isNumber) changed(value);
  });
  return input;
}

function createRange(about: About, change: (next: Partial<State>) => void) {
  const scored = about.scores.filter(({ least, most }) => most > least);
  const choose = h(
    'select',
    { 'aria-label': 'Score' },
    scored.map(({ name }) => h('option', { value: name }, sorts[name])),
  );
  const current = () => (choose.value || null) as Sort | null;
  const min = numberField('at least', (value) => change({ score: current(), min: value }));
  const max = numberField('at most', (value) => change({ score: current(), max: value }));
  const showBounds = () => {
    const bounds = scored.find(({ name }) => name === choose.value);
    min.placeholder = bounds ? `from ${figure(bounds.least)}` : '';
    max.placeholder = bounds ? `to ${figure(bounds.most)}` : '';
  };
  choose.addEventListener('change', () => {
    showBounds();
    change({ score: current(), min: '', max: '' });
  });
  const element = h(
    'fieldset',
    { class: 'facet range', hidden: scored.length === 0 },
    h('legend', {}, 'Score'),
    choose,
    h('div', { class: 'bounds' }, min, h('span', {}, '–'), max),
  );
  return {
    element,
    update(state: State) {
      if (state.score) choose.value = state.score;
      min.value = state.min;
      max.value = state.max;
      showBounds();
    },
  };
}

function createSteps(last: number, change: (next: Partial<State>) => void) {
  const whole = (value: string) => (value === '' ? '' : String(Math.max(0, Math.round(Number(value)))));
  const from = numberField('from step', (value) => change({ from: whole(value) }));
  const to = numberField('to step', (value) => change({ to: whole(value) }));
  from.placeholder = 'from 0';
  to.placeholder = `to ${count(last)}`;
  const element = h(
    'fieldset',
    { class: 'facet steps' },
    h('legend', {}, 'Selected at step'),
    h('div', { class: 'bounds' }, from, h('span', {}, '–'), to),
  );
  return {
    element,
    update(state: State) {
      from.value = state.from;
      to.value = state.to;
    },
  };
}
