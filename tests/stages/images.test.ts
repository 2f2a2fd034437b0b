import { Int32, Utf8 } from 'apache-arrow';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { cropToInput, decodeRgb, type RgbImage, sniffFormat } from '../../models/images.ts';
import { checkImages, checkImagesOptionsSchema } from '../../stages/check-images.ts';
import { hashImages } from '../../stages/hash-images.ts';
import { judgeHeader, judgeImage, judgePixels } from '../../stages/images/judge-image.ts';
import { readBatch, rememberingContext, runStage, valuesOf } from '../support.ts';

const options = checkImagesOptionsSchema.parse({ minSide: 16, maxAspect: 3, maxPixels: 1_000_000 });
const picture = (width: number, height: number, format: 'png' | 'jpeg' | 'webp' | 'gif' = 'png') =>
  shaded(width, height).toFormat(format).toBuffer();
/** A picture that is no blank one: blue, lighter towards the right. */
function shaded(width: number, height: number) {
  const pixels = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i += 1) {
    const light = Math.round(((i % width) * 60) / width);
    pixels.set([0x20 + light, 0x80 + light, 0xc0], i * 3);
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

describe('checking images', () => {
  it.each(['png', 'jpeg', 'webp', 'gif'] as const)(
    'keeps a sound %s, and takes its size from the decoder',
    async (format) => {
      const verdict = await judgeImage(await picture(40, 30, format), options);
      expect(verdict).toMatchObject({ kind: 'keep', labels: [], facts: { width: 40, height: 30, format } });
    },
  );

  it.each(['png', 'jpeg', 'webp'] as const)('quarantines a truncated %s', async (format) => {
    const noise = sharp(Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251)), {
      raw: { width: 64, height: 64, channels: 3 },
    });
    const whole = await noise.toFormat(format).toBuffer();
    const verdict = await judgeImage(whole.subarray(0, Math.floor(whole.length * 0.6)), options);
    expect(verdict).toMatchObject({ kind: 'quarantine', reason: 'undecodable-image' });
  });

  it('quarantines what has no bytes, and what is no picture', async () => {
    expect(await judgeImage(new Uint8Array(), options)).toMatchObject({ reason: 'empty-image' });
    expect(await judgeImage(Buffer.from('hello'), options)).toMatchObject({ reason: 'unknown-format' });
  });

  it('never hands SVG to the decoder', async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="50" height="50"/>');
    expect(await judgeImage(svg, options)).toMatchObject({ kind: 'quarantine', reason: 'unknown-format' });
  });

  it('quarantines a bomb by its header, with its size', async () => {
    const bomb = await sharp({ create: { width: 5000, height: 5000, channels: 3, background: '#000' } })
      .png()
      .toBuffer();
    expect(await judgeImage(bomb, options)).toEqual({
      kind: 'quarantine',
      reason: 'pixel-limit',
      detail: '5000 x 5000 is over 1000000 pixels',
    });
  });

  it('drops by side and by aspect, at the limits exactly', () => {
    const judge = (width: number, height: number) => judgeHeader({ width, height, frames: 1 }, options);
    expect(judge(16, 16)).toEqual([]);
    expect(judge(15, 40)).toEqual([{ reason: 'too-small', value: '15 px', threshold: '16 px' }]);
    expect(judge(48, 16)).toEqual([]);
    expect(judge(49, 16)).toEqual([{ reason: 'aspect', value: '3.06', threshold: '3' }]);
    expect(judge(8, 80).map(({ reason }) => reason)).toEqual(['too-small', 'aspect']);
  });

  it('drops by deviation and by entropy, at the limits exactly', () => {
    const limits = { minDeviation: 2, minEntropy: 0.1 };
    const judge = (deviation: number, entropy: number) => judgePixels({ deviation, entropy }, limits);
    expect(judge(2, 0.1)).toEqual([]);
    expect(judge(1.99, 5)).toEqual([{ reason: 'blank', value: 'deviation 1.99', threshold: 'deviation 2' }]);
    expect(judge(40, 0.09)).toEqual([
      { reason: 'near-blank', value: 'entropy 0.090 bits', threshold: 'entropy 0.1 bits' },
    ]);
  });

  it('accounts for every row: through, dropped or quarantined with where it was', async () => {
    const { context, dropped, quarantined } = rememberingContext();
    const rows = [
      { key: 'good', image: await picture(20, 20) },
      { key: 'tiny', image: await picture(4, 4) },
      { key: 'none', image: null },
      { key: 'also', image: await picture(30, 20) },
    ];
    const out = await runStage(checkImages(options), context, readBatch(rows));
    expect(valuesOf(out, 'key')).toEqual(['good', 'also']);
    expect(valuesOf(out, 'width')).toEqual([20, 30]);
    expect(dropped).toMatchObject([
      {
        key: 'tiny',
        stage: 'check-images',
        reason: 'too-small',
        value: '4 px',
        threshold: '16 px',
        shard: 'a.parquet',
        rowGroup: 0,
        row: 1,
      },
    ]);
    expect(quarantined).toMatchObject([{ key: 'none', shard: 'a.parquet', rowGroup: 0, row: 2 }]);
  });

  it('measures the decoded pixels of the sound rows, a column a measure', async () => {
    const { context } = rememberingContext();
    const rows = [
      { key: 'none', image: null },
      { key: 'wide', image: await picture(128, 64) },
      { key: 'small', image: await picture(20, 20) },
    ];
    const measures = [
      { column: 'seen', type: new Utf8(), of: ({ width, height }: RgbImage) => `${width} x ${height}` },
      { column: 'blue', type: new Int32(), of: ({ pixels }: RgbImage) => pixels[2] },
    ];
    const out = await runStage(checkImages(options, measures), context, readBatch(rows));
    expect(valuesOf(out, 'seen')).toEqual(['64 x 32', '20 x 20']);
    expect(valuesOf(out, 'blue')).toEqual([0xc0, 0xc0]);
  });
});

describe('hashing images', () => {
  it('gives the sha256 of the encoded bytes', async () => {
    const { context } = rememberingContext();
    const out = await runStage(hashImages(), context, readBatch([{ key: 'a', image: Buffer.from('abc') }]));
    expect(valuesOf(out, 'sha256')).toEqual([
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    ]);
  });
});

describe('decoding', () => {
  it('tells the formats by their first bytes, and nothing else', async () => {
    expect(sniffFormat(await picture(4, 4, 'png'))).toBe('png');
    expect(sniffFormat(await picture(4, 4, 'jpeg'))).toBe('jpeg');
    expect(sniffFormat(await picture(4, 4, 'webp'))).toBe('webp');
    expect(sniffFormat(await picture(4, 4, 'gif'))).toBe('gif');
    expect(sniffFormat(Buffer.from('%PDF-1.7'))).toBeNull();
    expect(sniffFormat(new Uint8Array([0xff, 0xd8]))).toBeNull();
  });

  it('puts transparency on white', async () => {
    const clear = await sharp({ create: { width: 8, height: 8, channels: 4, background: '#00000000' } })
      .png()
      .toBuffer();
    const pixels = await decodeRgb(clear, { width: 4, height: 4 }, 1000);
    expect(pixels.length).toBe(48);
    expect(Math.min(...pixels)).toBe(255);
  });

  it('gives three channels for a grey picture', async () => {
    const grey = await sharp(Buffer.alloc(64, 100), { raw: { width: 8, height: 8, channels: 1 } })
      .png()
      .toBuffer();
    expect((await decodeRgb(grey, { width: 8, height: 8 }, 1000)).length).toBe(8 * 8 * 3);
  });

  it('crops a box and averages the pixels under each target pixel', () => {
    const pixels = new Uint8Array(4 * 4 * 3);
    for (let i = 0; i < 16; i += 1) pixels.fill(i * 10, i * 3, i * 3 + 3);
    const target = new Float32Array(2 + 3);
    cropToInput({ pixels, width: 4, height: 4 }, [0.5, 0, 1, 0.5], 1, target, 2);
    const mean = (80 + 90 + 120 + 130) / 4;
    expect(target[2]).toBeCloseTo(mean / 127.5 - 1, 6);
    expect([target[0], target[1]]).toEqual([0, 0]);
  });
});
