import { html, type Section } from '../html.ts';
import { count, percent } from '../words.ts';

const known: Readonly<Record<string, { readonly words: string; readonly share: boolean }>> = {
  kept: { words: 'kept rows that the truth knows', share: false },
  truncatedKept: { words: 'truncated images kept', share: false },
  canvasesKept: { words: 'canvases of several pictures kept', share: false },
  canvasesWithRegions: { words: 'of these, with regions', share: false },
  regionsOnPictures: { words: 'regions of canvases that lie on a picture', share: true },
  picturesFound: { words: 'pictures of canvases that a region lies on', share: true },
  trueEnglishShare: { words: 'kept rows that are English in truth', share: true },
  languageRight: { words: 'kept rows whose language was identified right', share: true },
  mismatchedKept: { words: 'rows with another picture’s alt-text kept', share: false },
};

/** What the source's own record of planted defects says of the kept rows, and what there is to say of the data. */
export function truthSection(
  truth: Readonly<Record<string, number>> | null,
  notes: readonly string[],
): Section {
  const body = html`${notes.map((note) => html`<p>${note}</p>`)}
${
  truth
    ? html`<p>The source keeps a record of what it planted, which no stage reads. Held against the kept rows it says:</p>
<div class="scroll"><table class="narrow"><tbody>${Object.entries(truth).map(
        ([name, value]) =>
          html`<tr><th scope="row">${wordsOf(name)}</th><td class="number">${figureOf(name, value)}</td></tr>`,
      )}</tbody></table></div>`
    : null
}`;
  return { id: 'truth', title: 'Against the planted truth', body };
}

/** A figure's name in words: `tinyKept` becomes `tiny kept`. */
function wordsOf(name: string): string {
  const spaced = name.replaceAll(/[-_]/g, ' ').replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2');
  return (Object.hasOwn(known, name) ? known[name]?.words : undefined) ?? spaced.toLowerCase();
}

function figureOf(name: string, value: number): string {
  const share = Object.hasOwn(known, name) ? known[name]?.share : !Number.isInteger(value);
  return share ? percent(value, 2) : count(value);
}
