import { html, type Section } from '../html.ts';
import { count } from '../words.ts';

/** What the source planted, by kind, and what the demo has to say of itself. */
export function truthSection(
  truth: Readonly<Record<string, number>> | null,
  notes: readonly string[],
): Section {
  const planted = Object.entries(truth ?? {}).toSorted(([, a], [, b]) => b - a);
  const body = html`${notes.map((note) => html`<p>${note}</p>`)}
${
  planted.length > 0
    ? html`<p>What the source planted, by its own record, which the pipeline never reads:</p>
<div class="scroll"><table><thead><tr><th scope="col">Planted</th><th scope="col" class="number">Rows</th></tr></thead>
<tbody>${planted.map(([name, rows]) => html`<tr><th scope="row">${name.replaceAll(/[-_]/g, ' ')}</th><td class="number">${count(rows)}</td></tr>`)}</tbody></table></div>`
    : null
}`;
  return { id: 'data', title: 'About the data', body };
}
