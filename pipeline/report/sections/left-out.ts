import { type Html, html, type Section } from '../html.ts';
import { stageTitle } from '../reasons.ts';

type LeftOut = readonly { readonly stage: string; readonly why: string }[];

/** The stages that were left out, and why. */
export function leftOutSection(leftOut: LeftOut): Section {
  const body: Html =
    leftOut.length === 0
      ? html`<p>Nothing: every stage ran.</p>`
      : html`<ul class="plain">${leftOut.map(({ stage, why }) => html`<li><b>${stageTitle(stage)}</b>: ${why}</li>`)}</ul>`;
  return { id: 'left-out', title: 'What was left out', body };
}
