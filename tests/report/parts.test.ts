import { describe, expect, it } from 'vitest';
import { pictureOf } from '../../pipeline/report/pictures.ts';
import { shortened } from '../../pipeline/report/sections/examples.ts';
import { boxPixels, placeBadges } from '../../pipeline/report/sections/regions.ts';
import { sharesOffered } from '../../pipeline/report/selection-facts.ts';
import { picture } from './run-folders.ts';

describe('pictures of a page', () => {
  it('are encoded anew, at the size asked at the most', async () => {
    const small = await pictureOf(await picture(), 10);
    expect(small).toMatchObject({ width: 10, height: 5 });
    expect('uri' in small && Buffer.from(small.uri.split(',')[1] ?? '', 'base64').subarray(0, 3)).toEqual(
      Buffer.from([0xff, 0xd8, 0xff]),
    );
  });

  it('are named for what is wrong when they can’t be shown', async () => {
    const svg = new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg"/>');
    const cut = (await picture()).subarray(0, 60);
    const missing = await Promise.all(
      [null, new Uint8Array(), svg, cut].map((bytes) => pictureOf(bytes, 10)),
    );
    expect(missing.map((one) => 'missing' in one && one.missing)).toEqual([
      'no picture',
      'no bytes',
      'unknown format',
      'does not decode',
    ]);
  });

  it('are not decoded when their header claims too many pixels', async () => {
    const bomb = Buffer.from(await picture());
    bomb.writeUInt32BE(30_000, 16);
    bomb.writeUInt32BE(30_000, 20);
    expect(await pictureOf(new Uint8Array(bomb), 10)).toEqual({ missing: 'too large to show' });
  });
});

describe('region boxes', () => {
  it('are (ymin, xmin, ymax, xmax) as fractions of the picture', () => {
    expect(boxPixels([0.25, 0.5, 0.75, 1], 200, 100)).toEqual({ x: 100, y: 25, width: 100, height: 50 });
  });

  it('have numbers that stay apart where boxes begin at one point, and inside the picture', () => {
    const box = { x: 0, y: 0, width: 50, height: 50 };
    const badges = placeBadges([box, box, box, box, { ...box, x: 95, y: 95 }], 10, 100, 100);
    expect(badges.map(({ x, y }) => [x, y])).toEqual([
      [0, 0],
      [40, 0],
      [0, 40],
      [40, 40],
      [90, 90],
    ]);
  });
});

describe('parts of a page', () => {
  it('cuts long texts between characters, not within one', () => {
    expect(shortened('🦊🦊🦊', 2)).toBe('🦊🦊…');
    expect(shortened('🦊🦊', 2)).toBe('🦊🦊');
  });

  it('shares out the offered languages: English as asked, the rest as they are', () => {
    const rows = new Map([
      ['en', 10],
      ['de', 30],
      ['fr', 60],
    ]);
    const shares = sharesOffered(rows, 0.7);
    expect(shares.get('en')).toBe(0.7);
    expect(shares.get('de')).toBeCloseTo(0.1, 12);
    expect(shares.get('fr')).toBeCloseTo(0.2, 12);
    expect([...sharesOffered(rows, null).values()]).toEqual([0.1, 0.3, 0.6]);
  });
});
