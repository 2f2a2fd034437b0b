import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeCurationPage } from '../../pipeline/report/curation-page.ts';
import { writeDemoPage } from '../../pipeline/report/demo-page.ts';
import { writeDistillPage } from '../../pipeline/report/distill-page.ts';
import { curatedFolder, curationReport, distilledFolder, distillReport, hostile } from './run-folders.ts';

const distilled = distillReport(0.25, 0.5);
let curatedPath = '';
let text = '';
let distillText = '';

beforeAll(async () => {
  curatedPath = await curatedFolder({ regions: true });
  const distilledPath = await distilledFolder(curatedPath);
  const path = join(distilledPath, 'demo.html');
  await writeDemoPage(path, {
    curation: curationReport,
    curationFolder: curatedPath,
    distill: distilled,
    distillFolder: distilledPath,
    truth: { truncatedKept: 0, languageRight: 1, strangeThings: 12345 },
    notes: [hostile],
  });
  text = await readFile(path, 'utf8');
  await writeDistillPage(distilledPath, distilled);
  distillText = await readFile(join(distilledPath, 'report.html'), 'utf8');
});

const textOf = (page: string) => parseHTML(page).document.body.textContent.replaceAll(/\s+/g, ' ');
const sectionOf = (page: string, id: string) => parseHTML(page).document.getElementById(id);

describe('the demo’s page', () => {
  it('fetches nothing: pictures are data, and no style or link leaves the page', () => {
    const { document } = parseHTML(text);
    const sources = [...document.querySelectorAll('[src]')].map((node) => node.getAttribute('src') ?? '');
    const links = [...document.querySelectorAll('[href]')].map((node) => node.getAttribute('href') ?? '');
    expect(sources.length).toBeGreaterThan(3);
    expect(sources.every((source) => source.startsWith('data:image/jpeg;base64,'))).toBe(true);
    expect(links.every((link) => /^(#|data:image\/jpeg;base64,)/.test(link))).toBe(true);
    expect(text).not.toMatch(/url\(|@import|https?:\/\//);
  });

  it('lets no text of the data become markup', () => {
    const { document } = parseHTML(text);
    expect(document.querySelectorAll('script, [onerror], img[src="x"]').length).toBe(0);
    expect(textOf(text)).toContain('<script>alert(1)</script>');
  });

  it('has the balance in its head and every section that it leads to', () => {
    const { document } = parseHTML(text);
    expect(document.querySelector('.verdict')?.textContent).toContain(
      '6 read = 3 kept + 2 dropped + 1 quarantined',
    );
    const anchors = [...document.querySelectorAll('nav a')].map(
      (node) => node.getAttribute('href')?.slice(1) ?? '',
    );
    expect(anchors).toEqual([...document.querySelectorAll('section')].map((section) => section.id));
    expect(new Set(anchors).size).toBe(anchors.length);
    expect(anchors).toEqual(
      expect.arrayContaining([
        'funnel',
        'mix',
        'languages',
        'kept',
        'left',
        'regions',
        'learning',
        'selection',
      ]),
    );
  });

  it('has the funnel from read to selected, with reasons', () => {
    const funnel = sectionOf(text, 'funnel');
    const lines = [...(funnel?.querySelectorAll('.funnel > li') ?? [])].map((item) =>
      item.textContent.replaceAll(/\s+/g, ' '),
    );
    expect(lines).toHaveLength(5);
    expect(lines[1]).toMatch(
      /Check images 6 → 5 −1 \(16\.7%\).*1the image is truncated or corrupt · quarantined/,
    );
    expect(lines[4]).toMatch(/3,000 → 750 −2,250 \(75\.0%\)/);
    const bars = [...(funnel?.querySelectorAll('.track i') ?? [])].map((bar) => bar.getAttribute('style'));
    expect(bars).toEqual(['100.00', '83.33', '66.67', '50.00', '25.00'].map((share) => `width:${share}%`));
  });

  it('sets the realised mix beside the requested one, and says what fell short', () => {
    const mix = sectionOf(text, 'mix')?.textContent ?? '';
    for (const figure of ['25.00%', '33.33%', '+8.33 points', '−8.33 points']) expect(mix).toContain(figure);
    expect(mix).toContain('English: 1 row too many');
  });

  it('has a bar and a mark for each language but English', () => {
    const chart = sectionOf(text, 'mix')?.querySelector('svg');
    const labels = [...(chart?.querySelectorAll('rect[aria-label], line[aria-label]') ?? [])].map((node) =>
      node.getAttribute('aria-label'),
    );
    expect(labels.toSorted()).toEqual([
      'Arabic: realised',
      'Arabic: requested',
      'German: realised',
      'German: requested',
    ]);
  });

  it('names every language in its table', () => {
    const rows = [...(sectionOf(text, 'languages')?.querySelectorAll('tbody tr') ?? [])];
    expect(rows.map((row) => row.querySelector('th')?.textContent)).toEqual(['English', 'Arabic', 'German']);
  });

  it('shows kept rows with all their alt-texts, each in its own direction', () => {
    const items = [...(sectionOf(text, 'kept')?.querySelectorAll('.texts li') ?? [])];
    expect(items).toHaveLength(4);
    expect(items.every((item) => item.getAttribute('dir') === 'auto')).toBe(true);
    const arabic = items.find((item) => item.textContent === 'صندوق');
    expect(arabic?.getAttribute('lang')).toBe('ar');
    expect(sectionOf(text, 'kept')?.querySelector('.chosen')?.textContent).toBe(hostile);
  });

  it('shows dropped rows with their picture and reason, from shards of which one is gone', () => {
    const left = sectionOf(text, 'left');
    expect([...(left?.querySelectorAll('h3') ?? [])].map((title) => title.textContent)).toEqual([
      expect.stringMatching(/^Check images: the image is truncated or corrupt/),
      expect.stringMatching(/^Clean texts: no alt-text is worth keeping/),
      expect.stringMatching(/^Deduplicate: the same bytes as a kept row/),
    ]);
    expect(left?.querySelectorAll('img')).toHaveLength(2);
    for (const told of ['alt of d1', 'alt of d2', 'of k1', 'the file ends early']) {
      expect(left?.textContent).toContain(told);
    }
  });

  it('shows a labelled box for a picture that doesn’t decode', () => {
    const boxes = [...(sectionOf(text, 'left')?.querySelectorAll('.picture.none') ?? [])];
    expect(boxes.map((box) => box.textContent)).toEqual(['does not decode']);
  });

  it('draws regions where they are, the best one first in the list', () => {
    const regions = sectionOf(text, 'regions');
    expect(regions?.querySelector('svg')?.getAttribute('viewBox')).toBe('0 0 40 20');
    const boxes = [...(regions?.querySelectorAll('rect.box') ?? [])].map((box) =>
      ['x', 'y', 'width', 'height'].map((name) => Number(box.getAttribute(name))),
    );
    expect(boxes).toEqual([
      [20, 5, 20, 10],
      [0, 0, 10, 10],
    ]);
    const labels = [...(regions?.querySelectorAll('.labels li') ?? [])].map((label) => label.textContent);
    expect(labels[0]?.replaceAll(/\s+/g, ' ')).toBe('1 box0.75');
  });

  it('says what was left out and why', () => {
    expect(sectionOf(text, 'left-out')?.textContent).toContain(
      'Embed with the teacher: no teacher.checkpoint',
    );
  });

  it('holds the planted truth’s figures, shares as percent', () => {
    const rows = [...(sectionOf(text, 'truth')?.querySelectorAll('tr') ?? [])].map((row) => row.textContent);
    expect(rows).toEqual([
      'truncated images kept0',
      'kept rows whose language was identified right100.00%',
      'strange things12,345',
    ]);
  });
});

describe('a distillation’s page', () => {
  it('has a path for each learner in each of the three charts, and a dot a point', () => {
    const charts = [...(sectionOf(distillText, 'learning')?.querySelectorAll('svg') ?? [])];
    const learners = ['selected', 'uniform'];
    expect(
      charts.map((chart) =>
        [...chart.querySelectorAll('path[aria-label]')].map((path) => path.getAttribute('aria-label')),
      ),
    ).toEqual(['Recall@1', 'Recall@1', 'Loss'].map((y) => learners.map((name) => `${name}: ${y}`)));
    expect(charts.map((chart) => chart.querySelectorAll('circle').length)).toEqual([6, 6, 6]);
    const drawn = charts.flatMap((chart) => [...chart.querySelectorAll('path[aria-label]')]);
    expect(
      drawn.every((path) => /^M[\d.]+,[\d.]+(L[\d.]+,[\d.]+){2}$/.test(path.getAttribute('d') ?? '')),
    ).toBe(true);
  });

  it('has the chart’s words for screen readers', () => {
    const charts = [...parseHTML(distillText).document.querySelectorAll('svg[role="img"]')];
    expect(charts).toHaveLength(5);
    expect(charts.every((chart) => (chart.getAttribute('aria-label') ?? '').length > 20)).toBe(true);
  });

  it('sets the learners beside each other and the teacher, the better one marked', () => {
    const rows = [
      ...(sectionOf(distillText, 'learning')?.querySelectorAll('table')[0]?.querySelectorAll('tbody tr') ??
        []),
    ];
    expect(rows.map((row) => row.querySelector('td')?.textContent)).toEqual(['25.0%', '50.0%', '87.5%']);
    expect(rows.map((row) => row.querySelectorAll('.better').length)).toEqual([0, 5, 0]);
  });

  it('holds what was selected against what was offered', () => {
    const selection = sectionOf(distillText, 'selection')?.textContent ?? '';
    expect(selection).toContain('6 selections of 3 distinct pairs');
    expect(selection).toContain('selected most often, 3 times');
    expect(selection).toContain('English is 50.0% of the selected pairs; 50.0% of the offered ones');
    expect(selection).toContain('Arabic: selected 33.33%, offered 25.00%');
    for (const median of ['2.00', '1.00', '0.00']) expect(selection).toContain(`median ${median}`);
  });
});

describe('a run that left things out', () => {
  it('still has a page: no teacher, no regions, no input, no examples', async () => {
    const folder = await curatedFolder({ regions: false });
    for (const name of ['source.parquet', 'dropped', 'quarantine']) {
      await rm(join(folder, name), { recursive: true });
    }
    await writeCurationPage(folder, { ...curationReport, regions: { rows: 0, regions: 0 } });
    const page = await readFile(join(folder, 'report.html'), 'utf8');
    expect(sectionOf(page, 'regions')?.textContent).toContain('No picture with regions to show');
    expect(sectionOf(page, 'left')?.textContent).toContain('No dropped or quarantined rows to show');
    expect(sectionOf(page, 'kept')?.querySelectorAll('img')).toHaveLength(3);
  });

  it('still has a page when nothing was kept and no file is left', async () => {
    const folder = await curatedFolder({ regions: false });
    for (const name of ['shards', 'dropped', 'quarantine', 'manifest.json']) {
      await rm(join(folder, name), { recursive: true });
    }
    const empty = { ...curationReport, kept: 0, languages: [], balanced: false, stages: [] };
    await writeCurationPage(folder, empty);
    const page = await readFile(join(folder, 'report.html'), 'utf8');
    expect(page).toContain('class="verdict unsound"');
    expect(textOf(page)).toContain('6 read ≠ 0 kept + 2 dropped + 1 quarantined (3 rows missing)');
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('still shows the loss when no learner was evaluated and nothing was selected', async () => {
    const folder = await curatedFolder({ regions: false });
    const learners = distilled.learners.map((learner) => ({
      ...learner,
      evaluation: null,
      curve: learner.curve.map((point) => ({ ...point, evaluation: null })),
    }));
    const leftOut = [{ stage: 'evaluate', why: 'no evaluation.shards' }];
    await writeDistillPage(folder, { ...distilled, learners, teacherAgreement: null, leftOut });
    const page = await readFile(join(folder, 'report.html'), 'utf8');
    expect(sectionOf(page, 'learning')?.querySelectorAll('svg')).toHaveLength(1);
    expect(sectionOf(page, 'selection')?.textContent).toContain('No record of selections to show');
    expect(textOf(page)).toContain('Evaluate: no evaluation.shards');
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });
});
