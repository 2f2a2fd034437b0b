import type { Row } from '../api.ts';
import { askAnchors, askRows } from './client.ts';

const pageSize = 60;
/** Pages held at a time: a million rows pass through, and no more than these stay. */
const mostPages = 40;

/** Rows of one question by their place, fetched page by page and forgotten when they are far. */
export interface RowsSource {
  /** The row at a place, where it is there already. */
  at(place: number): Row | null;
  /** Wants the rows of these places next; whoever listens is told when they have come. */
  want(from: number, to: number): void;
  close(): void;
}

/** Opens the rows of a question; `changed` is called when rows have come, `failed` when the server said no. */
export function openRows(
  query: URLSearchParams,
  total: number,
  changed: () => void,
  failed: (error: unknown) => void,
): RowsSource {
  const pages = new Map<number, readonly Row[]>();
  const cursors = new Map<number, string | null>([[0, null]]);
  const stop = new AbortController();
  let wanted: number[] = [];
  let isLoading = false;

  // Dragged far, the next page is found from the nearest cursor: they are fetched once there are many pages.
  if (total > pageSize * 4) {
    const asked = new URLSearchParams(query);
    asked.set('limit', String(pageSize));
    askAnchors(asked, stop.signal)
      .then(({ every, cursors: anchors }) => {
        for (const [i, cursor] of anchors.entries()) cursors.set(((i + 1) * every) / pageSize, cursor);
        load();
      })
      .catch(() => {});
  }

  const startOf = (page: number) => {
    for (let at = page; at > 0; at -= 1) if (cursors.has(at)) return at;
    return 0;
  };

  const load = async () => {
    if (isLoading) return;
    isLoading = true;
    try {
      for (;;) {
        const next = wanted.find((page) => !pages.has(page));
        if (next === undefined || stop.signal.aborted) return;
        const page = startOf(next);
        const asked = new URLSearchParams(query);
        asked.set('limit', String(pageSize));
        const cursor = cursors.get(page) ?? null;
        if (cursor !== null) asked.set('cursor', cursor);
        const { rows, next: after } = await askRows(asked, stop.signal);
        if (after !== null) cursors.set(page + 1, after);
        pages.delete(page);
        pages.set(page, rows);
        for (const old of pages.keys()) {
          if (pages.size <= mostPages) break;
          if (!wanted.includes(old)) pages.delete(old);
        }
        if (after === null && page < next) wanted = wanted.filter((held) => held <= page);
        changed();
      }
    } catch (error) {
      if (!stop.signal.aborted) failed(error);
    } finally {
      isLoading = false;
    }
  };

  return {
    at: (place) => pages.get(Math.floor(place / pageSize))?.[place % pageSize] ?? null,
    want(from, to) {
      const [first, last] = [Math.floor(from / pageSize), Math.floor(Math.max(from, to - 1) / pageSize)];
      wanted = Array.from({ length: last - first + 1 }, (_, i) => first + i);
      load();
    },
    close: () => stop.abort(),
  };
}
