import type { CurationReport } from '../../../schemas/reports.ts';
import type { RegionBox, RegionExample } from '../examples.ts';
import { type Html, html, type Section } from '../html.ts';
import { pictureFrame } from '../pictures.ts';
import { count, counted, languageName, percent, shareOf } from '../words.ts';
import { shortened } from './examples.ts';

/** Boxes drawn on one picture: the best. */
const mostBoxes = 6;
const colours = 6;

/** Kept pictures with their region boxes drawn over them. */
export function regionsSection(examples: readonly RegionExample[], report: CurationReport): Section {
  const { rows, regions } = report.regions;
  const told = html`<p>${counted(regions, 'region')} on ${count(rows)} of ${count(report.kept)} kept rows
(${percent(shareOf(rows, report.kept))}).</p>`;
  const body =
    examples.length === 0
      ? html`${told}<p class="note">No picture with regions to show.</p>`
      : html`${told}<p>The rows with the most labels. A box’s number is its label’s; the figure beside a label is the
detector’s score.</p><div class="examples boxes">${examples.map(regionFigure)}</div>`;
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
  const unit = Math.max(width, height) / 100;
  const boxes = regions.map(({ box }) => boxPixels(box, width, height));
  const badges = placeBadges(boxes, unit * 7, width, height);
  const marks = regions.map((region, i) =>
    boxMark(region, i, boxes[i] as Rectangle, badges[i] as Rectangle, unit),
  );
  // Drawn last to first, so that the best box is on top.
  return html`<div class="picture"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">
<image href="${uri}" width="${width}" height="${height}"/>
${marks.toReversed()}</svg></div>`;
}

/** A box in pixels of a picture: x, y, width, height. */
export function boxPixels(box: RegionBox['box'], width: number, height: number): Rectangle {
  const [ymin, xmin, ymax, xmax] = box;
  return {
    x: xmin * width,
    y: ymin * height,
    width: (xmax - xmin) * width,
    height: (ymax - ymin) * height,
  };
}

/** A rectangle in pixels of a picture. */
interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Where the boxes' numbers go: squares of `side` in a corner of their box, the first corner whose square is clear of
 * the earlier ones, so that boxes which begin at one point stay apart; the top left one when none is.
 */
export function placeBadges(
  boxes: readonly Rectangle[],
  side: number,
  width: number,
  height: number,
): Rectangle[] {
  const placed: Rectangle[] = [];
  for (const box of boxes) {
    const [left, top] = [box.x, box.y];
    const [right, bottom] = [box.x + box.width - side, box.y + box.height - side];
    const corners = [
      [left, top],
      [right, top],
      [left, bottom],
      [right, bottom],
    ].map(([x = 0, y = 0]): Rectangle => {
      const within = (value: number, most: number) => Math.max(0, Math.min(value, most - side));
      return { x: within(x, width), y: within(y, height), width: side, height: side };
    });
    const clear = corners.find((corner) => placed.every((badge) => !overlap(corner, badge)));
    placed.push(clear ?? (corners[0] as Rectangle));
  }
  return placed;
}

function overlap(a: Rectangle, b: Rectangle): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function boxMark(region: RegionBox, index: number, box: Rectangle, badge: Rectangle, unit: number): Html {
  const round = (value: number) => Number(value.toFixed(2));
  const place = ({ x, y, width, height }: Rectangle) =>
    html`x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`;
  const colour = colourOf(index);
  return html`<g><title>${region.text} (${region.score.toFixed(2)})</title>
<rect ${place(box)} fill="none" stroke="#fff" stroke-width="${round(unit * 2)}" stroke-opacity=".8"/>
<rect class="box" ${place(box)} fill="none" stroke="${colour}" stroke-width="${round(unit)}"/>
<rect ${place(badge)} fill="${colour}"/>
<text x="${round(badge.x + badge.width / 2)}" y="${round(badge.y + badge.height * 0.78)}" font-size="${round(unit * 6)}" font-weight="700" text-anchor="middle" fill="#fff">${index + 1}</text></g>
`;
}
