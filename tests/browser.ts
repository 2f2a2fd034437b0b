import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

const chromiumPath = process.env.ASSAY_CHROMIUM ?? '/usr/bin/chromium';

/** Why tests in a browser are skipped; null where there is one. */
export const noBrowser = existsSync(chromiumPath)
  ? null
  : `no ${chromiumPath}: apt-get install chromium, or name one in ASSAY_CHROMIUM`;

if (noBrowser !== null) console.warn(`tests in a browser are skipped: ${noBrowser}`);

/** Starts Debian's Chromium. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
}

/** What a page did that a reader would not see. */
export interface Watched {
  readonly page: Page;
  /** Addresses that the page asked for, but for those that hold their data themselves. */
  readonly requests: string[];
  /** What went wrong in it. */
  readonly errors: string[];
}

/** Opens a page, with all that it asks for and all that fails in it written down. */
export async function watchPage(browser: Browser, size = { width: 1100, height: 900 }): Promise<Watched> {
  const page = await browser.newPage({ viewport: size });
  const requests: string[] = [];
  const errors: string[] = [];
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url())) requests.push(request.url());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    // A browser asks for an icon by itself.
    const isIcon = message.location().url.endsWith('/favicon.ico');
    if (message.type() === 'error' && !isIcon) errors.push(message.text());
  });
  return { page, requests, errors };
}
