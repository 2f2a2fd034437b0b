import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate } from '../../pipeline/curate.ts';
import { openFacts } from '../../pipeline/curation/facts.ts';
import { reduceFacts } from '../../pipeline/curation/reduce.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { withColumns } from '../../schemas/batches.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { createRandom } from '../../schemas/random.ts';
import type { CurationReport } from '../../schemas/reports.ts';
import { curatedTypes, rowTypes } from '../../schemas/rows.ts';
import {
  filterByScore,
  filterByScoreOptionsSchema,
  scoreVerdict,
  thresholdPlace,
} from '../../stages/filter-by-score.ts';
import {
  readBatch,
  rememberingContext,
  runStage,
  type SourceRow,
  temporaryFolder,
  valuesOf,
  writeSource,
} from '../support.ts';

const scored = (scores: readonly number[]) =>
  withColumns(readBatch(scores.map((_, i) => ({ key: `row-${i}` }))), {
    text_score: { type: curatedTypes.text_score, values: scores },
  });

describe('the filter by score', () => {
  it('drops what is under the threshold, with both figures, and keeps what is at it', async () => {
    const { context, dropped } = rememberingContext();
    const kept = await runStage(filterByScore(0.25, 'drop'), context, scored([0.25, 0.5, 0.125]));
    expect(valuesOf(kept, 'key')).toEqual(['row-0', 'row-1']);
    expect(dropped).toMatchObject([
      {
        key: 'row-2',
        stage: 'filter-by-score',
        reason: 'low-score',
        value: '0.125000',
        threshold: '0.250000',
      },
    ]);
  });

  it('only says so when it labels', async () => {
    const { context, dropped } = rememberingContext();
    const kept = await runStage(filterByScore(0.25, 'label'), context, scored([0.25, 0.125]));
    expect(dropped).toEqual([]);
    expect(
      valuesOf(kept, 'labels').map((list) => [...(list as Iterable<{ reason: string }>)].length),
    ).toEqual([0, 1]);
  });

  it('wants no score that is no number', () => {
    expect(scoreVerdict(Number.NaN, 0)?.reason).toBe('low-score');
  });

  it('is told a share or a similarity', () => {
    expect(filterByScoreOptionsSchema.safeParse({}).success).toBe(false);
    expect(filterByScoreOptionsSchema.safeParse({ keep: 0.3 }).success).toBe(true);
    expect(filterByScoreOptionsSchema.safeParse({ minimum: 0.28 }).success).toBe(true);
  });

  it("puts DataComp's threshold at int(share n) of the scores, best first", () => {
    expect(thresholdPlace(10, 0.3)).toBe(3);
    expect(thresholdPlace(11, 0.3)).toBe(3);
    expect(thresholdPlace(1, 0.3)).toBe(0);
  });
});

interface Fact {
  readonly sha256: string;
  readonly score: number;
}

async function reduced(rows: readonly Fact[], scores: object, order = rows.map((_, i) => i)) {
  const folder = await temporaryFolder();
  const facts = await openFacts(join(folder, 'facts.parquet'), 11);
  const list = order.map((i) => ({ ...(rows[i] as Fact), key: `row-${i}` }));
  await facts.write(
    withColumns(readBatch(list), {
      width: { type: rowTypes.width, values: list.map(() => 9) },
      sha256: { type: curatedTypes.sha256, values: list.map(({ sha256 }) => sha256) },
      language: { type: curatedTypes.language, values: list.map(() => 'en') },
      text_score: { type: curatedTypes.text_score, values: list.map(({ score }) => score) },
    }),
  );
  await facts.close();
  const reduction = await reduceFacts(join(folder, 'facts.parquet'), folder, {
    fingerprints: null,
    near: null,
    partitionRows: 1,
    evaluation: null,
    dropsDuplicates: true,
    scores: filterByScoreOptionsSchema.parse(scores),
  });
  const { scoreThreshold, counts } = reduction;
  reduction.close();
  return { threshold: scoreThreshold, rows: counts.en };
}

describe('the threshold of a share', () => {
  it('is the one that the definition says, over the rows that duplicates leave, in any order', async () => {
    const random = createRandom(5);
    // Few values, so that some are equal; every fourth row repeats the one before it.
    const rows = Array.from({ length: 40 }, (_, i) => ({
      sha256: String(i % 4 === 3 ? i - 1 : i),
      score: Math.fround(random.integer(12) / 10 - 0.37),
    }));
    const unique = rows.filter((_, i) => i % 4 !== 3).map(({ score }) => score);
    const reversed = rows.map((_, i) => i).reverse();
    for (const keep of [0.1, 0.3, 0.75]) {
      const wanted = unique.toSorted((a, b) => b - a)[Math.floor(keep * unique.length)] ?? 0;
      const kept = unique.filter((score) => score >= wanted).length;
      expect(await reduced(rows, { keep })).toEqual({ threshold: wanted, rows: kept });
      expect(await reduced(rows, { keep }, reversed)).toEqual({ threshold: wanted, rows: kept });
    }
    expect(await reduced(rows, { keep: 1 })).toEqual({ threshold: -1, rows: 30 });
    expect((await reduced(rows, { keep: 0.3, mode: 'label' })).rows).toBe(30);
    expect(await reduced(rows, { minimum: 0.2 })).toEqual({
      threshold: 0.2,
      rows: unique.filter((score) => score >= 0.2).length,
    });
    expect((await reduced(rows, { keep: 0.75, minimum: 0.4 })).threshold).toBe(0.4);
  });

  it('keeps at least the share, and with different scores one row more', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 60 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        (scores, share) => {
          const threshold = scores.toSorted((a, b) => b - a)[thresholdPlace(scores.length, share)] ?? 2;
          const kept = scores.filter((score) => scoreVerdict(score, threshold) === undefined);
          expect(kept).toHaveLength(Math.floor(share * scores.length) + 1);
        },
      ),
    );
  });
});

describe('a run with the filter', () => {
  const run = { signal: new AbortController().signal, progress: silentProgress, configPath: 'test.yaml' };
  const recipe = (paths: readonly string[]) =>
    parseConfig(
      `seed: 3
input: { shards: ${JSON.stringify(paths)}, batchRows: 16 }
threads: 1
scores: { keep: 0.5 }
mix: { english: 0.6 }
regions: { detector: none }
images: { minDeviation: 0, minEntropy: 0 }
boilerplate: { enabled: false }
locca: { enabled: true }
teacher: { checkpoint: models/checkpoints/emoji-109-teacher.safetensors }`,
      'test.yaml',
    );
  let folder: string;
  let paths: string[];
  let report: CurationReport;

  beforeAll(async () => {
    folder = await temporaryFolder();
    const rows: SourceRow[] = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => ({
        key: `row-${i}`,
        image: await sharp({
          create: {
            width: 64,
            height: 64,
            channels: 3,
            background: { r: (i * 37) % 256, g: (i * 91) % 256, b: 9 },
          },
        })
          .png()
          .toBuffer(),
        altTexts:
          i % 2 === 0
            ? [`the red apple is on the table ${i}`, `a blue car in the street ${i}`]
            : [`der rote Apfel liegt auf dem Tisch ${i}`],
        pageLanguage: i % 2 === 0 ? 'en' : 'de',
      })),
    );
    paths = [join(folder, 'a.parquet'), join(folder, 'b.parquet')];
    await writeSource(paths[0] as string, rows.slice(0, 25));
    await writeSource(paths[1] as string, rows.slice(25));
    report = await curate(recipe(paths), join(folder, 'run'), run);
  });

  const kept = async (path: string) =>
    (await openShard(join(path, 'shards', '00000.parquet'))).readRowGroup(0, [
      'key',
      'text',
      'alt_texts',
      'text_scores',
      'text_score',
      'locca',
    ]);

  it('accounts for every row, and meets the mix after it', () => {
    expect(report.balanced).toBe(true);
    const low = report.reasons.dropped.find(({ reason }) => reason === 'low-score');
    // int(0.5 * 60) and the one at the threshold stay.
    expect(low).toMatchObject({ stage: 'filter-by-score', rows: 29 });
    expect(report.kept).toBeGreaterThan(0);
    expect(Math.abs(report.mix.realised.english - 0.6)).toBeLessThan(0.03);
  });

  it('keeps a score of every text, the one of the text that trains among them', async () => {
    const rows = await kept(join(folder, 'run'));
    const dropped = await openShard(join(folder, 'run', 'dropped', '00000.parquet'));
    const { threshold: thresholds, reason } = await dropped.readRowGroup(0, ['threshold', 'reason']);
    const threshold = Number(thresholds?.[Array.from(reason ?? []).indexOf('low-score')]);
    expect(threshold).toBeGreaterThan(-1);
    Array.from(rows.key ?? []).forEach((_, i) => {
      const texts = rows.alt_texts?.[i] as string[];
      const scores = rows.text_scores?.[i] as number[];
      expect(scores).toHaveLength(texts.length);
      expect(rows.text_score?.[i]).toBe(scores[texts.indexOf(rows.text?.[i] as string)]);
      expect(rows.text_score?.[i]).toBeGreaterThanOrEqual(threshold - 1e-6);
      // Without regions there is the caption alone.
      expect(rows.locca?.[i]).toEqual([{ task: 'captioning', prefix: 'Cap: ', target: rows.text?.[i] }]);
    });
  });

  it('says the same in another order of shards', async () => {
    await curate(recipe([...paths].reverse()), join(folder, 'reversed'), run);
    const byKey = async (path: string) => {
      const rows = await kept(path);
      return Object.fromEntries(Array.from(rows.key ?? []).map((key, i) => [key, rows.text_score?.[i]]));
    };
    expect(await byKey(join(folder, 'reversed'))).toEqual(await byKey(join(folder, 'run')));
  });

  it('needs a teacher', async () => {
    const config = parseConfig(
      `input: { shards: ${JSON.stringify(paths)} }\nscores: { keep: 0.3 }`,
      'r.yaml',
    );
    await expect(curate(config, join(folder, 'none'), run)).rejects.toThrow(
      /scores: needs teacher\.checkpoint/,
    );
  });
});
