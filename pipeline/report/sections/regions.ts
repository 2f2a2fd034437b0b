import type { CurationReport } from '../../../schemas/reports.ts';
import type { RegionBox, RegionExample } from '../examples.ts';
import { type Html, html, type Section } from '../html.ts';
import { pictureFrame } from '../pictures.ts';
import { count, counted, languageName, percent, shareOf } from '../words.ts';
import { shortened } from './examples.ts';

/** Boxes drawn on one picture: the best. */
const mostBoxes = 8;
const colours = 6;

/** Kept pictures with their region boxes drawn over them. */
export function regionsSection(examples: readonly RegionExample[], report: CurationReport): Section {
  const { rows, regions } = report.regions;
  const told = html`<p>${counted(regions, 'region')} on ${count(rows)} of ${count(report.kept)} kept rows
(${percent(shareOf(rows, report.kept))}).</p>`;
  const body =
    examples.length === 0
      ? html`${told}<p class="note">No picture with regions to show.</p>`
      : html`${told}<p>The rows with the most regions. A box's number is its label's; the figure beside a label is the
detector's score.</p><div class="examples boxes">${examples.map(regionFigure)}</div>`;
  return { id: 'regions', title: 'Labelled regions', body };
}

function regionFigure(example: RegionExample): Html {
  const shown = example.regions.slice(0, mostBoxes);
  const more = example.regions.length - shown.length;
  return html`<figure class="example">${boxedPicture(example, shown)}<figcaption>
<span class="text" dir="auto" lang="${example.language}">${shortened(example.text)}</span>
<ol class="labels">${shown.map(
    ({ text, score }, i) => html`<li><i style="background:${colourOf(i)}">${i + 1}</i>
<span dir="auto" lang="${example.language}">${shortened(text, 80)}</span><span class="number">${score.toFixed(2)}</span></li>`,
  )}</ol>
<small>${languageName(example.language)}${more > 0 ? ` · ${counted(more, 'more region')}` : ''}</small></figcaption></figure>`;
}

function colourOf(index: number): string {
  return `var(--box${(index % colours) + 1})`;
}

function boxedPicture({ picture, key }: RegionExample, regions: readonly RegionBox[]): Html {
  if ('missing' in picture) return pictureFrame(picture, '');
  const { uri, width, height } = picture;
  const label = `Picture of row ${key} with ${counted(regions.length, 'region box', 'region boxes')}`;
  // Drawn last to first, so that the best box is on top.
  return html`<div class="picture"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">
<image href="${uri}" width="${width}" height="${height}"/>
${regions.map((region, i) => boxMark(region, i, width, height)).toReversed()}</svg></div>`;
}

/** A box in pixels of a picture: x, y, width, height. */
export function boxPixels(box: RegionBox['box'], width: number, height: number) {
  const [ymin, xmin, ymax, xmax] = box;
  return {
    x: xmin * width,
    y: ymin * height,
    width: (xmax - xmin) * width,
    height: (ymax - ymin) * height,
  };
}

function boxMark(region: RegionBox, index: number, width: number, height: number): Html {
  const box = boxPixels(region.box, width, height);
  const unit = Math.max(width, height) / 100;
  const round = (value: number) => Number(value.toFixed(2));
  const place = html`x="${round(box.x)}" y="${round(box.y)}" width="${round(box.width)}" height="${round(box.height)}"`;
  const badge = { width: unit * 7, height: unit * 7 };
  const x = Math.min(box.x, width - badge.width);
  const y = Math.min(box.y, height - badge.height);
  return html`<g><title>${region.text} (${region.score.toFixed(2)})</title>
<rect ${place} fill="none" stroke="#fff" stroke-width="${round(unit * 2)}" stroke-opacity=".8"/>
<rect class="box" ${place} fill="none" stroke="${colourOf(index)}" stroke-width="${round(unit)}"/>
<rect x="${round(x)}" y="${round(y)}" width="${round(badge.width)}" height="${round(badge.height)}" fill="${colourOf(index)}"/>
<text x="${round(x + badge.width / 2)}" y="${round(y + badge.height * 0.78)}" font-size="${round(unit * 6)}" font-weight="700" text-anchor="middle" fill="#fff">${index + 1}</text></g>
`;
}
