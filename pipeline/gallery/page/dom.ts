type Child = Node | string | number | null | undefined | false;

/** What an element is made with: attributes as texts, what is true or false present or absent, listeners by `on`. */
export interface Props {
  readonly on?: { readonly [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void };
  readonly [attribute: string]: unknown;
}

/**
 * Makes an element. Texts become text nodes and attributes are set as such, so nothing of a run is ever read as markup.
 */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  props: Props = {},
  ...children: (Child | readonly Child[])[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value as object)) {
        element.addEventListener(event, listener as EventListener);
      }
    } else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...nodesOf(children));
  return element;
}

/** Gives an element other children. */
export function fill(element: Element, ...children: (Child | readonly Child[])[]): void {
  element.replaceChildren(...nodesOf(children));
}

function nodesOf(children: (Child | readonly Child[])[]): (Node | string)[] {
  return children
    .flat()
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** A text in its script's own direction, in the fonts of its language where that is known. */
export function saidText(text: string, language: string | null, className: string): HTMLElement {
  const lang = language === null || language === 'und' ? null : language;
  return h('p', { class: className, dir: 'auto', lang }, text);
}
