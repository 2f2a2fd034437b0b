import { join } from 'node:path';
import sharp from 'sharp';
import { parseConfig } from '../pipeline/config.ts';
import { curate } from '../pipeline/curate.ts';
import { distill } from '../pipeline/distill.ts';
import { silentProgress } from '../pipeline/progress.ts';
import { buildEmojiSources } from '../pipeline/sources/emoji/build.ts';
import { emojiSourceOptionsSchema } from '../pipeline/sources/emoji/options.ts';
import { type SourceRow, temporaryFolder, writeSource } from './support.ts';

/** A picture that runs a script wherever it is shown as it is. */
export const activeSvg = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><script>fetch("//evil.example")</script><rect width="64" height="64"/></svg>',
);
const activeHtml = Buffer.from('<!doctype html><script>alert(1)</script>');

/** Keys that would be taken for a path, SQL or markup by what trusts them. */
export const hostileKeys = ['../../../etc/passwd', "x' OR '1'='1", '<img src=x onerror=alert(1)>'] as const;

const picture = (hue: number) =>
  sharp({ create: { width: 60, height: 60, channels: 3, background: { r: hue * 20, g: 90, b: 160 } } })
    .composite([
      {
        input: { create: { width: 20, height: 20 + hue, channels: 3, background: '#f0c000' } },
        left: 5 + hue * 2,
        top: 8 + hue,
      },
    ])
    .png()
    .toBuffer();

/** Makes, curates and distils a small pool with what a gallery must stand; gives the run's folder. */
export async function makeRealRun(): Promise<string> {
  const folder = await temporaryFolder();
  const signal = new AbortController().signal;
  const emoji = join(folder, 'emoji');
  await buildEmojiSources(emojiSourceOptionsSchema.parse({ out: emoji, rows: 60, seed: 3, emoji: 20 }), {
    signal,
    progress() {},
  });
  const hostile: SourceRow[] = [
    { key: 'svg', image: activeSvg, altTexts: ['an active picture'] },
    { key: 'html', image: activeHtml, altTexts: ['an active page'] },
    { key: 'cut', image: (await picture(9)).subarray(0, 60), altTexts: ['a picture that is cut short'] },
    {
      key: 'arabic',
      image: await picture(1),
      altTexts: ['قطة صغيرة تجلس على السجادة الحمراء في البيت'],
      pageLanguage: 'ar',
    },
    { key: hostileKeys[0], image: await picture(2), altTexts: ['a yellow square in a blue field'] },
    { key: hostileKeys[1], image: await picture(4), altTexts: ['one more yellow square in a field'] },
    { key: hostileKeys[2], image: await picture(6), altTexts: ['<b>a bold</b> yellow square & a field'] },
  ];
  await writeSource(join(folder, 'emoji', 'shards', 'hostile.parquet'), hostile);
  const config = parseConfig(
    `
seed: 3
threads: 2
input: {shards: ${emoji}/shards}
mix: {mode: label}
boilerplate: {enabled: false}
teacher: {checkpoint: models/checkpoints/emoji-109-teacher.safetensors}
distill:
  learner: {imageSize: 16, patchSize: 8, width: 16, depth: 1, heads: 2, embeddingDim: 8, textWidth: 16, textDepth: 1, textHeads: 2}
  superBatch: 24
  batch: 8
  chunks: 2
  shuffleRows: 64
  baseline: false
  training: {steps: 3, warmup: 1}
`,
    'gallery.yaml',
  );
  const run = { signal, progress: silentProgress, configPath: 'gallery.yaml' };
  await curate(config, join(folder, 'curated'), run);
  await distill(config, join(folder, 'curated'), join(folder, 'distilled'), run);
  return folder;
}
