/** Rows of one matrix: [B, d]. */
export interface Rows {
  readonly values: Float32Array;
  readonly dimension: number;
}

/**
 * Matrices whose picked rows are kept at their ends, by swaps in place: what is still open is one run of rows in
 * front, and what a chunk picked is one run after it, so products need no gathering and skip what is picked.
 */
export interface RowOrder {
  /** Rows that are open: places 0 to open - 1. */
  open(): number;
  /** The row that is at each place now, [B]. */
  readonly rows: Uint32Array;
  /** Moves rows behind the open ones: they are then at places open() to open() + rows.length - 1. */
  pick(rows: ArrayLike<number>): void;
  /** Puts every row back to where it was. */
  restore(): void;
}

/** Starts an order over matrices of `count` rows each; one that is given twice is moved once. */
export function createRowOrder(count: number, matrices: readonly Rows[]): RowOrder {
  const distinct = matrices.filter(
    ({ values: { buffer, byteOffset } }, i) =>
      matrices.findIndex(({ values }) => values.buffer === buffer && values.byteOffset === byteOffset) === i,
  );
  const rows = Uint32Array.from({ length: count }, (_, i) => i);
  const places = Uint32Array.from(rows);
  const swaps: [number, number][] = [];
  let open = count;

  const swap = (a: number, b: number) => {
    if (a === b) return;
    for (const { values, dimension: d } of distinct) {
      const [from, to] = [a * d, b * d];
      for (let k = 0; k < d; k += 1) {
        const held = values[from + k] as number;
        values[from + k] = values[to + k] as number;
        values[to + k] = held;
      }
    }
    const [first, second] = [rows[a] as number, rows[b] as number];
    rows[a] = second;
    rows[b] = first;
    places[second] = a;
    places[first] = b;
  };

  return {
    open: () => open,
    rows,
    pick(picked) {
      for (let i = 0; i < picked.length; i += 1) {
        const place = places[picked[i] as number] as number;
        open -= 1;
        swap(place, open);
        swaps.push([place, open]);
      }
    },
    restore() {
      for (const [a, b] of swaps.splice(0).reverse()) swap(a, b);
      open = count;
    },
  };
}
