import type { About, Row } from '../api.ts';
import { askAbout, askDetail, askFacets, askFind } from './client.ts';
import { createDetail } from './detail.ts';
import { fill, h } from './dom.ts';
import { createGrid, type Grid } from './grid.ts';
import { createPanel } from './panel.ts';
import { createSearchBox } from './search-box.ts';
import { addressOf, filtersOf, initial, queryOf, type State, stateOf } from './state.ts';
import { createThemeButton } from './theme.ts';
import { createToolbar } from './toolbar.ts';
import { count, textOf } from './words.ts';

const theme = createThemeButton();

try {
  start(await askAbout());
} catch (error) {
  fill(document.body, h('p', { class: 'empty' }, error instanceof Error ? error.message : String(error)));
}

function start(about: About): void {
  let state: State = stateOf(new URLSearchParams(location.search));
  let asked = new AbortController();
  const alert = h('p', { class: 'alert', role: 'alert', hidden: true });
  const failed = (error: unknown) => {
    alert.textContent = error instanceof Error ? error.message : String(error);
    alert.hidden = false;
  };

  const change = (next: Partial<State>) => {
    state = { ...state, ...next };
    if (next === initial || (state.sort === 'nearness' && state.search === null))
      state = { ...state, sort: 'order' };
    history.replaceState(null, '', addressOf(state) + location.hash);
    refresh();
  };
  const panel = createPanel(about, change);
  const toolbar = createToolbar(about, change);
  const searchBox = createSearchBox(about, change, failed);
  const detail = createDetail(about);
  const open = (row: Row, grid: Grid | null) => {
    if (row.key !== null)
      history.replaceState(null, '', `${addressOf(state)}#${encodeURIComponent(row.key)}`);
    detail.open(row, {
      step: async (by) => (await grid?.step(by)) ?? null,
      like: (liked) =>
        searchBox.like(liked.id, `pictures like “${textOf(liked) ?? liked.key ?? 'that one'}”`),
      showGroup: (group) => change({ ...initial, group, sort: 'order', split: false }),
      closed() {
        history.replaceState(null, '', addressOf(state));
        grid?.focus();
      },
    });
  };
  const all = createGrid('Rows', open, failed);
  const kept = createGrid('Kept rows', open, failed);
  const left = createGrid('Rows left out', open, failed);
  const sideHead = () => h('h2', { class: 'side-head' });
  const [keptHead, leftHead] = [sideHead(), sideHead()];
  const single = h('div', { class: 'side' }, all.element);
  const sides = [
    h('div', { class: 'side' }, keptHead, kept.element),
    h('div', { class: 'side' }, leftHead, left.element),
  ];
  const searched = h('p', { class: 'searched', hidden: true });
  const area = h('div', { class: 'area' });
  const filtersButton = h(
    'button',
    {
      type: 'button',
      class: 'filters-button',
      'aria-controls': 'filters',
      'aria-expanded': 'false',
      on: {
        click() {
          const isOpen = document.body.classList.toggle('filters-open');
          filtersButton.setAttribute('aria-expanded', String(isOpen));
        },
      },
    },
    'Filters',
  );
  const { rows } = about;
  const total = rows.kept + rows.dropped + rows.quarantined;
  fill(
    document.body,
    h('a', { class: 'skip', href: '#rows' }, 'To the rows'),
    h(
      'header',
      {},
      h(
        'h1',
        { title: about.run },
        h('span', { class: 'mark', 'aria-hidden': 'true' }),
        h('bdi', {}, about.run.split(/[/\\]/).filter(Boolean).at(-1) ?? about.run),
      ),
      h(
        'p',
        { class: 'balance' },
        `${count(total)} rows: `,
        h('b', { class: 'kept' }, `${count(rows.kept)} kept`),
        ', ',
        h('b', { class: 'dropped' }, `${count(rows.dropped)} dropped`),
        ', ',
        h('b', { class: 'quarantined' }, `${count(rows.quarantined)} quarantined`),
      ),
      searchBox.element,
      h('div', { class: 'head-buttons' }, filtersButton, theme),
    ),
    h(
      'div',
      { class: 'below' },
      panel.element,
      h('main', { id: 'rows' }, toolbar.element, searched, alert, area),
    ),
    detail.element,
  );

  const refresh = async () => {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    alert.hidden = true;
    searchBox.update(state);
    toolbar.update(state, null);
    searched.hidden = state.search === null;
    if (state.search) {
      fill(
        searched,
        h('span', {}, 'Nearest to ', h('bdi', {}, state.search.label)),
        h(
          'button',
          { type: 'button', on: { click: () => change({ search: null, sort: 'order' }) } },
          'End search',
        ),
      );
    }
    try {
      const facets = await askFacets(filtersOf(state), signal);
      panel.update(state, facets);
      toolbar.update(state, facets.total);
      const shared = { sort: state.sort, epoch: about.epoch };
      if (!state.split) {
        if (area.firstChild !== single) fill(area, single);
        all.show({ query: queryOf(state), total: facets.total, ...shared });
        return;
      }
      const [ofKept, ofLeft] = await Promise.all([
        askFacets(filtersOf(state, 'kept'), signal),
        askFacets(filtersOf(state, 'left out'), signal),
      ]);
      toolbar.update(state, ofKept.total + ofLeft.total);
      if (area.firstChild !== sides[0]) fill(area, sides);
      keptHead.textContent = `Kept, ${count(ofKept.total)}`;
      leftHead.textContent = `Left out, ${count(ofLeft.total)}`;
      kept.show({ query: queryOf(state, 'kept'), total: ofKept.total, ...shared });
      left.show({ query: queryOf(state, 'left out'), total: ofLeft.total, ...shared });
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
  };

  document.addEventListener('keydown', (event) => {
    const { target } = event;
    const types = target instanceof HTMLInputElement && target.type !== 'checkbox';
    if (event.key === '/' && !types && !detail.element.open) {
      event.preventDefault();
      searchBox.focus();
    } else if (event.key === 'Escape' && !detail.element.open) {
      document.body.classList.remove('filters-open');
      filtersButton.setAttribute('aria-expanded', 'false');
      if (types) (state.split ? kept : all).focus();
    } else if ((event.key === 'ArrowDown' || event.key === 'Enter') && types && target.type === 'search') {
      if (event.key === 'ArrowDown') (state.split ? kept : all).focus();
    }
  });
  addEventListener('popstate', () => {
    state = stateOf(new URLSearchParams(location.search));
    refresh();
  });

  refresh();
  const named = decodeURIComponent(location.hash.slice(1));
  if (named !== '' && named !== 'rows') {
    askFind(named)
      .then(async ({ id }) => {
        if (id !== null) open((await askDetail(id)).row, null);
      })
      .catch(failed);
  }
}
