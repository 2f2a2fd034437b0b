import type { About, Anchors, Detail, Facets, RowsPage, Search } from '../api.ts';

/** The server said no: its words. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(path, { credentials: 'same-origin', ...init });
  const said: unknown = await response.json().catch(() => null);
  if (response.ok) return said as T;
  const { error } = (said ?? {}) as { error?: string };
  throw new Refused(error ?? `the server answered ${response.status}`);
}

const signalOf = (signal: AbortSignal | undefined): RequestInit => (signal ? { signal } : {});

/** The run that is shown. */
export const askAbout = () => ask<About>('/api/about');

/** A page of rows. */
export const askRows = (query: URLSearchParams, signal?: AbortSignal) =>
  ask<RowsPage>(`/api/rows?${query}`, signalOf(signal));

/** The number of rows, and of rows by facet. */
export const askFacets = (query: URLSearchParams, signal?: AbortSignal) =>
  ask<Facets>(`/api/facets?${query}`, signalOf(signal));

/** Cursors along the rows. */
export const askAnchors = (query: URLSearchParams, signal?: AbortSignal) =>
  ask<Anchors>(`/api/anchors?${query}`, signalOf(signal));

/** Everything about a row. */
export const askDetail = (id: number, signal?: AbortSignal) =>
  ask<Detail>(`/api/rows/${id}`, signalOf(signal));

/** The number of the row of a key. */
export const askFind = (key: string) =>
  ask<{ id: number | null }>(`/api/find?key=${encodeURIComponent(key)}`);

/** Searches by a text's meaning, or by a row. */
export const askSearch = (wanted: { text: string } | { like: number }) =>
  ask<Search>('/api/search', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(wanted),
  });

/** Searches by a picture's bytes. */
export const askSearchPicture = (file: File) =>
  ask<Search>('/api/search/picture', {
    method: 'POST',
    headers: { 'content-type': file.type.startsWith('image/') ? file.type : 'image/unknown' },
    body: file,
  });
