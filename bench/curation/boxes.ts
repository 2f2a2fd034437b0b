import { DuckDBInstance } from '@duckdb/node-api';
import { intersectionOverUnion } from '../../stages/regions/boxes.ts';
import type { Box } from '../../stages/regions/detector.ts';

/** How the regions of canvases lie on their pictures, at an intersection over union of 0.5. */
export interface BoxFigures {
  readonly canvases: number;
  readonly pictures: number;
  readonly regions: number;
  /** The share of regions that are paired with a picture; each picture has one region at the most. */
  readonly precision: number;
  /** The share of pictures that are paired with a region. */
  readonly recall: number;
  /** The recall on canvases whose alt-texts are theirs: no query names what is on the others. */
  readonly recallNamed: number;
  /** Of paired regions on canvases whose alt-texts are theirs, the share whose text is in the picture's name or holds it. */
  readonly labelsRight: number;
}

/** A box and what it is called. */
export interface NamedBox {
  readonly box: Box;
  readonly text: string;
}

/** Pairs regions with pictures, the best overlap first, each in one pair at the most: [region, picture]. */
export function pairBoxes(regions: readonly NamedBox[], pictures: readonly NamedBox[], least = 0.5) {
  const pairs = regions
    .flatMap((region, r) =>
      pictures.map((picture, p) => ({ r, p, overlap: intersectionOverUnion(region.box, picture.box) })),
    )
    .filter(({ overlap }) => overlap >= least)
    .sort((a, b) => b.overlap - a.overlap || a.r - b.r || a.p - b.p);
  const [regionsTaken, picturesTaken] = [new Set<number>(), new Set<number>()];
  const kept: [region: number, picture: number][] = [];
  for (const { r, p } of pairs) {
    if (regionsTaken.has(r) || picturesTaken.has(p)) continue;
    regionsTaken.add(r);
    picturesTaken.add(p);
    kept.push([r, p]);
  }
  return kept;
}

/** Compares the regions of a curation run's canvases with the planted truth. Throws when the run labelled none. */
export async function benchBoxes(runFolder: string, truthPath: string): Promise<BoxFigures> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const rows = (
    await connection.runAndReadAll(
      `SELECT r.regions, t.boxes, list_contains(t.defects, 'mismatched') AS mismatched
       FROM read_parquet($shards) r JOIN read_parquet($truth) t USING (key) WHERE t.kind = 'canvas'`,
      { shards: `${runFolder}/shards/*.parquet`, truth: truthPath },
    )
  ).getRowObjectsJS();
  connection.closeSync();
  instance.closeSync();
  const sums = { regions: 0, pictures: 0, paired: 0, named: 0, pairedNamed: 0, right: 0 };
  for (const row of rows) {
    const [regions, pictures] = [boxesOf(row.regions), boxesOf(row.boxes)];
    const pairs = pairBoxes(regions, pictures);
    sums.regions += regions.length;
    sums.pictures += pictures.length;
    sums.paired += pairs.length;
    if (row.mismatched === true) continue;
    sums.named += pictures.length;
    sums.pairedNamed += pairs.length;
    sums.right += pairs.filter(([r, p]) => isCalled(regions[r]?.text ?? '', pictures[p]?.text ?? '')).length;
  }
  const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  return {
    canvases: rows.length,
    pictures: sums.pictures,
    regions: sums.regions,
    precision: share(sums.paired, sums.regions),
    recall: share(sums.paired, sums.pictures),
    recallNamed: share(sums.pairedNamed, sums.named),
    labelsRight: share(sums.right, sums.pairedNamed),
  };
}

function isCalled(text: string, name: string): boolean {
  const lower = name.toLowerCase();
  return text !== '' && (lower.includes(text) || text.includes(lower));
}

/** DuckDB's lists as they come to JavaScript: the newer client wraps lists and structs. */
function boxesOf(list: unknown): NamedBox[] {
  return ((list as { box: readonly number[]; text: string }[] | null) ?? []).map(({ box, text }) => ({
    box: [box[0] ?? 0, box[1] ?? 0, box[2] ?? 0, box[3] ?? 0],
    text,
  }));
}
