import { style } from './style.ts';

const markup = Symbol('markup');

/** Markup that is safe to put in a page: made by {@link html}, or vouched for by {@link trusted}. */
export interface Html {
  readonly [markup]: string;
}

/** What a template takes: text is escaped, markup is not, nothing and `false` leave nothing. */
export type HtmlValue = string | number | Html | null | undefined | false | readonly HtmlValue[];

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes text for an element or a quoted attribute; characters that HTML doesn't allow become U+FFFD. */
export function escapeHtml(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cs}]/gu, (character) => (/\s/.test(character) ? character : '\uFFFD'))
    .replace(/[&<>"']/g, (character) => escapes[character] ?? character);
}

/** A template of markup: every value in it is escaped unless it is markup itself. */
export function html(parts: TemplateStringsArray, ...values: HtmlValue[]): Html {
  const text = parts.map((part, i) => (i === 0 ? part : `${render(values[i - 1])}${part}`)).join('');
  return { [markup]: text };
}

/** Markup that was made elsewhere, of values that are known to be escaped (a chart's SVG). */
export function trusted(text: string): Html {
  return { [markup]: text };
}

/** The text of markup. */
export function htmlText(value: Html): string {
  return value[markup];
}

function render(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return '';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return escapeHtml(value);
  return markup in value ? value[markup] : value.map(render).join('');
}

/** One section of a page. */
export interface Section {
  /** The anchor's name. */
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}

/** What a page says before its sections. */
export interface PageHead {
  readonly title: string;
  /** The one line that sums the run up. */
  readonly verdict: string;
  /** Whether the verdict is good. */
  readonly sound: boolean;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
}

/** A whole page: one file, no script, nothing fetched, under a content security policy that says so. */
export function page(head: PageHead, sections: readonly Section[]): string {
  const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
  const whole = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${head.title}</title>
<style>${trusted(style)}</style>
</head>
<body>
<header>
<h1>${head.title}</h1>
<p class="verdict ${head.sound ? 'sound' : 'unsound'}">${head.verdict}</p>
<dl class="facts">${head.facts.map(({ name, value }) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</header>
<nav aria-label="Sections">${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a> `)}</nav>
<main>
${sections.map(
  ({ id, title, body }) => html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${body}
</section>
`,
)}</main>
</body>
</html>
`;
  return htmlText(whole);
}
