import { element } from './elements.ts';

/** Headline figures side by side: what each is, and its value as it is to be read. */
export function figures(entries: Readonly<Record<string, string>>): HTMLElement {
  const cards = Object.entries(entries).map(([label, value]) =>
    element(
      'div',
      { style: 'min-width: 7rem' },
      element(
        'div',
        { style: 'font: 600 1.9rem/1.1 var(--sans-serif); font-variant-numeric: tabular-nums' },
        value,
      ),
      element(
        'div',
        { style: 'font: 0.8rem/1.4 var(--sans-serif); color: var(--theme-foreground-muted)' },
        label,
      ),
    ),
  );
  return element(
    'div',
    { style: 'display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; margin: 1.5rem 0' },
    ...cards,
  );
}
