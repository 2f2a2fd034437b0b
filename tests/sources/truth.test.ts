import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareWithTruth, type TruthFigures } from '../../pipeline/sources/emoji/truth.ts';
import { temporaryFolder } from '../support.ts';

const region = (...box: number[]) => `{'box': [${box.join(', ')}]::FLOAT[], 'text': 'x', 'score': 0.5}`;
const picture = (...box: number[]) => `{'box': [${box.join(', ')}]::FLOAT[], 'text': 'x', 'emoji': 'e'}`;

let figures: TruthFigures;

beforeAll(async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'shards'));
  const connection = await (await DuckDBInstance.create()).connect();
  await connection.run(`COPY (SELECT * FROM (VALUES
    ('found', 'en', [${region(0, 0, 0.5, 0.5)}, ${region(0.5, 0.5, 1, 1)}]),
    ('missed', 'de', [${region(0, 0, 0.2, 0.2)}]),
    ('bare', 'en', []),
    ('single', 'fr', [${region(0, 0, 1, 1)}])) AS t(key, language, regions))
    TO '${folder}/shards/00000.parquet' (FORMAT parquet)`);
  await connection.run(`COPY (SELECT * FROM (VALUES
    ('found', 'canvas', 'en', [], [${picture(0, 0, 0.5, 0.45)}, ${picture(0.5, 0.5, 1, 1)}]),
    ('missed', 'canvas', 'de', ['truncated'], [${picture(0.4, 0.4, 0.9, 0.9)}]),
    ('bare', 'canvas', 'en', ['mismatched'], [${picture(0, 0, 0.5, 0.5)}]),
    ('single', 'single', 'en', [], [${picture(0, 0, 0.1, 0.1)}]),
    ('dropped', 'single', 'en', ['truncated'], [])) AS t(key, kind, language, defects, boxes))
    TO '${folder}/truth.parquet' (FORMAT parquet)`);
  connection.closeSync();
  figures = await compareWithTruth(folder, join(folder, 'truth.parquet'));
});

describe('the planted truth', () => {
  it('counts what was kept of it', () => {
    expect(figures).toMatchObject({
      kept: 4,
      truncatedKept: 1,
      mismatchedKept: 1,
      canvasesKept: 3,
      canvasesWithRegions: 2,
    });
    expect(figures.trueEnglishShare).toBeCloseTo(3 / 4, 9);
    expect(figures.languageRight).toBeCloseTo(3 / 4, 9);
  });

  it('says how many regions of canvases lie on a picture, and how many pictures have one', () => {
    expect(figures.regionsOnPictures).toBeCloseTo(2 / 3, 9);
    expect(figures.picturesFound).toBeCloseTo(2 / 4, 9);
  });
});
