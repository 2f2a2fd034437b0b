import { access } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate } from '../../pipeline/curate.ts';
import { selfScoreOf } from '../../pipeline/distill/pair-terms.ts';
import { distill } from '../../pipeline/distill.ts';
import { type OpenRun, openRun } from '../../pipeline/inspect/open-run.ts';
import { why } from '../../pipeline/inspect/why.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { writeCurated } from '../pipeline/curated-pool.ts';
import { type SourceRow, temporaryFolder, writeSource } from '../support.ts';

const run = { signal: new AbortController().signal, progress: silentProgress, configPath: 'r.yaml' };

const picture = (seed: number, width = 40) => {
  const pixels = Uint8Array.from({ length: width * 40 * 3 }, (_, i) => (i * seed * 7919) % 251);
  return sharp(pixels, { raw: { width, height: 40, channels: 3 } })
    .png()
    .toBuffer();
};

describe('what a curation records of its rows', () => {
  it('where every row was read, whether it was kept or not, and which row of which shard it became', async () => {
    const folder = await temporaryFolder();
    const rows: SourceRow[] = [];
    for (let i = 0; i < 20; i += 1) {
      const image = i % 5 === 4 ? rows[i - 1]?.image : await picture(i + 2, i % 7 === 6 ? 400 : 40);
      const altTexts = i % 6 === 5 ? ['IMG_1.JPG'] : ['a red apple on the table'];
      rows.push({
        key: `k${i}`,
        image: i === 8 ? new Uint8Array([1]) : (image ?? null),
        altTexts,
        pageLanguage: 'en',
      });
    }
    await writeSource(join(folder, 'a.parquet'), rows.slice(0, 12), 20_000);
    await writeSource(join(folder, 'b.parquet'), rows.slice(12));
    const config = parseConfig(
      `input: {shards: ${folder}}\nmix: {enabled: false}\noutput: {shardRows: 4}\nboilerplate: {enabled: false}`,
      'r.yaml',
    );
    const out = join(folder, 'run');
    const report = await curate(config, out, run);
    expect(report.balanced).toBe(true);
    const open = await openRun(out);
    const reasons = new Set<string>();
    try {
      for (const { key } of rows) {
        const told = await why(open, key);
        const { shard, rowGroup, row } = told.read ?? { shard: '', rowGroup: null, row: null };
        const source = await (await openShard(shard)).readRowGroup(rowGroup ?? -1, ['key']);
        expect(source.key?.[row ?? -1]).toBe(key);
        for (const { reason } of told.stages) if (reason) reasons.add(reason);
        if (told.outcome !== 'kept') continue;
        const [lineage] = await open.query('SELECT file, file_row FROM lineage WHERE key = $key', { key });
        expect(told.written).toEqual({ file: lineage?.file, row: Number(lineage?.file_row) });
        const written = await openShard(join(out, 'shards', told.written?.file ?? ''));
        expect((await written.readRowGroup(0, ['key'])).key?.[told.written?.row ?? -1]).toBe(key);
      }
      expect(reasons).toEqual(
        new Set(['no-alt-text', 'exact-duplicate', 'near-duplicate', 'aspect', 'unknown-format']),
      );
      const [copies] = await open.query(
        "SELECT count(*)::INT AS rows, count(*) FILTER (value = 'of ' || kept_key)::INT AS named FROM dropped WHERE reason = 'exact-duplicate'",
      );
      expect(copies?.named).toBe(copies?.rows);
      const [languages] = await open.query(
        "SELECT count(*) FILTER (language IS NOT NULL)::INT AS known, count(*) FILTER (stage = 'deduplicate')::INT AS late FROM dropped",
      );
      expect(languages?.known).toBe(languages?.late);
    } finally {
      await open.close();
    }
  });
});

const recipe = (more: string) => `
seed: 3
threads: 1
distill:
  learner: {imageSize: 16, patchSize: 8, width: 16, depth: 1, heads: 2, embeddingDim: 8, textTokens: 32, textWidth: 16, textDepth: 1, textHeads: 2}
  superBatch: 20
  batch: 4
  chunks: 2
  english: 0.6
  shuffleRows: 40
  baseline: false
  training: {steps: 6, warmup: 2}
  ${more}`;

async function distilled(more: string, use: (open: OpenRun) => Promise<void>): Promise<void> {
  const folder = await temporaryFolder();
  await writeCurated(join(folder, 'pool'), 60);
  await distill(parseConfig(recipe(more), 'r.yaml'), join(folder, 'pool'), join(folder, 'out'), run);
  const open = await openRun(join(folder, 'out'));
  try {
    await use(open);
  } finally {
    await open.close();
  }
}

describe('what a distillation records of its pairs', () => {
  it('every pair of every super-batch once, and of the selected the same scores', async () => {
    await distilled('scoring: {reuse: 2}', async (open) => {
      const [offers] = await open.query(
        'SELECT count(*)::INT AS pairs, count(DISTINCT step)::INT AS steps, max(abs(self_score - (learner_loss - teacher_loss))) AS off FROM offers',
      );
      expect(offers).toMatchObject({ pairs: 60, steps: 3 });
      expect(offers?.off).toBeLessThan(1e-5);
      const [both] = await open.query(
        `SELECT count(*)::INT AS pairs, count(*) FILTER (o.key = s.key AND o.self_score = s.self_score
           AND o.learner_loss = s.learner_loss AND o.teacher_loss = s.teacher_loss)::INT AS same
         FROM selections s JOIN offers o ON o.step = s.step // 2 * 2 AND o.index = s.index`,
      );
      expect(both).toEqual({ pairs: 24, same: 24 });
      const [{ key } = { key: '' }] = await open.query(
        'SELECT key FROM selections ORDER BY step DESC LIMIT 1',
      );
      const { steps } = await why(open, String(key));
      const [times] = await open.query(
        'SELECT (SELECT count(*) FROM offers WHERE key = $key)::INT AS offered, (SELECT count(*) FROM selections WHERE key = $key)::INT AS selected',
        { key: String(key) },
      );
      expect([steps.length, steps.filter(({ selected }) => selected).length]).toEqual([
        times?.offered,
        times?.selected,
      ]);
    });
  });

  it('the selected pairs alone where the recipe says so', async () => {
    await distilled('recordOffers: false', async (open) => {
      expect(open.parts.distilled?.files.offers).toEqual([]);
      await expect(access(join(open.parts.folder, 'offers.parquet'))).rejects.toThrow();
      const [row] = await open.query('SELECT count(learner_loss)::INT AS losses FROM selections');
      expect(row).toEqual({ losses: 24 });
    });
  });

  it('own scores by the method', () => {
    const terms = { learner: Float64Array.of(3), teacher: Float64Array.of(1) };
    expect(selfScoreOf(terms, 'learnability', 0)).toBe(2);
    expect(selfScoreOf(terms, 'hard', 0)).toBe(3);
    expect(selfScoreOf(terms, 'easy-reference', 0)).toBe(-1);
    expect(selfScoreOf(terms, 'uniform', 0)).toBeNull();
    expect(selfScoreOf({ ...terms, teacher: null }, 'learnability', 0)).toBeNull();
  });
});
