import type { DropBoilerplateOptions } from '../../../stages/drop-boilerplate.ts';
import { type Database, type RowFiles, relationOf } from '../duplicates/database.ts';

/** What is looked for, and where the texts are counted. */
export interface BoilerplateSearch
  extends Pick<DropBoilerplateOptions, 'images' | 'share' | 'hostShare' | 'words'> {
  /** Counted texts of the rows (parquet: id, place, hash, words, host). */
  readonly texts: RowFiles;
  /** Whether rows that have no other text are dropped, and so no part of groups. */
  readonly dropsRows: boolean;
}

/**
 * Finds the texts that caption too many distinct images to describe them. Images are distinct when no group of
 * duplicates (the tables `ranked` and `members`; `facts` says where rows are) has both, so that a picture that is posted
 * again and again with its caption makes no boilerplate of it. A text is boilerplate of the data set when it captions at least `images` images
 * and more than `share` of those of its languages (their mean, weighted by where the text stands); of a host, when
 * both hold there with `hostShare`. A text of few words may caption more: short texts name things, which repeat
 * honestly, and long ones hardly ever do.
 *
 * Makes the table `boilerplate` (shard, row_group, row, id, place, images, threshold, host) and the view `textless`
 * (id) of the rows that are dropped for having no other text. Counts are integers: the order of the rows changes
 * nothing. DuckDB spills what memory doesn't hold.
 */
export async function findBoilerplate(database: Database, search: BoilerplateSearch | null): Promise<void> {
  if (search === null) {
    await database.run(`
      CREATE TABLE boilerplate (shard VARCHAR, row_group INT, "row" INT, id BIGINT, place INT,
        images BIGINT, threshold BIGINT, host VARCHAR)`);
    await database.run('CREATE VIEW textless AS SELECT id FROM boilerplate');
    return;
  }
  const { images, share, hostShare, words } = search;
  await database.run(`CREATE VIEW texts AS SELECT * FROM ${relationOf(search.texts)}`);
  await database.run(`
    CREATE TABLE shown AS SELECT r.id, r.language, coalesce(m.root, r.rep_id) AS image
    FROM ranked r LEFT JOIN members m ON m.id = r.rep_id`);
  // Texts of too few images are most of them: what follows looks at the others alone.
  await database.run(`
    CREATE TABLE common AS SELECT hash, max(words) AS words, count(*) AS images
    FROM (SELECT DISTINCT hash, words, image FROM texts JOIN shown USING (id) WHERE words > 0)
    GROUP BY hash HAVING count(*) >= ${images}`);
  const patience = `greatest(1, ${words} / greatest(1, words))`;
  const threshold = (part: number, of: string) =>
    `ceil(greatest(${images}, ${part} * ${of}) * ${patience})::BIGINT`;
  await database.run(`
    CREATE TABLE everywhere AS
    WITH totals AS (
      SELECT language, count(*) AS total FROM (SELECT DISTINCT language, image FROM shown) GROUP BY 1),
    shares AS (
      SELECT hash, language, count(*) AS part
      FROM (SELECT DISTINCT t.hash, s.language, s.image
            FROM texts t JOIN shown s USING (id) JOIN common USING (hash)) GROUP BY 1, 2),
    languages AS (
      SELECT hash, sum(part * total) / sum(part) AS total FROM shares JOIN totals USING (language) GROUP BY 1)
    SELECT hash, images, ${threshold(share, 'total')} AS threshold FROM common JOIN languages USING (hash)
    WHERE images >= ${threshold(share, 'total')}`);
  await database.run(`
    CREATE TABLE of_hosts AS
    WITH totals AS (
      SELECT host, count(*) AS total FROM (
        SELECT DISTINCT t.host, s.image FROM texts t JOIN shown s USING (id) WHERE t.host IS NOT NULL)
      GROUP BY 1 HAVING count(*) >= ${images}),
    counts AS (
      SELECT hash, host, max(words) AS words, count(*) AS images
      FROM (SELECT DISTINCT t.hash, t.host, t.words, s.image
            FROM texts t JOIN shown s USING (id) JOIN common USING (hash))
      GROUP BY 1, 2 HAVING count(*) >= ${images})
    SELECT hash, host, images, ${threshold(hostShare, 'total')} AS threshold
    FROM counts JOIN totals USING (host) WHERE images >= ${threshold(hostShare, 'total')}`);
  await database.run(`
    CREATE TABLE boilerplate AS
    SELECT r.shard, r.row_group, r."row", r.id, t.place,
      coalesce(e.images, h.images) AS images, coalesce(e.threshold, h.threshold) AS threshold,
      CASE WHEN e.hash IS NULL THEN h.host END AS host
    FROM texts t JOIN facts r USING (id)
    LEFT JOIN everywhere e ON e.hash = t.hash
    LEFT JOIN of_hosts h ON h.hash = t.hash AND h.host = t.host
    WHERE t.words > 0 AND (e.hash IS NOT NULL OR h.hash IS NOT NULL)`);
  await database.run(`
    CREATE TABLE textless_rows AS
    SELECT id FROM (SELECT id, count(*) AS lost FROM boilerplate GROUP BY 1)
    JOIN (SELECT id, count(*) AS had FROM texts GROUP BY 1) USING (id) WHERE lost = had`);
  await database.run(
    `CREATE VIEW textless AS SELECT id FROM textless_rows WHERE ${search.dropsRows ? 'true' : 'false'}`,
  );
  for (const table of ['shown', 'common', 'everywhere', 'of_hosts']) {
    await database.run(`DROP TABLE ${table}`);
  }
}
