import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate } from '../../pipeline/curate.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { type SourceRow, temporaryFolder, writeSource } from '../support.ts';

/** A PNG of one colour, whole or cut short. */
const image = fc
  .tuple(fc.integer({ min: 8, max: 64 }), fc.integer({ min: 8, max: 64 }), fc.nat(3), fc.nat(400))
  .map(([width, height, r, cut]) => ({ width, height, background: { r: 80 * r, g: 9, b: 9 }, cut }));

const row = fc.record({
  image: fc.oneof({ weight: 6, arbitrary: image }, fc.uint8Array({ maxLength: 40 }), fc.constant(null)),
  altTexts: fc.array(
    fc.oneof(
      fc.constantFrom(
        'a red apple',
        'the blue car in the street',
        'ein roter Apfel auf dem Teller',
        'IMG_1.JPG',
      ),
      fc.string({ unit: 'binary', maxLength: 30 }),
    ),
    { maxLength: 3 },
  ),
  pageLanguage: fc.option(fc.constantFrom('en', 'de', 'x-none', '')),
});

const recipe = fc.record({
  english: fc.constantFrom(0, 0.5, 0.9, 1),
  isMixed: fc.boolean(),
  isBalanced: fc.boolean(),
  mode: fc.constantFrom('drop', 'label'),
  max: fc.constantFrom(2, 1000),
});

async function sourceRow(
  made: typeof row extends fc.Arbitrary<infer T> ? T : never,
  i: number,
): Promise<SourceRow> {
  const { image: picture, altTexts, pageLanguage } = made;
  if (picture === null || picture instanceof Uint8Array)
    return { key: `k${i}`, image: picture === null ? null : Buffer.from(picture), altTexts, pageLanguage };
  const { width, height, background, cut } = picture;
  const bytes = await sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
  return { key: `k${i}`, image: bytes.subarray(0, cut < 100 ? cut : bytes.length), altTexts, pageLanguage };
}

async function countRows(path: string): Promise<number> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const found = await connection.runAndReadAll(`SELECT count(*) AS rows FROM read_parquet('${path}')`);
  instance.closeSync();
  return Number(found.getRowObjects()[0]?.rows);
}

describe('conservation', () => {
  it('read = kept + dropped + quarantined, in the report and in the files, for any input', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 24 }),
        fc.array(row, { maxLength: 12 }),
        fc.option(fc.uint8Array({ maxLength: 60 })),
        recipe,
        async (first, second, broken, asked) => {
          const folder = await temporaryFolder();
          const rows = await Promise.all([...first, ...second].map(sourceRow));
          await writeSource(join(folder, 'a.parquet'), rows.slice(0, first.length), 1500);
          await writeSource(join(folder, 'b.parquet'), rows.slice(first.length));
          if (broken) await writeFile(join(folder, 'c.parquet'), broken);
          const config = parseConfig(
            `input: {shards: ${folder}}
images: {minSide: 16}
deduplicate: {mode: ${asked.mode}}
balance: {enabled: ${asked.isBalanced}, englishThreshold: 2, termsMinRows: 2, unmatched: drop}
mix: {enabled: ${asked.isMixed}, english: ${asked.english}, maxPerLanguage: ${asked.max}}`,
            'r.yaml',
          );
          const run = {
            signal: new AbortController().signal,
            progress: silentProgress,
            configPath: 'r.yaml',
          };
          const report = await curate(config, join(folder, 'run'), run);
          expect(report.read).toBe(rows.length);
          expect(report.kept + report.dropped + report.quarantined).toBe(rows.length);
          expect(report.balanced).toBe(true);
          const files = (part: string) => countRows(join(folder, 'run', part, '*.parquet'));
          expect(await files('dropped')).toBe(report.dropped);
          expect(await files('quarantine')).toBe(report.quarantined + report.quarantinedShards);
          if (report.kept > 0) expect(await files('shards')).toBe(report.kept);
          expect(report.quarantinedShards).toBe(broken ? 1 : 0);
        },
      ),
      { numRuns: 8 },
    );
  });
});
