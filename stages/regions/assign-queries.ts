/**
 * For each query, the shortest queries that it holds: its atoms, the words that name something. N-grams of stop words
 * alone are no queries, so what every longer query is made of stands in the list by itself, in any script.
 */
export function atomsOf(queries: readonly string[]): ReadonlySet<number>[] {
  const byLength = queries
    .map((text, index) => ({ text, index }))
    .sort((a, b) => a.text.length - b.text.length);
  const atoms: typeof byLength = [];
  const found = queries.map(() => new Set<number>());
  for (const query of byLength) {
    for (const atom of atoms) if (holds(query.text, atom.text)) found[query.index]?.add(atom.index);
    if (found[query.index]?.size === 0) {
      atoms.push(query);
      found[query.index]?.add(query.index);
    }
  }
  return found;
}

const letters = /[\p{L}\p{M}\p{N}]/u;
const unspaced =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;

/** Whether a query holds another as whole words; scripts without spaces have no borders of words to see. */
function holds(query: string, part: string): boolean {
  const at = query.indexOf(part);
  if (at < 0) return false;
  if (unspaced.test(part)) return true;
  const [before, after] = [query[at - 1] ?? ' ', query[at + part.length] ?? ' '];
  return (!letters.test(before) && !letters.test(after)) || ` ${query} `.includes(` ${part} `);
}

/**
 * Gives each box one of the queries, the best pair first: an alt-text names each thing once, so a query that shares an
 * atom with one already given counts for `shared` less, in logits. One row of logits [queries] a box; answers
 * each box's query, by its index. Without queries there is nothing to give, and the answer is -1.
 */
export function assignQueries(
  rows: readonly Float32Array[],
  atoms: readonly ReadonlySet<number>[],
  shared: number,
): number[] {
  const given = rows.map(() => -1);
  const taken = new Set<number>();
  const isTaken = (query: number) => [...(atoms[query] ?? [])].some((atom) => taken.has(atom));
  for (let round = 0; round < rows.length; round += 1) {
    let best = { value: Number.NEGATIVE_INFINITY, box: -1, query: -1 };
    rows.forEach((row, box) => {
      if (given[box] !== -1) return;
      row.forEach((logit, query) => {
        if (logit <= best.value) return;
        const value = isTaken(query) ? logit - shared : logit;
        if (value > best.value) best = { value, box, query };
      });
    });
    if (best.box < 0) break;
    given[best.box] = best.query;
    for (const atom of atoms[best.query] ?? []) taken.add(atom);
  }
  return given;
}
