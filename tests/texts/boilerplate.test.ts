import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openFacts } from '../../pipeline/curation/facts.ts';
import { type Reduction, reduceFacts } from '../../pipeline/curation/reduce.ts';
import type { BoilerplateSearch } from '../../pipeline/curation/texts/boilerplate.ts';
import { hostOf } from '../../pipeline/curation/texts/text-file.ts';
import { batchOf } from '../../schemas/batches.ts';
import { createRandom } from '../../schemas/random.ts';
import { curatedTypes, provenanceTypes, rowTypes } from '../../schemas/rows.ts';
import { countedBytes, countedForm, countedText } from '../../stages/texts/counted-text.ts';
import { temporaryFolder } from '../support.ts';

interface MadeRow {
  readonly key: string;
  readonly texts: readonly string[];
  /** The bytes of its image, by name; its own unless told. */
  readonly image?: string;
  readonly host?: string;
  readonly language?: string;
}

const search = { images: 5, share: 0.1, hostShare: 0.2, words: 4, dropsRows: true };

let folder: string;
let made = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
});

/** Reduces rows, a shard each, and asks `use` of the reduction. */
async function reduced<T>(
  shards: readonly (readonly MadeRow[])[],
  use: (reduction: Reduction) => Promise<T>,
  more: Partial<BoilerplateSearch> = {},
): Promise<T> {
  made += 1;
  const [facts, texts] = [join(folder, `facts-${made}.parquet`), join(folder, `texts-${made}.parquet`)];
  const file = await openFacts(facts, 1, { texts });
  for (const [i, rows] of shards.entries()) {
    const column = (type: (typeof rowTypes)['key'], of: (row: MadeRow) => string) => ({
      type,
      values: rows.map(of),
    });
    const count = { type: provenanceTypes.row, values: rows.map(() => 10) };
    await file.write(
      batchOf({
        key: column(rowTypes.key, ({ key }) => key),
        url: column(rowTypes.url, ({ key, host = 'a.example' }) => `https://${host}/${key}`),
        alt_texts: { type: rowTypes.alt_texts, values: rows.map((row) => row.texts) },
        shard: column(provenanceTypes.shard, () => `shard-${i}`),
        row_group: { type: provenanceTypes.row_group, values: rows.map(() => 0) },
        row: { type: provenanceTypes.row, values: rows.map((_, row) => row) },
        sha256: column(curatedTypes.sha256, ({ key, image = key }) => image),
        language: column(curatedTypes.language, ({ language = 'en' }) => language),
        width: count,
        height: count,
      }),
    );
  }
  await file.close();
  const reduction = await reduceFacts(facts, folder, {
    fingerprints: null,
    near: null,
    partitionRows: 100,
    evaluation: null,
    dropsDuplicates: true,
    boilerplate: { ...search, texts, ...more },
  });
  try {
    return await use(reduction);
  } finally {
    reduction.close();
  }
}

/** The boilerplate found, by text: its images, threshold and host, and how many rows have it. */
const foundIn =
  (shards: readonly (readonly MadeRow[])[]) =>
  async (reduction: Reduction): Promise<Record<string, readonly unknown[]>> => {
    const found: Record<string, readonly unknown[]> = {};
    for (const [i, rows] of shards.entries()) {
      for (const [row, texts] of await reduction.boilerplateOf(`shard-${i}`, 0)) {
        for (const { place, images, threshold, host } of texts) {
          const text = rows[row]?.texts[place] ?? '';
          found[text] = [images, threshold, host, Number(found[text]?.[3] ?? 0) + 1];
        }
      }
    }
    return found;
  };

const rowsOf = (count: number, of: (i: number) => Omit<MadeRow, 'key'>, name = 'row'): MadeRow[] =>
  Array.from({ length: count }, (_, i) => ({ key: `${name}-${String(i).padStart(4, '0')}`, ...of(i) }));
const caption = (i: number) =>
  `one ${createRandom(`text ${i}`).pick(['cat', 'dog', 'cow'])} ${String.fromCharCode(97 + (i % 26), 97 + ((i / 26) | 0))}`;

describe('counting texts', () => {
  it('counts bytes as it counts their text', () => {
    const parts = fc.constantFrom('a', 'Bc', '12', '0', ' ', '!', '.', '\u00e9', '\u732b', '\u00b2', '\n');
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 12 }), (all) => {
        const text = all.join('');
        const bytes = Buffer.from(`0${text}0`);
        expect(countedBytes(bytes, 1, bytes.length - 1)).toEqual(countedText(text));
      }),
    );
  });

  it('takes texts that differ in case, signs and numbers only for one', () => {
    expect(countedForm('© 2019 Happy Shop — ALL rights: 3')).toBe('0 happy shop all rights 0');
    expect(countedText('Happy shop 1!')).toEqual(countedText('happy SHOP, 234'));
    expect(countedText('Happy shop')).not.toEqual(countedText('Happy shops'));
    expect(countedText('— !')).toBeNull();
    expect(countedText('แมวดำนอนหลับ')?.words).toBeGreaterThan(2);
  });

  it('takes the host of an address', () => {
    expect(hostOf('https://www.Shop.example:8080/a?b')).toBe('shop.example');
    expect(hostOf('http://user:pw@shop.example')).toBe('shop.example');
    for (const none of [null, '', 'shop.example', 'data:image/png;base64,AA'])
      expect(hostOf(none)).toBeNull();
  });
});

describe('boilerplate of the whole data set', () => {
  it('is a text of many images, and not one of many copies of an image', async () => {
    const rows = [
      ...rowsOf(100, (i) => ({ texts: [caption(i)] })),
      ...rowsOf(20, (i) => ({ texts: [`see our shop for ${i} more`, caption(i)] }), 'shop'),
      ...rowsOf(60, () => ({ texts: ['the president of the country speaks'], image: 'famous' }), 'news'),
    ];
    expect(await reduced([rows], foundIn([rows]))).toEqual({ ...withNumbers(20, [20, 13, null, 1]) });
  });

  it('is allowed to a text of one word before a text of four', async () => {
    const rows = [
      ...rowsOf(160, (i) => ({ texts: [caption(i)] })),
      ...rowsOf(30, () => ({ texts: ['cat'] }), 'cat'),
      ...rowsOf(30, () => ({ texts: ['find more in our shop'] }), 'shop'),
    ];
    const found = await reduced([rows], foundIn([rows]), { hostShare: 1 });
    expect(Object.keys(found)).toEqual(['find more in our shop']);
    const many = [...rows, ...rowsOf(100, () => ({ texts: ['cat'] }), 'more')];
    expect(await reduced([many], foundIn([many]), { hostShare: 1 })).toMatchObject({
      cat: [130, 128, null, 130],
    });
  });

  it('is counted against the languages that the text stands in', async () => {
    const german = 'hier klicken und vergrößern';
    const rows = [
      ...rowsOf(500, (i) => ({ texts: [`${caption(i)} a${i % 7}`] })),
      ...rowsOf(60, (i) => ({ texts: [`eine ${caption(i)}`], language: 'de' }), 'de'),
      ...rowsOf(10, () => ({ texts: [german], language: 'de' }), 'more'),
    ];
    expect(await reduced([rows], foundIn([rows]), { hostShare: 1 })).toEqual({ [german]: [10, 7, null, 10] });
    const mixed = rows.map((row) => ({ ...row, language: 'en' }));
    expect(await reduced([mixed], foundIn([mixed]), { hostShare: 1 })).toEqual({});
  });

  it('is the same in any order and split of the rows', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 4 }), async (seed, count) => {
        const random = createRandom(seed);
        const rows = rowsOf(40, () => ({
          texts: Array.from({ length: 1 + random.integer(3) }, () =>
            random.pick(['a b c d', 'e f g', 'h', 'i j k l']),
          ),
          image: `image ${random.integer(25)}`,
          host: random.pick(['x.example', 'y.example']),
          language: random.pick(['en', 'de']),
        }));
        const turned = rows
          .map((row) => ({ row, at: random.uniform() }))
          .sort((a, b) => a.at - b.at)
          .map(({ row }) => row);
        const shards = Array.from({ length: count }, (_, i) => turned.filter((_, at) => at % count === i));
        expect(await reduced(shards, foundIn(shards))).toEqual(await reduced([rows], foundIn([rows])));
      }),
      { numRuns: 3 },
    );
  });
});

describe('boilerplate of a host', () => {
  it('is a text of many of its images, there and nowhere else', async () => {
    const name = 'Happy Shop of Wonders Online';
    const rows = [
      ...rowsOf(2000, (i) => ({
        texts: [`${caption(i % 600)} x`],
        host: `h${i % 50}.example`,
        language: 'en',
      })),
      ...rowsOf(12, () => ({ texts: [name], host: 'shop.example' }), 'shop'),
      ...rowsOf(4, () => ({ texts: [name], host: 'blog.example' }), 'blog'),
    ];
    expect(await reduced([rows], foundIn([rows]))).toEqual({ [name]: [12, 5, 'shop.example', 12] });
  });
});

describe('rows whose texts are all boilerplate', () => {
  const text = 'find more in our shop';
  const rows = [
    ...rowsOf(50, (i) => ({ texts: [caption(i)] })),
    ...rowsOf(20, () => ({ texts: [text] }), 'shop'),
    ...rowsOf(5, (i) => ({ texts: [text, caption(i)] }), 'both'),
    { key: 'a-copy', texts: ['a cat of its own'], image: 'shop-0000' },
  ];

  it('are not counted for the mix, and no copy is lost for them', async () => {
    const said = await reduced([rows], async (reduction) => ({
      counts: reduction.counts,
      duplicates: await reduction.duplicatesOf('shard-0', 0),
    }));
    expect(said.counts).toEqual({ en: 56 });
    expect(said.duplicates.size).toBe(0);
  });

  it('are rows like any others where boilerplate is only labelled', async () => {
    const said = await reduced(
      [rows],
      async (reduction) => ({
        counts: reduction.counts,
        duplicates: await reduction.duplicatesOf('shard-0', 0),
      }),
      { dropsRows: false },
    );
    expect(said.counts).toEqual({ en: 75 });
    expect([...said.duplicates.values()]).toMatchObject([{ kept: 'a-copy' }]);
  });
});

function withNumbers(count: number, said: readonly unknown[]): Record<string, readonly unknown[]> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`see our shop for ${i} more`, said]));
}
