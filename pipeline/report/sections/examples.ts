import type { CurationReport } from '../../../schemas/reports.ts';
import type { KeptExample, LeftExample } from '../examples.ts';
import { type Html, html, type Section } from '../html.ts';
import { pictureFrame } from '../pictures.ts';
import { reasonWords, stageTitle } from '../reasons.ts';
import { count, languageName, percent } from '../words.ts';

/** Alt-texts are cut to this many characters: some pages' are novels. */
const mostCharacters = 160;
const mostTexts = 5;

/** Rows that were kept, with all their alt-texts; the one that trains is bold. */
export function keptSection(examples: readonly KeptExample[]): Section {
  const body =
    examples.length === 0
      ? html`<p class="note">No kept rows to show.</p>`
      : html`<p>English and other languages, picked by a hash of their keys. Of several alt-texts the bold one was
drawn for training.</p><div class="examples">${examples.map(keptFigure)}</div>`;
  return { id: 'kept', title: 'Kept examples', body };
}

/** Rows that were dropped or quarantined, by reason. */
export function leftSection(examples: readonly LeftExample[], report: CurationReport): Section {
  const groups = new Map<string, LeftExample[]>();
  for (const example of examples) {
    const name = `${example.stage}/${example.reason}/${example.kind}`;
    groups.set(name, [...(groups.get(name) ?? []), example]);
  }
  const order = (stage: string) => report.stages.findIndex((figures) => figures.stage === stage);
  const sorted = [...groups.values()].sort((a, b) => order(a[0]?.stage ?? '') - order(b[0]?.stage ?? ''));
  const body =
    examples.length === 0
      ? html`<p class="note">No dropped or quarantined rows to show.</p>`
      : html`<p>Up to four rows for each reason, as the source had them.</p>
${sorted.map((group) => leftGroup(group, report))}`;
  return { id: 'left', title: 'Dropped and quarantined examples', body };
}

function leftGroup(group: readonly LeftExample[], report: CurationReport): Html | null {
  const [first] = group;
  if (!first) return null;
  const counted = [...report.reasons[first.kind]].find(
    ({ stage, reason }) => stage === first.stage && reason === first.reason,
  );
  const rows = counted ? ` · ${count(counted.rows)} ${first.kind}` : ` · ${first.kind}`;
  return html`<h3>${stageTitle(first.stage)}: ${reasonWords(first.reason)} <span class="soft">${rows}</span></h3>
<div class="examples">${group.map(leftFigure)}</div>`;
}

function keptFigure(example: KeptExample): Html {
  const { key, language, languageScore, picture, text } = example;
  return html`<figure class="example">${pictureFrame(picture, `Picture of row ${key}`)}<figcaption>
${textList(example.texts.length > 0 ? example.texts : [text], text, language)}
<small>${languageName(language)} (${percent(languageScore, 0)} sure)</small></figcaption></figure>`;
}

function leftFigure(example: LeftExample): Html {
  const { name, detail, picture, language } = example;
  return html`<figure class="example">${pictureFrame(picture, `Picture of row ${name}`)}<figcaption>
${example.texts.length > 0 ? textList(example.texts, null, language) : null}
<small><bdi>${shortened(detail)}</bdi></small><small><bdi>${name}</bdi></small></figcaption></figure>`;
}

/** Alt-texts, each in its own direction; `chosen` is the one that trains. */
function textList(texts: readonly string[], chosen: string | null, language: string): Html {
  const several = texts.length > 1;
  const items = texts.slice(0, mostTexts).map((text) => {
    const className = several && text === chosen ? 'chosen' : '';
    return html`<li class="${className}" dir="auto" lang="${language}">${shortened(text)}</li>`;
  });
  return html`<ul class="texts">${items}</ul>`;
}

/** A text cut at a whole character, with an ellipsis. */
export function shortened(text: string, most: number = mostCharacters): string {
  const characters = [...text.slice(0, most * 4)];
  return characters.length > most ? `${characters.slice(0, most).join('').trimEnd()}…` : text;
}
