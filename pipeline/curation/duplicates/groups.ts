import { createUnionFind } from '../../../models/duplicates/union-find.ts';
import type { Database } from './database.ts';

/**
 * Groups rows that pairs connect, directly or through others: makes the table `members` (id, root) of the table `pairs`
 * (probe, base), where `root` is the smallest id of the group; a row without a pair isn't in it. Pairs are read in a
 * stream. Memory is 4 bytes for each row that has a pair, and nothing for the others: two billion rows at the most.
 */
export async function groupPairs(database: Database, pairs: string): Promise<void> {
  await database.run(`
    CREATE OR REPLACE TABLE nodes AS SELECT id, (row_number() OVER (ORDER BY id) - 1)::INT AS node
    FROM (SELECT probe AS id FROM ${pairs} UNION SELECT base FROM ${pairs})`);
  const [{ count = 0 } = {}] = await database.rows('SELECT count(*) AS count FROM nodes');
  const groups = createUnionFind(Number(count));
  const edges = database.stream(
    `SELECT a.node, b.node FROM ${pairs} p JOIN nodes a ON a.id = p.probe JOIN nodes b ON b.id = p.base`,
  );
  for await (const [from = [], to = []] of edges) {
    for (let i = 0; i < from.length; i += 1) groups.union(Number(from[i]), Number(to[i]));
  }
  await database.run('CREATE OR REPLACE TABLE roots (node INT, root INT)');
  await database.append('roots', async (appender) => {
    for (let node = 0; node < Number(count); node += 1) {
      appender.appendInteger(node);
      appender.appendInteger(groups.find(node));
      appender.endRow();
    }
  });
  await database.run(`
    CREATE OR REPLACE TABLE members AS SELECT n.id, r.id AS root
    FROM nodes n JOIN roots USING (node) JOIN nodes r ON r.node = roots.root`);
  await database.run('DROP TABLE nodes');
  await database.run('DROP TABLE roots');
}
