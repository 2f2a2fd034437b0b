import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { quickHeader, readHeader } from '../../models/image-header.ts';
import { pixelStatistics } from '../../models/image-statistics.ts';
import { type ImageFormat, sniffFormat } from '../../models/images.ts';
import { checkImages, checkImagesOptionsSchema } from '../../stages/check-images.ts';
import { judgeImage } from '../../stages/images/judge-image.ts';
import { readBatch, rememberingContext, runStage, valuesOf } from '../support.ts';
import { animatedPng, flat, noisePixels } from './pictures.ts';

const options = checkImagesOptionsSchema.parse({});
const reasonOf = async (bytes: Uint8Array, more: Partial<typeof options> = {}) => {
  const verdict = await judgeImage(bytes, { ...options, ...more });
  return verdict.kind === 'drop' ? verdict.verdict : verdict.kind;
};

describe('animated images', () => {
  const frames = () =>
    sharp(noisePixels(48, 144), { raw: { width: 48, height: 144, channels: 3, pageHeight: 48 } });

  it.each(['gif', 'webp'] as const)('are dropped: %s', async (format) => {
    const bytes = await frames().toFormat(format).toBuffer();
    expect(await reasonOf(bytes)).toEqual({ reason: 'animated', value: '3 frames', threshold: '1 frame' });
    expect(await reasonOf(bytes, { animation: 'first-frame' })).toBe('keep');
    const kept = await judgeImage(bytes, { ...options, animation: 'first-frame' });
    expect(kept).toMatchObject({ facts: { width: 48, height: 48, frames: 3 } });
  });

  it('are dropped: PNG, of which the decoder knows nothing', async () => {
    const bytes = animatedPng(
      await sharp(noisePixels(48, 48), { raw: { width: 48, height: 48, channels: 3 } })
        .png()
        .toBuffer(),
    );
    expect(await reasonOf(bytes)).toEqual({ reason: 'animated', value: '2 frames', threshold: '1 frame' });
    expect(await reasonOf(bytes, { animation: 'first-frame' })).toBe('keep');
  });
});

describe('blank images', () => {
  it.each(['png', 'jpeg', 'webp', 'gif'] as const)('of one colour are dropped: %s', async (format) => {
    expect(await reasonOf(await flat(80, 60, '#e0f0ff').toFormat(format).toBuffer())).toMatchObject({
      reason: 'blank',
    });
  });

  it('with hardly anything in them are dropped as nearly blank', async () => {
    const dot = await flat(10, 10, '#000000').png().toBuffer();
    const page = await flat(300, 300, '#ffffff')
      .composite([{ input: dot, top: 100, left: 80 }])
      .png()
      .toBuffer();
    expect(await reasonOf(page)).toMatchObject({ reason: 'near-blank' });
    const line = await flat(200, 60, '#000000').png().toBuffer();
    const drawing = await flat(300, 300, '#ffffff')
      .composite([{ input: line, top: 100, left: 50 }])
      .png()
      .toBuffer();
    expect(await reasonOf(drawing)).toBe('keep');
  });

  it('pass when nothing is asked of them', async () => {
    const bytes = await flat(80, 60, '#e0f0ff').png().toBuffer();
    expect(await reasonOf(bytes, { minDeviation: 0, minEntropy: 0 })).toBe('keep');
  });

  it('that are transparent are judged as they are seen, on white', async () => {
    const pixels = noisePixels(60, 60).subarray(0, 60 * 45 * 4);
    for (let i = 3; i < pixels.length; i += 4) pixels[i] = 0;
    const clear = sharp(pixels, { raw: { width: 60, height: 45, channels: 4 } });
    expect(await reasonOf(await clear.png().toBuffer())).toMatchObject({ reason: 'blank' });
  });
});

describe('labelling images', () => {
  it('keeps what it would have dropped, with every reason, and quarantines what is unsound', async () => {
    const { context, dropped, quarantined } = rememberingContext();
    const rows = [
      {
        key: 'good',
        image: await sharp(noisePixels(40, 40), { raw: { width: 40, height: 40, channels: 3 } })
          .png()
          .toBuffer(),
      },
      { key: 'line', image: await flat(200, 10, '#ffffff').png().toBuffer() },
      { key: 'none', image: null },
      { key: 'bomb', image: await flat(1200, 1000, '#ffffff').png().toBuffer() },
    ];
    const label = { ...options, mode: 'label' as const, maxPixels: 1_000_000 };
    const out = await runStage(checkImages(label), context, readBatch(rows));
    expect(valuesOf(out, 'key')).toEqual(['good', 'line']);
    expect(JSON.parse(JSON.stringify(valuesOf(out, 'labels')))).toEqual([
      [],
      [
        { stage: 'check-images', reason: 'too-small', value: '10 px', threshold: '32 px' },
        { stage: 'check-images', reason: 'aspect', value: '20.00', threshold: '4' },
        { stage: 'check-images', reason: 'blank', value: 'deviation 0.00', threshold: 'deviation 2' },
      ],
    ]);
    expect(dropped).toEqual([]);
    expect(quarantined.map(({ key, reason }) => [key, reason])).toEqual([
      ['none', 'empty-image'],
      ['bomb', 'pixel-limit'],
    ]);
  });
});

describe('statistics of images', () => {
  const grid = (width: number, height: number, of: (x: number, y: number) => readonly number[]) => {
    const at = (i: number) => of(i % width, Math.floor(i / width));
    const pixels = Uint8Array.from(Array.from({ length: width * height }, (_, i) => at(i)).flat());
    return { pixels, width, height };
  };

  it('of one colour have neither deviation, entropy nor edges', () => {
    const found = pixelStatistics(grid(8, 8, () => [200, 100, 50]));
    expect(found).toEqual({ mean: 124, deviation: 0, entropy: 0, sharpness: 0, chroma: 150 });
  });

  it('of a chessboard are those of two levels, as sharp as can be', () => {
    const found = pixelStatistics(grid(8, 8, (x, y) => new Array(3).fill((x + y) % 2 === 0 ? 255 : 0)));
    expect(found.mean).toBeCloseTo(127.5);
    expect(found.deviation).toBeCloseTo(127.5);
    expect(found.entropy).toBeCloseTo(1);
    expect(found.chroma).toBe(0);
    expect(found.sharpness).toBeCloseTo((4 * 255) ** 2);
  });

  it('of a ramp have as many bits as it has levels, and no edge', () => {
    const found = pixelStatistics(grid(64, 4, (x) => [x, x, x]));
    expect(found.entropy).toBeCloseTo(6);
    expect(found.sharpness).toBe(0);
  });

  it('of few pixels are sound', () => {
    expect(pixelStatistics(grid(1, 2, () => [9, 9, 9]))).toMatchObject({
      mean: 9,
      deviation: 0,
      sharpness: 0,
    });
  });

  it('stand in a column of their own', async () => {
    const { context } = rememberingContext();
    const image = await sharp(noisePixels(40, 36), { raw: { width: 40, height: 36, channels: 3 } })
      .webp()
      .toBuffer();
    const out = await runStage(checkImages(options), context, readBatch([{ key: 'a', image }]));
    const [stats] = valuesOf(out, 'image_stats') as { toJSON(): Record<string, unknown> }[];
    expect(stats?.toJSON()).toMatchObject({ bytes: image.length, format: 'webp', channels: 3, frames: 1 });
    expect(Number(stats?.toJSON().deviation)).toBeGreaterThan(20);
  });
});

describe('the header that is read without the decoder', () => {
  const noise = (channels: 1 | 2 | 3 | 4, width = 37, height = 23) =>
    sharp(Buffer.from(noisePixels(width, height * 2).subarray(0, width * height * channels)), {
      raw: { width, height, channels },
    });
  const cases: [string, () => Promise<Buffer>][] = [
    ['a JPEG', () => noise(3).jpeg().toBuffer()],
    ['a progressive JPEG', () => noise(3).jpeg({ progressive: true }).toBuffer()],
    ['a grey JPEG', () => noise(1).toColourspace('b-w').jpeg().toBuffer()],
    ['a CMYK JPEG', () => noise(3).toColourspace('cmyk').jpeg().toBuffer()],
    ['a PNG', () => noise(3).png().toBuffer()],
    ['a PNG with alpha', () => noise(4).png().toBuffer()],
    ['a grey PNG', () => noise(1).toColourspace('b-w').png().toBuffer()],
    ['a PNG with a palette', () => noise(3).png({ palette: true }).toBuffer()],
    ['a PNG with a palette and alpha', () => noise(4).png({ palette: true }).toBuffer()],
    ['a lossy WebP', () => noise(3).webp().toBuffer()],
    ['a WebP with alpha', () => noise(4).webp().toBuffer()],
    ['a lossless WebP', () => noise(3).webp({ lossless: true }).toBuffer()],
    ['a GIF', () => noise(3).gif().toBuffer()],
    ['a turned JPEG', () => noise(3).withMetadata({ orientation: 6 }).jpeg().toBuffer()],
    ['a turned PNG', () => noise(3).withMetadata({ orientation: 8 }).png().toBuffer()],
    ['a turned WebP', () => noise(3).withMetadata({ orientation: 5 }).webp().toBuffer()],
  ];

  it.each(cases)('says of %s what the decoder does', async (_, make) => {
    const bytes = await make();
    const { autoOrient, channels, format } = await sharp(bytes).metadata();
    const expected = { format, width: autoOrient.width, height: autoOrient.height, channels, frames: 1 };
    expect(await readHeader(bytes)).toEqual(expected);
    const quick = quickHeader(bytes, sniffFormat(bytes) as ImageFormat);
    if (quick !== null) expect(quick).toEqual(expected);
  });

  it('is read for the plain ones', async () => {
    for (const [name, make] of cases.slice(0, 12)) {
      const bytes = await make();
      const quick = quickHeader(bytes, sniffFormat(bytes) as ImageFormat);
      expect([name, quick !== null]).toEqual([name, !name.endsWith('WebP with alpha')]);
    }
  });
});
