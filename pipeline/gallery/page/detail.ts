import type { About, Detail, Row } from '../api.ts';
import { askDetail } from './client.ts';
import { fill, h, saidText } from './dom.ts';
import { lifeOf } from './life.ts';
import { pictureOf } from './picture.ts';
import { count, describe, figure, languageName, plain, textOf } from './words.ts';

/** What can be done from a row's detail. */
export interface DetailActions {
  step(by: number): Promise<Row | null>;
  like(row: Row): void;
  showGroup(key: string): void;
  closed(): void;
}

/** The detail of one row, over the page. */
export interface DetailView {
  readonly element: HTMLDialogElement;
  open(row: Row, actions: DetailActions): void;
}

/** Makes the dialog in which a row's life is told. */
export function createDetail(about: About): DetailView {
  const body = h('div', { class: 'detail-body' });
  const key = h('h2', { id: 'detail-title' });
  let actions: DetailActions | null = null;
  let asked = new AbortController();
  const go = async (by: number) => {
    const row = await actions?.step(by);
    if (row) show(row);
  };
  const button = (label: string, text: string, click: () => void) =>
    h('button', { type: 'button', class: 'icon', 'aria-label': label, title: label, on: { click } }, text);
  const element = h(
    'dialog',
    { class: 'detail', 'aria-labelledby': 'detail-title' },
    h(
      'div',
      { class: 'detail-head' },
      key,
      button('Previous row', '←', () => go(-1)),
      button('Next row', '→', () => go(1)),
      button('Close', '✕', () => element.close()),
    ),
    body,
  );
  element.addEventListener('close', () => {
    asked.abort();
    actions?.closed();
  });
  element.addEventListener('click', (event) => {
    if (event.target === element) element.close();
  });
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    go(event.key === 'ArrowLeft' ? -1 : 1);
  });

  const show = async (row: Row) => {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    fill(key, h('bdi', {}, row.key ?? 'a row without a key'));
    fill(body, sides(row, null));
    body.scrollTop = 0;
    try {
      const detail = await askDetail(row.id, signal);
      fill(body, sides(detail.row, detail));
    } catch (error) {
      if (!signal.aborted)
        body.append(h('p', { class: 'note' }, error instanceof Error ? error.message : ''));
    }
  };

  const sides = (row: Row, detail: Detail | null) => {
    const narrow = innerWidth <= 832;
    // The dialog's left column, less the picture's margin.
    const width = narrow ? Math.min(innerWidth - 48, 560) : (Math.min(1088, innerWidth - 32) - 56) * 0.4 - 16;
    const frame = pictureOf(row, {
      epoch: about.epoch,
      width,
      height: narrow ? innerHeight * 0.45 : Math.min(440, innerHeight * 0.55),
      side: 1024,
    });
    const lit = (region: number | null) => {
      for (const box of frame.querySelectorAll<HTMLElement>('.box')) {
        box.classList.toggle('lit', box.dataset.region === String(region));
        box.classList.toggle('dim', region !== null && box.dataset.region !== String(region));
      }
    };
    return [
      h('div', { class: 'seen' }, frame, textsOf(row), verdictOf(row), factsOf(row), buttonsOf(row)),
      h(
        'div',
        { class: 'life' },
        detail === null ? h('p', { class: 'note' }, 'Looking it up…') : lifeParts(detail, lit),
      ),
    ];
  };

  const lifeParts = (detail: Detail, lit: (region: number | null) => void) => [
    groupOf(detail),
    ...(detail.why
      ? lifeOf(detail.why, lit)
      : [h('p', { class: 'note' }, 'It has no key, so that no other file of the run tells of it.')]),
  ];

  const groupOf = ({ row, group }: Detail) => {
    if (group.length < 2) return null;
    return h(
      'section',
      {},
      h('h3', {}, `Duplicates: ${count(row.group_size ?? group.length)} rows`),
      h(
        'ul',
        { class: 'group-rows' },
        group.map((member) =>
          h(
            'li',
            {},
            h(
              'button',
              {
                type: 'button',
                class: `member ${member.outcome}`,
                'aria-label': describe(member),
                'aria-current': member.id === row.id ? 'true' : null,
                on: { click: () => show(member) },
              },
              pictureOf({ ...member, regions: [] }, { epoch: about.epoch, width: 84, height: 72, side: 192 }),
              h('span', {}, member.outcome),
            ),
          ),
        ),
      ),
    );
  };

  const buttonsOf = (row: Row) => {
    const canCompare = row.outcome === 'kept' ? about.likeOff === null : about.searchOff === null;
    const group = row.group_key;
    return h(
      'p',
      { class: 'buttons' },
      canCompare
        ? h(
            'button',
            { type: 'button', on: { click: () => leave(() => actions?.like(row)) } },
            'More like this',
          )
        : null,
      group === null
        ? null
        : h(
            'button',
            { type: 'button', on: { click: () => leave(() => actions?.showGroup(group)) } },
            'Its duplicates',
          ),
    );
  };

  const leave = (then: () => void) => {
    element.close();
    then();
  };

  return {
    element,
    open(row, next) {
      actions = next;
      element.showModal();
      show(row);
    },
  };
}

function textsOf(row: Row): HTMLElement {
  const main = textOf(row);
  const others = row.texts.filter((text) => text !== main);
  return h(
    'div',
    { class: 'texts' },
    main === null ? h('p', { class: 'said none' }, 'no text known') : saidText(main, row.language, 'lead'),
    others.map((text) => saidText(text, row.language, 'other')),
  );
}

function verdictOf(row: Row): HTMLElement {
  if (row.outcome === 'kept') return h('p', { class: 'verdict-of kept' }, 'Kept');
  const against = row.threshold === null ? null : [' against ', h('bdi', {}, row.threshold)];
  return h(
    'div',
    { class: `verdict-of ${row.outcome}` },
    h('strong', {}, `${row.outcome} by ${row.stage ?? 'a stage'}: ${plain(row.reason ?? '')}`),
    row.value === null ? null : h('p', {}, h('bdi', {}, row.value), against),
  );
}

function factsOf(row: Row): HTMLElement {
  const facts: [string, string | null][] = [
    ['language', row.language === null ? null : languageName(row.language)],
    ['language score', row.language_score === null ? null : row.language_score.toFixed(3)],
    ['size', row.width && row.height ? `${count(row.width)} × ${count(row.height)}` : null],
    ['teacher similarity', row.text_score === null ? null : row.text_score.toFixed(3)],
    ['learnability, best', row.learnability === null ? null : row.learnability.toFixed(3)],
    ['times selected', row.selections === null ? null : count(row.selections)],
    ['nearness', row.nearness === null ? null : figure(row.nearness)],
  ];
  return h(
    'dl',
    { class: 'numbers' },
    facts.flatMap(([name, value]) =>
      value === null ? [] : [h('div', {}, h('dt', {}, name), h('dd', {}, value))],
    ),
  );
}
