import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom, type Random } from '../../schemas/random.ts';
import { checkImages, checkImagesOptionsSchema } from '../../stages/check-images.ts';
import { type ImageVerdict, judgeImage } from '../../stages/images/judge-image.ts';
import { readBatch, rememberingContext, runStage, valuesOf } from '../support.ts';
import { animatedPng, noisePixels, pngChunk } from './pictures.ts';

const options = checkImagesOptionsSchema.parse({ maxPixels: 1_000_000 });
const reasons = {
  drop: ['too-small', 'aspect', 'animated', 'blank', 'near-blank'],
  quarantine: ['empty-image', 'unknown-format', 'pixel-limit', 'undecodable-image'],
};

function expectReason(verdict: ImageVerdict): void {
  if (verdict.kind === 'drop') {
    expect(reasons.drop).toContain(verdict.verdict.reason);
    expect(verdict.verdict.value).not.toBe('');
    expect(verdict.verdict.threshold).toBeTruthy();
  } else if (verdict.kind === 'quarantine') {
    expect(reasons.quarantine).toContain(verdict.reason);
    expect(verdict.detail).not.toBe('');
  } else {
    const { width, height, ...facts } = verdict.facts;
    expect(width * height).toBeLessThanOrEqual(options.maxPixels);
    for (const value of Object.values(facts)) {
      if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
    }
  }
}

/** Bytes flipped, cut out, doubled or set to what breaks counters; now and then the end is missing. */
function mutate(source: Uint8Array, random: Random): Uint8Array {
  const bytes = Buffer.from(source);
  for (let i = 1 + random.integer(6); i > 0; i -= 1) {
    // Headers are short: half of the wounds are there.
    const at = random.integer(random.uniform() < 0.5 ? Math.min(64, bytes.length) : bytes.length);
    bytes[at] = random.pick([0, 0xff, 0x7f, 0x80, random.integer(256)]);
  }
  const kind = random.uniform();
  const [from, to] = [random.integer(bytes.length), random.integer(bytes.length)];
  if (kind < 0.15) return bytes.subarray(0, from);
  if (kind < 0.25) return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  if (kind < 0.3) return Buffer.concat([bytes, bytes.subarray(from)]);
  return bytes;
}

let sources: Buffer[];

beforeAll(async () => {
  const picture = () => sharp(noisePixels(40, 36), { raw: { width: 40, height: 36, channels: 3 } }).blur(2);
  const frames = () =>
    sharp(noisePixels(34, 102), { raw: { width: 34, height: 102, channels: 3, pageHeight: 34 } });
  const png = await picture().png().toBuffer();
  sources = [
    await picture().jpeg().toBuffer(),
    await picture().jpeg({ progressive: true }).withMetadata({ orientation: 6 }).toBuffer(),
    png,
    await picture().png({ palette: true }).toBuffer(),
    animatedPng(png),
    await picture().webp().toBuffer(),
    await picture().webp({ lossless: true }).toBuffer(),
    await picture().gif().toBuffer(),
    await frames().gif().toBuffer(),
    await frames().webp().toBuffer(),
  ];
});

describe('images that were damaged by the thousand', () => {
  it('each get a verdict with its reason', async () => {
    const random = createRandom('fuzz images');
    const kinds = { keep: 0, drop: 0, quarantine: 0 };
    for (let round = 0; round < 300; round += 1) {
      const verdicts = await Promise.all(
        sources.map((source, i) => {
          const mode = round % 2 === 0 ? 'drop' : 'label';
          const animation = (round + i) % 3 === 0 ? 'drop' : 'first-frame';
          return judgeImage(mutate(source, random), { ...options, mode, animation });
        }),
      );
      for (const verdict of verdicts) {
        expectReason(verdict);
        kinds[verdict.kind] += 1;
      }
    }
    expect(kinds.keep + kinds.drop + kinds.quarantine).toBe(3000);
    expect(Math.min(kinds.keep, kinds.drop, kinds.quarantine)).toBeGreaterThan(50);
  }, 60_000);

  it('are all accounted for by the stage', async () => {
    const random = createRandom('fuzz the stage');
    const rows = Array.from({ length: 200 }, (_, i) => ({
      key: `row-${i}`,
      image: i % 17 === 0 ? null : mutate(random.pick(sources), random),
    }));
    const { context, dropped, quarantined } = rememberingContext();
    const halves = [readBatch(rows.slice(0, 120)), readBatch(rows.slice(120))];
    const kept = valuesOf(await runStage(checkImages(options), context, ...halves), 'key');
    const all = [...kept, ...dropped.map(({ key }) => key), ...quarantined.map(({ key }) => key)];
    expect([...all].sort()).toEqual(rows.map(({ key }) => key).sort());
  });

  it('get a verdict also when they are no image at all, behind the first bytes of one', async () => {
    const random = createRandom('fuzz beginnings');
    const starts = ['ffd8ff', '89504e470d0a1a0a', '52494646ffffffff57454250', '474946383961', ''];
    for (let i = 0; i < 500; i += 1) {
      const noise = Buffer.from(Array.from({ length: random.integer(80) }, () => random.integer(256)));
      const verdict = await judgeImage(
        Buffer.concat([Buffer.from(random.pick(starts), 'hex'), noise]),
        options,
      );
      expectReason(verdict);
      expect(verdict.kind).not.toBe('keep');
    }
  });
});

describe('bombs', () => {
  const limit = { kind: 'quarantine', reason: 'pixel-limit' };
  const pngOf = (width: number, height: number, data: Uint8Array) => {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([1, 0, 0, 0, 0], 8);
    const start = Buffer.from('89504e470d0a1a0a', 'hex');
    return Buffer.concat([
      start,
      pngChunk('IHDR', header),
      pngChunk('IDAT', data),
      pngChunk('IEND', Buffer.alloc(0)),
    ]);
  };

  it('of every format are told by their headers', async () => {
    const gif = Buffer.from(sources[7] as Buffer);
    gif.writeUInt16LE(65_535, 6);
    gif.writeUInt16LE(65_535, 8);
    // The decoder believes the frame before the screen.
    const descriptor = gif.indexOf(Buffer.from('2c00000000', 'hex'));
    gif.writeUInt16LE(65_535, descriptor + 5);
    gif.writeUInt16LE(65_535, descriptor + 7);
    const jpeg = Buffer.from(sources[0] as Buffer);
    const frame = jpeg.indexOf(Buffer.from('ffc0', 'hex'));
    jpeg.writeUInt16BE(65_500, frame + 5);
    jpeg.writeUInt16BE(65_500, frame + 7);
    const webp = Buffer.from(sources[5] as Buffer);
    webp.writeUInt16LE(16_383, 26);
    webp.writeUInt16LE(16_383, 28);
    const png = pngOf(2_000_000, 2_000_000, deflateSync(Buffer.alloc(1000)));
    for (const bomb of [gif, jpeg, webp, png]) expect(await judgeImage(bomb, options)).toMatchObject(limit);
  });

  it('are never allocated: 4 gigapixels that would fit a small file', async () => {
    // Sound to the last bit but for its rows, which are never asked for.
    const before = process.memoryUsage().rss;
    const bombs = Array.from({ length: 8 }, () =>
      pngOf(65_000, 65_000, deflateSync(Buffer.alloc(8_126 * 100))),
    );
    const verdicts = await Promise.all(
      bombs.map((bomb) => judgeImage(bomb, { ...options, maxPixels: 50_000_000 })),
    );
    for (const verdict of verdicts) expect(verdict).toMatchObject(limit);
    // One of them, at a bit a pixel, takes half a gigabyte.
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  });

  it('are refused by the decoder where a header says less than there is', async () => {
    const png = pngOf(900, 900, deflateSync(Buffer.alloc(50_000_000)));
    expectReason(await judgeImage(png, options));
  });
});
