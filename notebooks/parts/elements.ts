/** An element with its children; a text is a text, never markup. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly (Node | string)[]
): HTMLElement {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** A count with its thousands apart. */
export function count(value: number): string {
  return value.toLocaleString('en');
}

/** A share as a percentage of two digits after the point. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)}%`;
}

/** What stands in place of a chart that a run has no data for. */
export function nothing(why: string): HTMLElement {
  return element('p', { style: 'color: var(--theme-foreground-muted); font-style: italic' }, why);
}
