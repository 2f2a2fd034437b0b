import { mkdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Anchors, Detail, Facets, Row, RowsPage, Search } from '../../pipeline/gallery/api.ts';
import { buildPage } from '../../pipeline/gallery/build-page.ts';
import { type Gallery, openGallery } from '../../pipeline/gallery/server.ts';
import { type OpenRun, openRun } from '../../pipeline/inspect/open-run.ts';
import { noBrowser, openBrowser } from '../browser.ts';
import { activeSvg, hostileKeys, makeRealRun } from '../real-run.ts';
import { temporaryFolder } from '../support.ts';

let run: OpenRun;
let gallery: Gallery;

beforeAll(async () => {
  const folder = await makeRealRun();
  const page = await buildPage(await temporaryFolder());
  gallery = await openGallery(folder, page, { host: '127.0.0.1' });
  run = await openRun(folder);
}, 240_000);

afterAll(async () => {
  await gallery?.close();
  await run?.close();
});

const headers = { host: 'localhost' };
const get = (url: string, more: Record<string, string> = {}) =>
  gallery.app.inject({ url, headers: { ...headers, ...more } });

async function ask<T>(url: string): Promise<T> {
  const answer = await get(url);
  expect([url, answer.statusCode]).toEqual([url, 200]);
  return answer.json() as T;
}

async function countOf(sql: string): Promise<number> {
  const [found] = await run.query(`SELECT count(*)::INT AS many FROM ${sql}`);
  return Number(found?.many);
}

async function allRows(query: string, limit: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const page: RowsPage = await ask(`/api/rows?${query}&limit=${limit}${after}`);
    rows.push(...page.rows);
    cursor = page.next;
  }
  return rows;
}

const rowOf = async (key: string): Promise<number> => {
  const { id } = await ask<{ id: number | null }>(`/api/find?key=${encodeURIComponent(key)}`);
  expect(id).not.toBeNull();
  return Number(id);
};

describe('rows by page', () => {
  it('are every row of the run exactly once, in every order, whatever the size of a page', async () => {
    const all = (await countOf('rows')) + (await countOf('dropped')) + (await countOf('quarantined'));
    for (const order of [
      'sort=order',
      'sort=shuffle',
      'sort=text_score',
      'sort=text_score&direction=asc',
      'sort=learnability',
      'sort=region_count',
    ]) {
      const rows = await allRows(order, 7);
      expect([order, new Set(rows.map(({ id }) => id)).size, rows.length]).toEqual([order, all, all]);
      expect(rows).toEqual(await allRows(order, 50));
    }
  });

  it('are sorted by their scores, those without one last', async () => {
    const scores = (await allRows('sort=text_score', 20)).map((row) => row.text_score);
    const known = scores.filter((score) => score !== null);
    expect(known.length).toBe(await countOf('rows'));
    expect(known).toEqual([...known].sort((a, b) => b - a));
    expect(scores.slice(known.length).every((score) => score === null)).toBe(true);
  });

  it('can be started at an anchor, and give the same rows there', async () => {
    const { every, cursors } = await ask<Anchors>('/api/anchors?sort=shuffle&limit=9');
    const rows = await allRows('sort=shuffle', 9);
    expect([every, cursors.length]).toEqual([9, Math.floor(rows.length / 9)]);
    for (const [i, cursor] of cursors.entries()) {
      const page = await ask<RowsPage>(`/api/rows?sort=shuffle&limit=9&cursor=${cursor}`);
      expect(page.rows).toEqual(rows.slice((i + 1) * 9, (i + 2) * 9));
    }
  });

  it('refuse a cursor of another order, and what is none', async () => {
    const { next } = await ask<RowsPage>('/api/rows?sort=shuffle&limit=5');
    expect((await get(`/api/rows?sort=text_score&cursor=${next}`)).statusCode).toBe(400);
    for (const cursor of ['x', 'e30', Buffer.from('["order","desc",{},0]').toString('base64url')]) {
      expect((await get(`/api/rows?cursor=${cursor}`)).statusCode).toBe(400);
    }
  });
});

describe('filters', () => {
  it('count as DuckDB counts', async () => {
    const { total, values } = await ask<Facets>('/api/facets');
    const rows = Object.fromEntries(values.outcome.map(({ value, rows: many }) => [value, many]));
    expect(rows.kept).toBe(await countOf('rows'));
    expect(rows.dropped).toBe(await countOf('dropped'));
    expect(rows.quarantined).toBe(await countOf('quarantined'));
    expect(total).toBe(rows.kept + rows.dropped + rows.quarantined);
    const [language] = await run.query(
      'SELECT language, count(*)::INT AS many FROM rows GROUP BY ALL ORDER BY many DESC, language LIMIT 1',
    );
    const ofKept = await ask<Facets>('/api/facets?outcome=kept');
    expect(ofKept.values.language[0]).toEqual({ value: language?.language, rows: language?.many });
  });

  it('hold rows to reasons, steps, scores, groups and words', async () => {
    const { total } = await ask<Facets>('/api/facets?reason=exact-duplicate&reason=near-duplicate');
    expect(total).toBe(await countOf("dropped WHERE stage = 'deduplicate'"));
    const steps = await ask<Facets>('/api/facets?from=1&to=2');
    expect(steps.total).toBe(
      await countOf('(SELECT DISTINCT key FROM selections WHERE step BETWEEN 1 AND 2)'),
    );
    const scored = await ask<Facets>('/api/facets?score=text_score&min=0.1&max=1e18');
    expect(scored.total).toBe(await countOf('rows WHERE text_score >= 0.1'));
    const [group] = await run.query(
      'SELECT group_key, count(*)::INT AS many FROM duplicates GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT 1',
    );
    const grouped = await ask<Facets>(`/api/facets?group=${encodeURIComponent(String(group?.group_key))}`);
    expect(grouped.total).toBe(group?.many);
    expect((await allRows('text=SQUARE%20yellow', 50)).map(({ key }) => key).sort()).toEqual(
      [...hostileKeys].sort(),
    );
  });

  it('find rows that were left out by their texts in the source shards', async () => {
    const [row] = await allRows('text=active%20picture', 50);
    expect([row?.key, row?.outcome, row?.texts]).toEqual(['svg', 'quarantined', ['an active picture']]);
  });
});

describe('what callers may not do', () => {
  const injections = [
    "' OR 1=1 --",
    '"; DROP TABLE gallery; --',
    '1) UNION SELECT * FROM rows --',
    '$word0',
    '%00',
  ];

  it('put SQL in any parameter', async () => {
    const before = (await ask<Facets>('/api/facets')).total;
    const names = [
      'outcome',
      'language',
      'stage',
      'reason',
      'score',
      'min',
      'max',
      'group',
      'from',
      'to',
      'text',
      'search',
      'sort',
      'direction',
      'cursor',
      'limit',
      'other',
    ];
    for (const name of names) {
      for (const value of injections) {
        for (const route of ['rows', 'facets', 'anchors']) {
          const url = `/api/${route}?${name}=${encodeURIComponent(value)}${name === 'min' ? '&score=text_score' : ''}`;
          const answer = await get(url);
          expect([url, [200, 400, 410].includes(answer.statusCode)]).toEqual([url, true]);
          const { rows = [], total = 0 } = answer.json() as { rows?: Row[]; total?: number };
          expect([url, rows.length, total]).toEqual([url, 0, 0]);
        }
      }
    }
    for (const value of injections) {
      expect((await get(`/api/rows/${encodeURIComponent(value)}`)).statusCode).toBe(404);
      expect((await ask<{ id: null }>(`/api/find?key=${encodeURIComponent(value)}`)).id).toBeNull();
    }
    expect((await ask<Facets>('/api/facets')).total).toBe(before);
  });

  it('reach files by a path', async () => {
    const paths = [
      '/../package.json',
      '/assets/../../package.json',
      '/assets/..%2f..%2fpackage.json',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/picture/../../etc/passwd',
      '/picture?key=..%2f..%2fnothing',
    ];
    for (const path of paths) {
      const answer = await get(path);
      expect([path, answer.statusCode]).toEqual([path, 404]);
      expect(answer.body).not.toMatch(/root:|"name"/);
    }
    const picture = await get(`/picture?key=${encodeURIComponent(hostileKeys[0])}&side=192`);
    expect([picture.statusCode, picture.headers['content-type']]).toEqual([200, 'image/jpeg']);
  });

  it('ask from a page of another origin, or by another name', async () => {
    for (const url of ['/', '/api/rows', `/picture/${gallery.about.epoch}/0`]) {
      expect((await get(url, { host: 'evil.example' })).statusCode).toBe(403);
      expect((await get(url, { origin: 'http://evil.example' })).statusCode).toBe(403);
      expect((await get(url, { 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403);
      expect((await get(url)).statusCode).toBe(200);
    }
  });

  it('be answered elsewhere than on the loopback address without the token', async () => {
    const host = '0.0.0.0';
    await expect(openGallery(run.parts.folder, new Map(), { host })).rejects.toThrow('token');
  });
});

describe('pictures', () => {
  it('are encoded anew: nothing of what was stored is passed on', async () => {
    const id = await rowOf('arabic');
    const answer = await get(`/picture/${gallery.about.epoch}/${id}?side=192`);
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'image/jpeg']);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    const { format, width } = await sharp(answer.rawPayload).metadata();
    expect([format, width]).toEqual(['jpeg', 60]);
  });

  it('that are active files, or broken, are told and not sent', async () => {
    for (const [key, why] of [
      ['svg', 'format'],
      ['html', 'format'],
      ['cut', 'decode'],
    ] as const) {
      const answer = await get(`/picture/${gallery.about.epoch}/${await rowOf(key)}`);
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([
        404,
        'application/json; charset=utf-8',
      ]);
      expect(answer.json().error).toContain(why);
    }
  });
});

describe('search by embeddings', () => {
  const post = (url: string, payload: object | Buffer, type = 'application/json') =>
    gallery.app.inject({ method: 'POST', url, headers: { ...headers, 'content-type': type }, payload });

  it('finds a row by its own picture, and by a text the rows that the teacher finds near', async () => {
    expect(gallery.about.searchOff).toBeNull();
    const key = hostileKeys[1];
    const like = (await post('/api/search', { like: await rowOf(key) })).json() as Search;
    const rows = await allRows(`search=${like.search}&sort=nearness`, 20);
    expect([rows.length, rows[0]?.key]).toEqual([await countOf('rows'), key]);
    const nearness = rows.map((row) => row.nearness ?? -2);
    expect(nearness[0]).toBeCloseTo(1, 2);
    expect(nearness).toEqual([...nearness].sort((a, b) => b - a));
    const uploaded = (await post('/api/search/picture', await jpegOf(key), 'image/jpeg')).json() as Search;
    const [first] = await allRows(`search=${uploaded.search}&sort=nearness`, 60);
    expect(first?.key).toBe(key);
    const text = (await post('/api/search', { text: 'a yellow square' })).json() as Search;
    expect(text.found).toBe(rows.length);
  });

  it('refuses what is no picture, and what it does not understand', async () => {
    expect((await post('/api/search/picture', activeSvg, 'image/svg+xml')).statusCode).toBe(422);
    expect((await post('/api/search/picture', Buffer.from('x'), 'text/html')).statusCode).toBe(415);
    expect((await post('/api/search', { text: 'x', like: 1 })).statusCode).toBe(400);
    expect((await get('/api/rows?search=forgotten')).statusCode).toBe(410);
  });

  const jpegOf = async (key: string) =>
    (await get(`/picture?key=${encodeURIComponent(key)}&side=1024`)).rawPayload;
});

describe('why', () => {
  it('tells the life of a kept row, and of one that was left out', async () => {
    const kept = await ask<Detail>(`/api/rows/${await rowOf('arabic')}`);
    expect(kept.why?.outcome).toBe('kept');
    const gone = await ask<Detail>(`/api/rows/${await rowOf('svg')}`);
    expect(gone.why?.stages.find(({ verdict }) => verdict === 'quarantined')).toMatchObject({
      stage: gone.row.stage,
      reason: gone.row.reason,
    });
  });
});

describe.skipIf(noBrowser !== null)("the page, in Debian's Chromium", () => {
  let browser: Browser;
  let origin: string;
  let pictures: string;
  const foreign: string[] = [];
  const broken: string[] = [];

  beforeAll(async () => {
    pictures = process.env.ASSAY_SCREENSHOTS ?? (await temporaryFolder());
    await mkdir(pictures, { recursive: true });
    await gallery.app.listen({ host: '127.0.0.1', port: 0 });
    origin = `http://127.0.0.1:${(gallery.app.server.address() as AddressInfo).port}`;
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  async function open(path: string, options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const page = await context.newPage();
    page.on('request', (request) => {
      if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('blob:'))
        foreign.push(request.url());
    });
    page.on('pageerror', (error) => broken.push(error.message));
    page.on('dialog', (dialog) => broken.push(dialog.message()));
    await page.goto(`${origin}${path}`);
    await page.locator('.card .loaded').first().waitFor();
    return page;
  }
  const status = (page: Page, rows: number) =>
    page.locator('.status', { hasText: new RegExp(`^${rows} rows?$`) }).waitFor();
  const save = (page: Page, name: string) => page.screenshot({ path: join(pictures, `gallery-${name}.png`) });

  it('shows the rows, counts and reasons that DuckDB gives, through the facets', async () => {
    const page = await open('/', { colorScheme: 'light' });
    const kept = await countOf('rows');
    await page.locator('.of-outcome label', { hasText: 'kept' }).click();
    await status(page, kept);
    await save(page, 'light');
    const [language] = await run.query(
      "SELECT language, count(*)::INT AS many FROM rows WHERE language <> 'en' GROUP BY ALL ORDER BY many DESC, language LIMIT 1",
    );
    await page.locator(`.of-language label:has(input[value="${language?.language}"])`).click();
    await status(page, Number(language?.many));
    await page.locator('.clear').click();
    await page.locator('.of-reason label', { hasText: 'near duplicate' }).click();
    await status(page, await countOf("dropped WHERE reason = 'near-duplicate'"));
    expect(await page.locator('.card .verdict').first().textContent()).toBe('near duplicate');
    await page.locator('.clear').click();
    await page.locator('.toolbar select').selectOption('text_score');
    const [best] = await run.query('SELECT text FROM rows ORDER BY text_score DESC, file, file_row LIMIT 1');
    await page.locator('[data-index="0"] .said', { hasText: String(best?.text) }).waitFor();
    await page.context().close();
  });

  it('tells why, by click and by keys alone', async () => {
    const page = await open('/?sort=region_count', { colorScheme: 'dark' });
    await page.keyboard.press('/');
    await page.keyboard.type('yellow square');
    await status(page, hostileKeys.length);
    // A card that has nothing on it yet opens nothing.
    await page.locator('[data-index="1"] .loaded').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    expect(await page.locator(':focus').getAttribute('data-index')).toBe('1');
    await page.keyboard.press('Enter');
    await page.locator('.detail .stages').waitFor();
    const key = String(await page.locator('.detail h2').textContent());
    expect(hostileKeys).toContain(key);
    const [row] = await run.query('SELECT text FROM rows WHERE key = $key', { key });
    expect(await page.locator('.detail .lead').textContent()).toBe(row?.text);
    const stages = await page.locator('.detail .stage-name').allTextContents();
    const ran = await run.query('SELECT stage FROM stages ORDER BY position');
    expect(stages).toEqual(expect.arrayContaining(ran.map(({ stage }) => stage)));
    await save(page, 'dark');
    await page.keyboard.press('Escape');
    expect(await page.locator(':focus').getAttribute('data-index')).toBe('1');
    await page.context().close();
  });

  it('draws the boxes where the regions are', async () => {
    const [best] = await run.query(
      'SELECT key, len(regions)::INT AS many FROM rows ORDER BY len(regions) DESC, file, file_row LIMIT 1',
    );
    const regions = await run.query('SELECT * FROM regions WHERE key = $key ORDER BY region', {
      key: String(best?.key),
    });
    expect(regions.length).toBeGreaterThan(0);
    const page = await open('/?sort=region_count');
    const card = page.locator('[data-index="0"]');
    await card.locator('.box').first().waitFor();
    const image = await card.locator('img').boundingBox();
    const boxes = await card.locator('.box').all();
    expect(boxes.length).toBe(regions.length);
    for (const [i, box] of boxes.entries()) {
      const { x = 0, y = 0, width = 0, height = 0 } = (await box.boundingBox()) ?? {};
      const [left, top, wide, high] = [image?.x ?? 0, image?.y ?? 0, image?.width ?? 0, image?.height ?? 0];
      const { xmin, ymin, xmax, ymax } = regions[i] as Record<string, number>;
      const edges = [x, y, x + width, y + height];
      const expected = [
        left + (xmin ?? 0) * wide,
        top + (ymin ?? 0) * high,
        left + (xmax ?? 0) * wide,
        top + (ymax ?? 0) * high,
      ];
      for (const [e, edge] of edges.entries()) expect(Math.abs(edge - (expected[e] ?? 0))).toBeLessThan(1.5);
    }
    await page.context().close();
  });

  it('fits a phone, has right-to-left text to the right, and cuts none off', async () => {
    const phone = {
      viewport: { width: 390, height: 844 },
      deviceScaleFactor: 2,
      hasTouch: true,
      isMobile: true,
    };
    const page = await open('/?text=قطة', phone);
    expect(await page.evaluate('getComputedStyle(document.querySelector(".card .said")).direction')).toBe(
      'rtl',
    );
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    await page.goto(`${origin}/?sort=region_count`);
    await page.locator('.card .loaded').first().waitFor();
    const cut = await page
      .locator('.card')
      .evaluateAll(
        (cards) =>
          cards.filter(
            ({ scrollHeight, clientHeight, scrollWidth, clientWidth }) =>
              scrollHeight > clientHeight + 1 || scrollWidth > clientWidth + 1,
          ).length,
      );
    expect(cut).toBe(0);
    await save(page, 'phone');
    await page.context().close();
  });

  it('keeps only the rows in sight in the document, and comes to the last one', async () => {
    const page = await open('/', { viewport: { width: 700, height: 500 } });
    await page.locator('[data-index="0"]').focus();
    await page.keyboard.press('End');
    const total = (await ask<Facets>('/api/facets')).total;
    await page.locator(`[data-index="${total - 1}"][aria-label]`).waitFor();
    expect(await page.locator('.card').count()).toBeLessThan(40);
    await page.context().close();
  });

  it('asked nothing of any other origin, and ran nothing of the data', () => {
    expect([foreign, broken]).toEqual([[], []]);
  });
});
