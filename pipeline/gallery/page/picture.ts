import type { Region, Row } from '../api.ts';
import { fill, h } from './dom.ts';
import { describe } from './words.ts';

/** As many colours as boxes are told apart by; they come again after that. */
export const boxColours = 8;

/** What pictures hang on. */
export interface PictureOptions {
  readonly epoch: string;
  /** Pixels that the picture may take. */
  readonly width: number;
  readonly height: number;
  readonly side: 192 | 384 | 1024;
}

/** A row's picture with its regions' boxes over it; what keeps it from being shown is said in its stead. */
export function pictureOf(row: Row, { epoch, width, height, side }: PictureOptions): HTMLElement {
  const address = `/picture/${epoch}/${row.id}?side=${side}`;
  const image = h('img', { alt: describe(row), decoding: 'async', draggable: 'false' });
  const fit = h('div', { class: 'fit' }, image);
  const frame = h('div', { class: 'frame' }, fit);
  const sized = (natural: { width: number; height: number }) => {
    const scale = Math.min(width / natural.width, height / natural.height);
    fit.style.width = `${Math.round(natural.width * scale)}px`;
    fit.style.height = `${Math.round(natural.height * scale)}px`;
  };
  if (row.width && row.height) sized({ width: row.width, height: row.height });
  image.addEventListener('load', () => {
    // The picture itself knows best: what the source said of its size may be wrong, or be of another turn.
    sized({ width: image.naturalWidth, height: image.naturalHeight });
    fit.append(...row.regions.map(boxOf));
    frame.classList.add('loaded');
  });
  image.addEventListener('error', async () => {
    const said = await fetch(address)
      .then((response) => response.json() as Promise<{ error?: string }>)
      .catch(() => ({ error: 'no picture' }));
    frame.classList.add('none');
    fill(frame, h('span', {}, said.error ?? 'no picture'));
  });
  image.src = address;
  return frame;
}

function boxOf({ box: [top, left, bottom, right], text, score }: Region, index: number): HTMLElement {
  const box = h('span', {
    class: `box colour-${index % boxColours}`,
    'data-region': index,
    title: `${text} (${score.toFixed(2)})`,
  });
  const percent = (share: number) => `${(Math.max(0, Math.min(1, share)) * 100).toFixed(3)}%`;
  box.style.top = percent(top);
  box.style.left = percent(left);
  box.style.height = percent(bottom - top);
  box.style.width = percent(right - left);
  return box;
}
