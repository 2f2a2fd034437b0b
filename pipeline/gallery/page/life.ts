import type { StageLine, StepLine, Why } from '../../inspect/why.ts';
import { h, saidText } from './dom.ts';
import { boxColours } from './picture.ts';
import { figure, plain } from './words.ts';

/** Steps that are shown: of a long run the last ones say how it ended. */
const mostSteps = 60;

/** A row's life as sections of its detail; `lit` is called for the region that is pointed at. */
export function lifeOf(why: Why, lit: (region: number | null) => void): HTMLElement[] {
  return [
    section('Stages', why.stages.length > 0 && h('ol', { class: 'stages' }, why.stages.map(stageLine))),
    section('Regions', why.regions.length > 0 && regionList(why, lit)),
    section('Teacher', why.teacher !== null && teacherList(why)),
    section(stepsTitle(why), why.steps.length > 0 && stepTable(why.steps)),
    section('Removed alt-texts', (why.row?.removedTexts.length ?? 0) > 0 && removedList(why)),
    section('Where it is', placeList(why)),
  ].filter((part) => part !== null);
}

function section(title: string, body: HTMLElement | false): HTMLElement | null {
  return body === false ? null : h('section', {}, h('h3', {}, title), body);
}

function stageLine({ stage, verdict, reason, checks }: StageLine): HTMLElement {
  return h(
    'li',
    { class: `stage ${verdict.replace(' ', '-')}` },
    h('span', { class: 'stage-name' }, stage),
    h('span', { class: 'stage-verdict' }, reason === null ? verdict : `${verdict}: ${plain(reason)}`),
    h(
      'ul',
      { class: 'checks' },
      checks.map(({ what, value, threshold }) =>
        h(
          'li',
          {},
          what === reason ? null : h('span', { class: 'what' }, what),
          h('bdi', { class: 'value' }, value),
          threshold === null ? null : h('span', { class: 'threshold' }, h('bdi', {}, threshold)),
        ),
      ),
    ),
  );
}

function regionList({ regions, row }: Why, lit: (region: number | null) => void): HTMLElement {
  return h(
    'ul',
    { class: 'regions' },
    regions.map(({ text, score }, i) =>
      h(
        'li',
        {
          tabindex: '0',
          on: {
            mouseenter: () => lit(i),
            mouseleave: () => lit(null),
            focus: () => lit(i),
            blur: () => lit(null),
          },
        },
        h('span', { class: `swatch colour-${i % boxColours}` }),
        h('bdi', { lang: row?.language ?? null }, text),
        h('span', { class: 'number' }, score.toFixed(2)),
      ),
    ),
  );
}

function teacherList({ teacher, row }: Why): HTMLElement {
  const scores = teacher?.textScores ?? [];
  const texts = row?.altTexts ?? [];
  const items = scores.length > 0 ? scores.map((score, i) => ({ score, text: texts[i] ?? '' })) : [];
  return h(
    'ul',
    { class: 'similarities' },
    items.map(({ score, text }) =>
      h(
        'li',
        {},
        saidText(text, row?.language ?? null, text === row?.text ? 'chosen' : ''),
        h('span', { class: 'number', title: 'similarity of picture and text' }, score.toFixed(3)),
      ),
    ),
  );
}

function stepsTitle({ steps, offersRecorded }: Why): string {
  const selected = steps.filter((step) => step.selected).length;
  const times = (many: number) => (many === 1 ? 'once' : `${many} times`);
  return offersRecorded
    ? `Offered ${times(steps.length)}, selected ${times(selected)}`
    : `Selected ${times(selected)}`;
}

function stepTable(steps: readonly StepLine[]): HTMLElement {
  const cell = (value: number | null) => h('td', {}, value === null ? '' : value.toFixed(2));
  const shown = steps.slice(-mostSteps);
  return h(
    'div',
    { class: 'scrolls', tabindex: '0', role: 'region', 'aria-label': 'Steps' },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ['step', 'learnability', 'learner', 'teacher', ''].map((name) => h('th', { scope: 'col' }, name)),
        ),
      ),
      h(
        'tbody',
        {},
        shown.map((step) =>
          h(
            'tr',
            { class: step.selected ? 'selected' : '' },
            h('td', {}, figure(step.step)),
            cell(step.selfScore),
            cell(step.learnerLoss),
            cell(step.teacherLoss),
            h('td', {}, step.selected ? 'selected' : 'offered'),
          ),
        ),
      ),
    ),
    steps.length > shown.length
      ? h('p', { class: 'note' }, `and ${steps.length - shown.length} before these`)
      : null,
  );
}

function removedList({ row }: Why): HTMLElement {
  return h(
    'ul',
    { class: 'similarities' },
    (row?.removedTexts ?? []).map(({ text, reason }) =>
      h('li', {}, saidText(text, null, ''), h('span', { class: 'number' }, plain(reason))),
    ),
  );
}

function placeList({ read, written, row }: Why): HTMLElement {
  const place = (name: string, value: string) => [h('dt', {}, name), h('dd', {}, h('bdi', {}, value))];
  const at = (part: string, value: number | null) => (value === null ? '' : `, ${part} ${value}`);
  return h(
    'dl',
    {},
    read ? place('read from', `${read.shard}${at('row group', read.rowGroup)}${at('row', read.row)}`) : null,
    written ? place('written to', `${written.file}, row ${written.row}`) : null,
    row?.url ? place('found at', row.url) : null,
    read || written || row?.url ? null : place('read from', 'not recorded'),
  );
}
