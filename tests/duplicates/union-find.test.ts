import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createUnionFind } from '../../models/duplicates/union-find.ts';

const nodes = 12;
const node = fc.integer({ min: 0, max: nodes - 1 });
const pairs = fc.array(fc.tuple(node, node), { maxLength: 20 });

/** Groups by spreading the smallest name until nothing changes. */
function spread(links: readonly (readonly [number, number])[]): number[] {
  const names = Array.from({ length: nodes }, (_, i) => i);
  for (let changed = true; changed; ) {
    changed = false;
    for (const [a, b] of links) {
      const least = Math.min(names[a] ?? 0, names[b] ?? 0);
      if (names[a] !== least || names[b] !== least) changed = true;
      names[a] = least;
      names[b] = least;
    }
  }
  return names;
}

function groups(links: readonly (readonly [number, number])[]): number[] {
  const found = createUnionFind(nodes);
  for (const [a, b] of links) found.union(a, b);
  return Array.from({ length: nodes }, (_, i) => found.find(i));
}

describe('union-find', () => {
  it('finds the connected groups, named by their smallest node', () => {
    fc.assert(
      fc.property(pairs, (links) => {
        expect(groups(links)).toEqual(spread(links));
      }),
    );
  });

  it('gives the same groups for the pairs in any order, either way round', () => {
    fc.assert(
      fc.property(pairs, (links) => {
        const turned = links.map(([a, b]) => [b, a] as const).reverse();
        expect(groups(turned)).toEqual(groups(links));
      }),
    );
  });

  it('refuses a node that is not there', () => {
    expect(() => createUnionFind(3).find(3)).toThrow('node 3 is outside 0 to 2');
    expect(() => createUnionFind(3).union(0, -1)).toThrow(RangeError);
  });
});
