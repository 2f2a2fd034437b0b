import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { notebookNames, notebooksFolder } from '../../notebooks/kit/build.ts';
import { openNotebookData } from '../../notebooks/kit/data.ts';
import { previewNotebooks } from '../../notebooks/kit/preview.ts';
import { type OpenRun, openRun } from '../../pipeline/inspect/open-run.ts';
import { noBrowser, openBrowser, watchPage } from '../browser.ts';
import { makeRealRun } from '../real-run.ts';

const screenshots = process.env.ASSAY_SCREENSHOTS;

describe.skipIf(noBrowser !== null)('notebooks of a run', () => {
  let folder: string;
  let demo: string;
  let run: OpenRun;
  let browser: Browser;
  beforeAll(async () => {
    demo = await makeRealRun();
    folder = await mkdtemp(join(tmpdir(), 'assay-notebooks-'));
    const guide = await readFile(new URL('../../docs/notebooks.md', import.meta.url), 'utf8');
    const [command = ''] = /npm run notebooks -- runs\/demo$/m.exec(guide) ?? [];
    const words = command.replace('runs/demo', demo).split(' ');
    await promisify(execFile)(words[0] ?? '', [...words.slice(1), '--out', folder]);
    run = await openRun(demo);
    browser = await openBrowser();
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await run?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function show(name: string) {
    const watched = await watchPage(browser);
    const address = pathToFileURL(join(folder, `${name}.html`)).href;
    await watched.page.goto(address);
    await watched.page.waitForLoadState('networkidle');
    return { ...watched, address };
  }

  const one = async (sql: string) => Object.values((await run.query(sql))[0] ?? {})[0];

  it('are built, every one, and nothing of the building is left', async () => {
    expect((await readdir(folder)).sort()).toEqual(
      (await notebookNames()).map((name) => `${name}.html`).sort(),
    );
    const scratch = await readdir(join(notebooksFolder, '.observable')).catch(() => []);
    expect(scratch.filter((name) => name.startsWith('build-'))).toEqual([]);
  });

  it('open from the disk, ask nobody for anything, and show no error', async () => {
    for (const name of await notebookNames()) {
      const { page, requests, errors, address } = await show(name);
      await page.locator('svg, img, table').first().waitFor();
      expect(requests, name).toEqual([address]);
      expect(errors, name).toEqual([]);
      expect(await page.locator('.observablehq--error').allTextContents(), name).toEqual([]);
      if (screenshots)
        await page.screenshot({ path: join(screenshots, `notebook-${name}.png`), fullPage: true });
      await page.close();
    }
  });

  it('say what DuckDB says: the totals of the run', async () => {
    const { page } = await show('index');
    const kept = Number(await one('SELECT count(*) FROM rows'));
    const dropped = Number(await one('SELECT count(*) FROM dropped'));
    const regions = Number(await one('SELECT count(*) FROM regions'));
    const shown = await page.locator('#cell-3').textContent();
    for (const [label, rows] of Object.entries({ kept, dropped, 'labelled regions': regions })) {
      expect(shown).toContain(`${rows.toLocaleString('en')}${label}`);
    }
    await page.close();
  });

  it('say what DuckDB says: every reason for which rows were left out', async () => {
    const { page } = await show('funnel');
    const reasons = await run.query(
      "SELECT stage, reason, count(*)::INT AS rows FROM verdicts WHERE outcome <> 'labelled' GROUP BY ALL",
    );
    expect(reasons.length).toBeGreaterThan(3);
    const table = page.locator('table').first();
    await table.waitFor();
    const rows = await table
      .locator('tbody tr')
      .evaluateAll((all) => all.map((row) => [...row.children].map(({ textContent }) => textContent)));
    for (const { stage, reason, rows: count } of reasons) {
      const shown = rows.filter((cells) => cells.includes(`${stage}`) && cells.includes(`${reason}`));
      expect(shown, `${stage}: ${reason}`).toHaveLength(1);
      expect(shown[0]).toContain(Number(count).toLocaleString('en'));
    }
    await page.close();
  });

  it('draw the boxes where the regions are', async () => {
    const { page } = await show('regions');
    const [figure, text] = [page.locator('figure:has(img)').first(), 'figcaption'];
    await figure.waitFor();
    const caption = await figure.locator(text).textContent();
    const wanted = await run.query(
      `SELECT g.text, g.xmin, g.ymin, g.xmax - g.xmin AS width FROM rows r JOIN regions g USING (key)
       WHERE r.text = $caption`,
      { caption },
    );
    expect(wanted.length).toBeGreaterThan(1);
    const image = await figure.locator('img').boundingBox();
    const boxes = figure.locator('div[title]');
    expect(await boxes.count()).toBe(wanted.length);
    for (const box of await boxes.all()) {
      const drawn = await box.boundingBox();
      if (image === null || drawn === null) throw new Error('a box is not drawn');
      const left = (drawn.x - image.x) / image.width;
      const top = (drawn.y - image.y) / image.height;
      const label = await box.textContent();
      const near = wanted.filter(
        (region) =>
          region.text === label &&
          Math.abs(Number(region.xmin) - left) < 0.01 &&
          Math.abs(Number(region.ymin) - top) < 0.01 &&
          Math.abs(Number(region.width) - drawn.width / image.width) < 0.01,
      );
      expect(near.length, `${label} at ${left}, ${top}`).toBeGreaterThan(0);
    }
    await page.close();
  });

  it('are served for editing on the loopback address, from the same answers', async () => {
    const data = await openNotebookData(demo);
    const preview = await previewNotebooks(data.connection, 0);
    try {
      expect(new URL(preview.url).hostname).toMatch(/^(127\.0\.0\.1|localhost)$/);
      const { page, requests, errors } = await watchPage(browser);
      await page.goto(new URL('index.html', preview.url).href);
      await page.locator('#cell-3 div').first().waitFor();
      const kept = Number(await one('SELECT count(*) FROM rows'));
      expect(await page.locator('#cell-3').textContent()).toContain(`${kept.toLocaleString('en')}kept`);
      expect(requests.filter((address) => new URL(address).origin !== new URL(preview.url).origin)).toEqual(
        [],
      );
      expect(errors).toEqual([]);
      await page.close();
    } finally {
      await preview.close();
      await data.close();
    }
  });
});
