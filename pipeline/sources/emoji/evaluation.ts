import { Field, List, Struct, Utf8 } from 'apache-arrow';
import sharp from 'sharp';
import { batchOf } from '../../../schemas/batches.ts';
import { openParquetWriter } from '../../../schemas/parquet-writer.ts';
import { createRandom } from '../../../schemas/random.ts';
import { rowTypes } from '../../../schemas/rows.ts';
import type { Picture } from './art.ts';
import type { NamesByLanguage } from './names.ts';
import type { EmojiSourceOptions } from './options.ts';

const text = new Utf8();
const nameType = new Struct([new Field('language', text, true), new Field('name', text, true)]);
const side = 96;

/**
 * Writes the held-out set: pictures of the held-out style on white, with their names in every language (key, emoji, image,
 * names). Answers how many.
 */
export async function writeEvaluation(
  path: string,
  options: EmojiSourceOptions,
  codes: readonly string[],
  names: NamesByLanguage,
  pictureOf: (code: string) => Promise<Picture>,
): Promise<number> {
  const random = createRandom(`${options.seed}:evaluation`);
  const open = [...codes];
  const drawn: string[] = [];
  while (drawn.length < options.evaluationImages && open.length > 0) {
    drawn.push(...open.splice(random.integer(open.length), 1));
  }
  const images: Buffer[] = [];
  for (const code of drawn) images.push(await onWhite(await pictureOf(code)));
  const writer = await openParquetWriter(path);
  await writer.write(
    batchOf({
      key: { type: text, values: drawn.map((code) => `${options.heldOut}-${code}`) },
      emoji: { type: text, values: drawn },
      image: {
        type: rowTypes.image,
        values: drawn.map((code, i) => ({ bytes: images[i], path: `${code}.png` })),
      },
      names: {
        type: new List(new Field('element', nameType, true)),
        values: drawn.map((code) =>
          [...names].flatMap(([language, known]) => {
            const found = known.get(code);
            return found ? [{ language, name: found.name }] : [];
          }),
        ),
      },
    }),
  );
  const { rows } = await writer.close();
  return rows;
}

function onWhite({ pixels, width, height }: Picture): Promise<Buffer> {
  return sharp(pixels, { raw: { width, height, channels: 4 } })
    .resize(Math.round(side * 0.8), Math.round(side * 0.8), { fit: 'contain', background: '#ffffff00' })
    .extend({ top: 10, bottom: 10, left: 10, right: 10, background: '#ffffff' })
    .flatten({ background: '#ffffff' })
    .png()
    .toBuffer();
}
