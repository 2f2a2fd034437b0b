import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { Field, FixedSizeList, Float32, List, Struct, Utf8 } from 'apache-arrow';
import { batchOf } from '../../../schemas/batches.ts';
import { openParquetWriter } from '../../../schemas/parquet-writer.ts';
import { exactly } from '../../sql-text.ts';
import type { PlannedRow } from './plan.ts';
import type { Drawing } from './render.ts';

const text = new Utf8();
const texts = new List(new Field('element', text, true));
const boxType = new Struct([
  new Field('box', new FixedSizeList(4, new Field('element', new Float32(), true)), true),
  new Field('text', text, true),
  new Field('emoji', text, true),
]);

/** The planted truth being written: what no stage of the pipeline ever reads. */
export interface TruthWriter {
  write(
    rows: readonly PlannedRow[],
    drawings: readonly Drawing[],
    planned: readonly PlannedRow[],
  ): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

/** Opens `truth.parquet`: key, kind, language, defects, duplicate_of, emojis, styles, boxes. */
export async function openTruth(path: string): Promise<TruthWriter> {
  const writer = await openParquetWriter(path);
  return {
    async write(rows, drawings, planned) {
      await writer.write(
        batchOf({
          key: { type: text, values: rows.map(({ key }) => key) },
          kind: { type: text, values: rows.map(({ kind }) => kind) },
          language: { type: text, values: rows.map(({ language }) => language) },
          defects: { type: texts, values: rows.map(({ defects }) => [...defects]) },
          duplicate_of: {
            type: text,
            values: rows.map(({ duplicateOf }) => planned[duplicateOf ?? -1]?.key ?? null),
          },
          emojis: { type: texts, values: rows.map(({ pictures }) => pictures.map(({ code }) => code)) },
          styles: { type: texts, values: rows.map(({ pictures }) => pictures.map(({ style }) => style)) },
          boxes: {
            type: new List(new Field('element', boxType, true)),
            values: rows.map((row, i) => boxesOf(row, drawings[i])),
          },
        }),
      );
    },
    async close() {
      await writer.close();
    },
    abort: () => writer.abort(),
  };
}

function boxesOf(row: PlannedRow, drawing: Drawing | undefined) {
  if (drawing === undefined || drawing.width === 0) return [];
  const { width, height, placed } = drawing;
  const within = (value: number) => Math.min(1, Math.max(0, value));
  return placed.map((place, i) => ({
    box: [
      within(place.top / height),
      within(place.left / width),
      within((place.top + place.height) / height),
      within((place.left + place.width) / width),
    ],
    text: row.pictures[i]?.name ?? '',
    emoji: row.pictures[i]?.code ?? '',
  }));
}

/** What the truth says of the rows that a curation kept. */
export interface TruthFigures {
  readonly kept: number;
  readonly truncatedKept: number;
  readonly canvasesKept: number;
  readonly canvasesWithRegions: number;
  /** The share of canvases' regions that lie on a picture: intersection over union of 0.5 or more. */
  readonly regionsOnPictures: number;
  /** The share of canvases' pictures that a region lies on. */
  readonly picturesFound: number;
  /** The share of kept rows that are English in truth. */
  readonly trueEnglishShare: number;
  /** The share of kept rows whose language was identified right. */
  readonly languageRight: number;
  readonly mismatchedKept: number;
}

/** Compares a curation run's shards with the planted truth, by DuckDB. */
export async function compareWithTruth(runFolder: string, truthPath: string): Promise<TruthFigures> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const described = await connection.runAndReadAll(
    'SELECT column_name FROM (DESCRIBE SELECT * FROM read_parquet($shards, hive_partitioning = false))',
    { shards: `${exactly(runFolder)}/shards/*.parquet` },
  );
  const hasRegions = described.getRowObjects().some((row) => row.column_name === 'regions');
  const result = await connection.runAndReadAll(
    `SELECT count(*)::INT AS kept,
       count_if(list_contains(t.defects, 'truncated'))::INT AS "truncatedKept",
       count_if(t.kind = 'canvas')::INT AS "canvasesKept",
       count_if(t.kind = 'canvas' AND ${hasRegions ? 'len(r.regions) > 0' : 'false'})::INT AS "canvasesWithRegions",
       coalesce(avg((t.language = 'en')::INT), 0)::DOUBLE AS "trueEnglishShare",
       coalesce(avg((t.language = r.language)::INT), 0)::DOUBLE AS "languageRight",
       count_if(list_contains(t.defects, 'mismatched'))::INT AS "mismatchedKept"
     FROM read_parquet($shards, hive_partitioning = false) r JOIN read_parquet($truth, hive_partitioning = false) t USING (key)`,
    { shards: `${exactly(runFolder)}/shards/*.parquet`, truth: exactly(truthPath) },
  );
  const [figures] = result.getRowObjectsJS();
  const boxes = hasRegions ? await compareBoxes(connection, runFolder, truthPath) : noBoxes;
  connection.closeSync();
  instance.closeSync();
  return { ...figures, ...boxes } as unknown as TruthFigures;
}

const noBoxes = { regionsOnPictures: 0, picturesFound: 0 };

/** How the regions of canvases lie on their pictures. */
async function compareBoxes(connection: DuckDBConnection, runFolder: string, truthPath: string) {
  await connection.run(`
    CREATE MACRO span(low1, high1, low2, high2) AS greatest(0, least(high1, high2) - greatest(low1, low2));
    CREATE MACRO area(b) AS (b[3] - b[1]) * (b[4] - b[2]);
    CREATE MACRO shared(a, b) AS span(a[1], a[3], b[1], b[3]) * span(a[2], a[4], b[2], b[4]);
    CREATE MACRO iou(a, b) AS shared(a, b) / (area(a) + area(b) - shared(a, b));`);
  const result = await connection.runAndReadAll(
    `WITH canvases AS (
       SELECT t.boxes AS pictures, r.regions FROM read_parquet($shards, hive_partitioning = false) r JOIN read_parquet($truth, hive_partitioning = false) t USING (key)
       WHERE t.kind = 'canvas'),
     regions AS (SELECT unnest(regions) AS region, pictures FROM canvases),
     pictures AS (SELECT unnest(pictures) AS picture, regions FROM canvases)
     SELECT
       (SELECT coalesce(avg((coalesce(list_max(list_transform(pictures, lambda p: iou(p.box, region.box))), 0) >= 0.5)::INT), 0)::DOUBLE
        FROM regions) AS "regionsOnPictures",
       (SELECT coalesce(avg((coalesce(list_max(list_transform(regions, lambda r: iou(r.box, picture.box))), 0) >= 0.5)::INT), 0)::DOUBLE
        FROM pictures) AS "picturesFound"`,
    { shards: `${exactly(runFolder)}/shards/*.parquet`, truth: exactly(truthPath) },
  );
  return result.getRowObjectsJS()[0] as unknown as typeof noBoxes;
}
