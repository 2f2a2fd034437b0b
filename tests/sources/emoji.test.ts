import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { codeOf, cropToVisible, listArt } from '../../pipeline/sources/emoji/art.ts';
import { buildEmojiSources, type EmojiSourceSummary } from '../../pipeline/sources/emoji/build.ts';
import { readNames } from '../../pipeline/sources/emoji/names.ts';
import { emojiSourceOptionsSchema } from '../../pipeline/sources/emoji/options.ts';
import { chooseEmoji, planLanguages, planRows } from '../../pipeline/sources/emoji/plan.ts';
import { placeMany } from '../../pipeline/sources/emoji/render.ts';
import { sentenceOf } from '../../pipeline/sources/emoji/texts.ts';
import { languages } from '../../schemas/languages.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { createRandom } from '../../schemas/random.ts';
import { temporaryFolder } from '../support.ts';

const art = listArt();
const names = readNames();
const codes = [...(names.get('en')?.keys() ?? [])]
  .filter((code) => (['noto', 'twemoji', 'fluent'] as const).every((style) => art[style].has(code)))
  .sort();
const hooks = { signal: new AbortController().signal, progress() {} };

describe('the 109 languages', () => {
  it('are those of the list, each with names for most of the art', () => {
    expect(languages.length).toBe(109);
    expect([...languages].sort()).toEqual(languages);
    expect(languages).toContain('en');
    for (const language of languages) {
      const named = codes.filter((code) => names.get(language)?.has(code)).length;
      expect(named / codes.length, language).toBeGreaterThan(0.6);
    }
  });
});

describe('art', () => {
  it('is filed by code points without the variation selector', () => {
    expect(codeOf('❤️')).toBe('2764');
    expect(codeOf('👩‍🚀')).toBe('1f469-200d-1f680');
    for (const style of ['noto', 'twemoji', 'fluent', 'openmoji'] as const) {
      expect(art[style].has('1f600'), style).toBe(true);
      expect(art[style].has('2764'), style).toBe(true);
    }
  });

  it('has no skin tones', () => {
    expect(codes.filter((code) => /1f3f[b-f]/.test(code))).toEqual([]);
  });

  it('is cropped to what is visible', () => {
    const pixels = Buffer.alloc(5 * 4 * 4);
    for (const [x, y] of [
      [1, 1],
      [3, 2],
    ] as const) {
      pixels.fill(255, (y * 5 + x) * 4, (y * 5 + x) * 4 + 4);
    }
    const cropped = cropToVisible({ pixels, width: 5, height: 4 });
    expect([cropped.width, cropped.height]).toEqual([3, 2]);
    expect(cropped.pixels[3]).toBe(255);
    expect(cropped.pixels[7]).toBe(0);
    expect(cropped.pixels.at(-1)).toBe(255);
  });
});

describe('the emoji of a pool', () => {
  it('are all, or as many as asked for, by seed', () => {
    expect(chooseEmoji(codes, { seed: 1 })).toEqual(codes);
    const some = chooseEmoji(codes, { seed: 1, emoji: 40 });
    expect(new Set(some).size).toBe(40);
    expect(some.every((code) => codes.includes(code))).toBe(true);
    expect(chooseEmoji(codes, { seed: 1, emoji: 40 })).toEqual(some);
    expect(chooseEmoji(codes, { seed: 2, emoji: 40 })).not.toEqual(some);
  });
});

describe('the plan of the pool', () => {
  const options = emojiSourceOptionsSchema.parse({ out: 'x', rows: 6000 });
  const rows = planRows(options, codes, names);

  it('has all 109 languages, English its share, and every other a floor', () => {
    const counts = new Map<string, number>();
    for (const language of planLanguages(6000, 0.6, createRandom(1))) {
      counts.set(language, (counts.get(language) ?? 0) + 1);
    }
    expect(counts.size).toBe(109);
    expect(counts.get('en')).toBe(3600);
    expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(8);
    const rest = [...counts].filter(([language]) => language !== 'en').map(([, count]) => count);
    expect(Math.max(...rest)).toBeGreaterThan(20 * Math.min(...rest));
  });

  it('plants every defect at its rate, within five standard errors', () => {
    for (const [defect, rate] of Object.entries(options.defects)) {
      const found = rows.filter(({ defects }) => (defects as readonly string[]).includes(defect)).length;
      expect(Math.abs(found - 6000 * rate), defect).toBeLessThanOrEqual(5 * Math.sqrt(6000 * rate) + 1);
    }
  });

  it('says of a mismatched row what another emoji is called', () => {
    const isSingle = (row: (typeof rows)[number]) => row.kind === 'single' && row.language === 'en';
    const clean = rows.filter((row) => isSingle(row) && row.defects.length === 0);
    const mismatched = rows.filter((row) => isSingle(row) && row.defects.join() === 'mismatched');
    const named = (row: (typeof rows)[number]) =>
      row.altTexts.some((text) => text.toLowerCase().includes(row.pictures[0]?.name.toLowerCase() ?? ''));
    expect(clean.every(named)).toBe(true);
    expect(mismatched.filter(named).length / mismatched.length).toBeLessThan(0.1);
  });

  it('gives 1 to 5 alt-texts, 2 to 6 pictures to a canvas, and copies only what is sound', () => {
    for (const row of rows) {
      expect(row.altTexts.length).toBeGreaterThanOrEqual(1);
      expect(row.altTexts.length).toBeLessThanOrEqual(5);
      expect(row.pictures.length).toBeLessThanOrEqual(6);
      expect(row.pictures.length).toBeGreaterThanOrEqual(row.kind === 'canvas' ? 2 : 1);
      if (row.duplicateOf !== null) {
        expect(rows[row.duplicateOf]?.defects).not.toContain('truncated');
        expect(row.kind).toBe(rows[row.duplicateOf]?.kind);
      }
    }
  });

  it('never shows the style that is held out', () => {
    expect(rows.flatMap(({ pictures }) => pictures).some(({ style }) => style === 'openmoji')).toBe(false);
  });

  it('plants nothing when asked for none', () => {
    const none = Object.fromEntries(Object.keys(options.defects).map((defect) => [defect, 0]));
    const clean = planRows(
      emojiSourceOptionsSchema.parse({ out: 'x', rows: 500, defects: none }),
      codes,
      names,
    );
    expect(clean.flatMap(({ defects }) => defects)).toEqual([]);
    expect(clean.every((row) => row.language === row.declaredLanguage)).toBe(true);
  });
});

describe('canvases', () => {
  it('places squares inside the canvas, none over another', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const squares = placeMany(2 + (seed % 5), 160, createRandom(seed));
      expect(squares.length).toBe(2 + (seed % 5));
      for (const [i, a] of squares.entries()) {
        expect(a.top + a.side).toBeLessThanOrEqual(160);
        for (const b of squares.slice(i + 1)) {
          const over =
            Math.min(a.top + a.side, b.top + b.side) > Math.max(a.top, b.top) &&
            Math.min(a.left + a.side, b.left + b.side) > Math.max(a.left, b.left);
          expect(over).toBe(false);
        }
      }
    }
  });

  it('names its pictures as the language lists', () => {
    expect(sentenceOf(['red apple', 'dog', 'owl'], 'en')).toBe('a red apple, a dog, and an owl');
    expect(sentenceOf(['Apfel', 'Hund'], 'de')).toBe('Apfel und Hund');
  });
});

describe('built sources', () => {
  const options = (out: string, seed = 3) =>
    emojiSourceOptionsSchema.parse({
      out,
      rows: 260,
      seed,
      shardRows: 130,
      evaluationImages: 12,
      defects: { bombs: 0, truncated: 0.1 },
    });
  let folder: string;
  let summary: EmojiSourceSummary;

  beforeAll(async () => {
    folder = await temporaryFolder();
    summary = await buildEmojiSources(options(join(folder, 'one')), hooks);
  });

  it('is never made in a folder with data', async () => {
    const out = await temporaryFolder();
    await mkdir(join(out, 'shards'));
    await writeFile(join(out, 'shards', 'mine.parquet'), 'data');
    const built = buildEmojiSources(options(out), hooks);
    await expect(built).rejects.toThrow(/holds shards and no truth\.parquet/);
    expect(await readdir(join(out, 'shards'))).toEqual(['mine.parquet']);
  });

  const shardPaths = async (out: string) =>
    (await readdir(join(folder, out, 'shards'))).sort().map((name) => join(folder, out, 'shards', name));
  const hashes = async (out: string) =>
    Promise.all(
      [
        ...(await shardPaths(out)),
        join(folder, out, 'truth.parquet'),
        join(folder, out, 'evaluation', 'openmoji.parquet'),
      ].map(async (path) =>
        createHash('sha256')
          .update(await readFile(path))
          .digest('hex'),
      ),
    );
  const readAll = async (paths: string[], columns: string[]) => {
    const rows: Record<string, unknown>[] = [];
    for (const path of paths) {
      const shard = await openShard(path);
      for (const { index, rows: count } of shard.rowGroups) {
        const values = await shard.readRowGroup(index, columns);
        for (let i = 0; i < count; i += 1) {
          rows.push(Object.fromEntries(columns.map((name) => [name, values[name]?.[i]])));
        }
      }
    }
    return rows;
  };

  const imageOf = (row: Record<string, unknown> | undefined) => row?.image as { bytes: Uint8Array };

  it('are the same bytes for the same options, and others for another seed', async () => {
    await buildEmojiSources(options(join(folder, 'two')), hooks);
    await buildEmojiSources(options(join(folder, 'three'), 4), hooks);
    expect(await hashes('two')).toEqual(await hashes('one'));
    expect(await hashes('three')).not.toEqual(await hashes('one'));
  });

  it('have the columns of WebLI-style shards, in shards of the size asked', async () => {
    const paths = await shardPaths('one');
    expect(paths.length).toBe(2);
    expect((await openShard(paths[0] as string)).columns).toEqual([
      'key',
      'url',
      'image',
      'alt_texts',
      'page_title',
      'page_language',
      'width',
      'height',
    ]);
    expect(summary).toMatchObject({ rows: 260, shards: 2, evaluationImages: 12 });
  });

  it('hold what the truth says: truncated images fail, duplicates share their bytes, boxes hold pictures', async () => {
    const rows = new Map(
      (await readAll(await shardPaths('one'), ['key', 'image', 'width'])).map((row) => [
        row.key as string,
        row,
      ]),
    );
    const bytesOf = (key: string) => Buffer.from(imageOf(rows.get(key)).bytes);
    const truth = await readAll(
      [join(folder, 'one', 'truth.parquet')],
      ['key', 'kind', 'defects', 'duplicate_of', 'boxes', 'emojis'],
    );
    let checked = 0;
    for (const row of truth) {
      const [key, defects] = [row.key as string, row.defects as string[]];
      if (defects.includes('exactDuplicates')) {
        expect(bytesOf(key).equals(bytesOf(row.duplicate_of as string))).toBe(true);
        checked += 1;
      }
      if (defects.includes('truncated')) {
        await expect(sharp(bytesOf(key), { failOn: 'error' }).raw().toBuffer(), key).rejects.toThrow();
        checked += 1;
      }
      if (defects.includes('empty')) expect(bytesOf(key).length).toBe(0);
      for (const { box } of row.boxes as { box: number[] }[]) {
        const [ymin = 0, xmin = 0, ymax = 0, xmax = 0] = box;
        expect(Math.min(...box)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...box)).toBeLessThanOrEqual(1);
        expect(ymax).toBeGreaterThan(ymin);
        expect(xmax).toBeGreaterThan(xmin);
      }
    }
    expect(checked).toBeGreaterThan(10);
  });

  it('hold out a style with its names in every language', async () => {
    const rows = await readAll(
      [join(folder, 'one', 'evaluation', 'openmoji.parquet')],
      ['key', 'image', 'names'],
    );
    expect(rows.length).toBe(12);
    const named = new Set(
      rows.flatMap(({ names: list }) => (list as { language: string }[]).map(({ language }) => language)),
    );
    expect(named.size).toBe(109);
    const { width, height } = await sharp(imageOf(rows[0]).bytes).metadata();
    expect(width).toBe(height);
  });

  it('stop when told to', async () => {
    const stop = new AbortController();
    stop.abort(new Error('enough'));
    const stopped = buildEmojiSources(options(join(folder, 'stopped')), { ...hooks, signal: stop.signal });
    await expect(stopped).rejects.toThrow('enough');
  });
});
