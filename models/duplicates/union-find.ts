/** Groups of nodes 0 to n - 1, joined pair by pair. */
export interface UnionFind {
  /** Puts the groups of two nodes together. */
  union(a: number, b: number): void;
  /** The smallest node of a node's group, whatever the order of the unions. */
  find(node: number): number;
}

/** Groups of one node each. Holds 4 bytes a node. Throws a RangeError on a node outside 0 to n - 1. */
export function createUnionFind(nodes: number): UnionFind {
  const parents = Int32Array.from({ length: nodes }, (_, node) => node);
  const parentOf = (node: number): number => {
    const parent = parents[node];
    if (parent === undefined) throw new RangeError(`node ${node} is outside 0 to ${nodes - 1}`);
    return parent;
  };
  const find = (node: number): number => {
    let at = node;
    for (let parent = parentOf(at); parent !== at; parent = parentOf(at)) {
      // Path halving: every other node on the way points past its parent.
      parents[at] = parentOf(parent);
      at = parentOf(at);
    }
    return at;
  };
  return {
    union(a, b) {
      const [x, y] = [find(a), find(b)];
      // The smaller root leads, so that a group's name doesn't hang on the order of its pairs.
      parents[Math.max(x, y)] = Math.min(x, y);
    },
    find,
  };
}
