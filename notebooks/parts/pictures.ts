import { element, nothing } from './elements.ts';

/** One picture of a page, and what is said of it. */
export interface Picture {
  /** A `data:` URL; null where the image can't be shown. */
  readonly image: string | null;
  readonly text: string;
  /** A line under the text. */
  readonly note?: string;
  readonly regions?: readonly Region[];
}

/** A region of a picture: the box as fractions (ymin, xmin, ymax, xmax) of its sides. */
export interface Region {
  readonly box: readonly [number, number, number, number];
  readonly text: string;
  readonly score: number;
}

const muted = 'color: var(--theme-foreground-muted)';

// Of a long text the first lines are shown, and the whole of it where the pointer rests.
const captionStyle =
  'overflow: hidden; overflow-wrap: anywhere; color: var(--theme-foreground); display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 5';

/** A grid of pictures with their texts, each in its script's direction. */
export function pictures(all: readonly Picture[], why = 'This run has none.'): HTMLElement {
  if (all.length === 0) return nothing(why);
  const columns = 'repeat(auto-fill, minmax(150px, 1fr))';
  return element(
    'div',
    { style: `display: grid; grid-template-columns: ${columns}; gap: 1.25rem 1rem; margin: 1rem 0` },
    ...all.map(picture),
  );
}

function picture({ image, text, note, regions = [] }: Picture): HTMLElement {
  const shown =
    image === null
      ? element('div', { style: `${muted}; font: 0.8rem var(--sans-serif)` }, 'no image')
      : element('img', { src: image, alt: text, style: 'display: block; width: 100%; border-radius: 4px' });
  const frame = element('div', { style: 'position: relative' }, shown, ...regions.map(box));
  const caption = element('figcaption', { dir: 'auto', title: text, style: captionStyle }, text);
  const lines =
    note === undefined
      ? []
      : [element('div', { style: `${muted}; font: 0.75rem/1.4 var(--sans-serif)` }, note)];
  return element('figure', { style: 'margin: 0; max-width: 240px' }, frame, caption, ...lines);
}

function box({ box: [top, left, bottom, right], text, score }: Region): HTMLElement {
  const percent = (share: number) => `${(share * 100).toFixed(2)}%`;
  const place = `top: ${percent(top)}; left: ${percent(left)}; height: ${percent(bottom - top)}; width: ${percent(right - left)}`;
  const label = element(
    'span',
    {
      dir: 'auto',
      style:
        'position: absolute; top: 0; left: 0; padding: 0 3px; background: #e8590c; color: #fff; font: 10px/14px var(--sans-serif); white-space: nowrap; max-width: 100%; overflow: hidden; text-overflow: ellipsis; box-sizing: border-box',
    },
    text,
  );
  return element(
    'div',
    {
      title: `${text} (${score.toFixed(2)})`,
      style: `position: absolute; ${place}; border: 2px solid #e8590c; border-radius: 2px; box-sizing: border-box`,
    },
    label,
  );
}
