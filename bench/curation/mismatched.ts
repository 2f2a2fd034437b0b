import type { RunTables } from './run-tables.ts';

/**
 * The area under the curve of telling `positives` from `negatives` by a lower score: the share of pairs of one of each
 * in which the positive has the lower one, ties counting half (Mann-Whitney). NaN when either has none.
 */
export function areaUnderCurve(positives: readonly number[], negatives: readonly number[]): number {
  const all = [
    ...positives.map((score) => ({ score, isPositive: true })),
    ...negatives.map((score) => ({ score, isPositive: false })),
  ].sort((a, b) => a.score - b.score);
  let wins = 0;
  let negativesLeft = negatives.length;
  for (let i = 0; i < all.length; ) {
    let end = i;
    while (end < all.length && all[end]?.score === all[i]?.score) end += 1;
    const tied = all.slice(i, end);
    const own = tied.filter(({ isPositive }) => isPositive).length;
    negativesLeft -= tied.length - own;
    wins += own * (negativesLeft + (tied.length - own) / 2);
    i = end;
  }
  return wins / (positives.length * negatives.length);
}

/** How well the teacher's similarity of image and text tells mismatched alt-texts: their area under the curve. */
export async function mismatchedAuc(tables: RunTables): Promise<number> {
  const scored = await tables.rows(`
    SELECT list_contains(t.defects, 'mismatched') AS mismatched,
      list_dot_product(k.teacher_image::FLOAT[], k.teacher_text::FLOAT[])::DOUBLE AS similarity
    FROM kept k JOIN truth t USING (key)`);
  const of = (wanted: boolean) =>
    scored.filter(({ mismatched }) => mismatched === wanted).map(({ similarity }) => Number(similarity));
  return areaUnderCurve(of(true), of(false));
}
