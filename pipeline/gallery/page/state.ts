import { type FacetName, facetNames, type Outcome, type Sort, sorts } from '../api.ts';

/** What is looked at: it stands in the page's address, so that it can be kept and sent. */
export interface State {
  readonly facets: Readonly<Record<FacetName, readonly string[]>>;
  readonly score: Sort | null;
  readonly min: string;
  readonly max: string;
  readonly group: string | null;
  readonly from: string;
  readonly to: string;
  readonly text: string;
  /** A search by embeddings: the server's name of it, and what it was for. */
  readonly search: { readonly name: string; readonly label: string } | null;
  readonly sort: Sort;
  readonly direction: 'asc' | 'desc';
  /** Kept rows beside those that were left out. */
  readonly split: boolean;
}

/** Everything, as it was written. */
export const initial: State = {
  facets: { outcome: [], language: [], stage: [], reason: [] },
  score: null,
  min: '',
  max: '',
  group: null,
  from: '',
  to: '',
  text: '',
  search: null,
  sort: 'order',
  direction: 'desc',
  split: false,
};

/** Reads a state from an address. What isn't understood is left aside; searches don't outlive the server. */
export function stateOf(parameters: URLSearchParams): State {
  const values = (name: FacetName) => [...new Set(parameters.getAll(name))];
  const sort = sortNamed(parameters.get('sort')) ?? 'order';
  return {
    facets: {
      outcome: values('outcome').filter((value) => ['kept', 'dropped', 'quarantined'].includes(value)),
      language: values('language'),
      stage: values('stage'),
      reason: values('reason'),
    },
    score: sortNamed(parameters.get('score')),
    min: parameters.get('min') ?? '',
    max: parameters.get('max') ?? '',
    group: parameters.get('group'),
    from: parameters.get('from') ?? '',
    to: parameters.get('to') ?? '',
    text: parameters.get('text') ?? '',
    search: null,
    sort: sort === 'nearness' ? 'order' : sort,
    direction: parameters.get('direction') === 'asc' ? 'asc' : 'desc',
    split: parameters.has('split'),
  };
}

function sortNamed(name: string | null): Sort | null {
  return name !== null && name in sorts ? (name as Sort) : null;
}

/** The filters of a state as the server takes them; of one side where two are shown. */
export function filtersOf(state: State, side: Outcome | 'left out' | null = null): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const facet of facetNames) {
    // What was kept has neither stage nor reason: beside the others it is not held to them.
    if (side !== null && facet === 'outcome') continue;
    if (side === 'kept' && (facet === 'stage' || facet === 'reason')) continue;
    for (const value of state.facets[facet]) parameters.append(facet, value);
  }
  if (side === 'kept') parameters.append('outcome', 'kept');
  if (side === 'left out')
    for (const outcome of ['dropped', 'quarantined']) parameters.append('outcome', outcome);
  const bounded = state.score !== null && (state.min !== '' || state.max !== '');
  const given = {
    score: bounded ? state.score : null,
    min: bounded ? state.min : '',
    max: bounded ? state.max : '',
    group: state.group,
    from: state.from,
    to: state.to,
    text: state.text.trim(),
    search: state.search?.name,
  };
  for (const [name, value] of Object.entries(given)) if (value) parameters.set(name, value);
  return parameters;
}

/** A state's filters and order. */
export function queryOf(state: State, side: Outcome | 'left out' | null = null): URLSearchParams {
  const parameters = filtersOf(state, side);
  parameters.set('sort', state.sort);
  parameters.set('direction', state.direction);
  return parameters;
}

/** The state as the page's address: what is as at the start is left out. */
export function addressOf(state: State): string {
  const parameters = filtersOf(state);
  parameters.delete('search');
  if (state.sort !== 'order' && state.sort !== 'nearness') {
    parameters.set('sort', state.sort);
    if (state.direction === 'asc') parameters.set('direction', 'asc');
  }
  if (state.split) parameters.set('split', '1');
  const text = parameters.toString();
  return text === '' ? '/' : `/?${text}`;
}

/** Whether anything is held to a filter. */
export function isFiltered(state: State): boolean {
  return filtersOf(state).size > 0;
}
