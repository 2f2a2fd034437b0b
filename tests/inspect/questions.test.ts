import { beforeAll, describe, expect, it } from 'vitest';
import { answerOf, jsonOf } from '../../pipeline/inspect/answers.ts';
import { openRun } from '../../pipeline/inspect/open-run.ts';
import { questions } from '../../pipeline/inspect/questions/index.ts';
import { questionsOf } from '../../pipeline/inspect/statements.ts';
import { viewNames, views } from '../../pipeline/inspect/views.ts';
import { type MadeRun, makeRun } from './made-run.ts';

let made: MadeRun;

beforeAll(async () => {
  made = await makeRun();
});

type Row = Record<string, unknown>;

async function ask(sql: string, folder = made.folder): Promise<Row[]> {
  const run = await openRun(folder);
  try {
    const { columns, pieces } = await answerOf(run.connection, sql);
    const rows: Row[] = [];
    for await (const piece of pieces) {
      for (const row of piece) {
        rows.push(
          Object.fromEntries(columns.map(({ name, type }, i) => [name, jsonOf(row[i] ?? null, type)])),
        );
      }
    }
    return rows;
  } finally {
    await run.close();
  }
}

const question = (name: string) => ask(questions[name]?.sql ?? '');
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const round = (value: number, digits: number) => Number(value.toFixed(digits));

/** Groups of duplicates, from the made values: who repeats whom. */
function groupsOf() {
  const groups = new Map<string, { exact: string[]; near: string[] }>();
  const add = (group: string, kind: 'exact' | 'near', key: string) => {
    const members = groups.get(group) ?? { exact: [], near: [] };
    members[kind].push(key);
    groups.set(group, members);
  };
  const keys = made.rows.map(({ key }) => key);
  made.dropped.forEach(({ key, reason }, i) => {
    if (reason === 'exact-duplicate') add(keys[i % 10] as string, 'exact', key);
    if (reason === 'near-duplicate') add(keys[i % 10] as string, 'near', key);
  });
  made.rows.forEach(({ key, labels }, i) => {
    if (labels.length > 0) add(keys[i - 1] as string, 'near', key);
  });
  return groups;
}

describe('the views', () => {
  it('have the documented columns, whatever the run lacks', async () => {
    const spaceless = (type: unknown) => String(type).replaceAll('"', '').replaceAll(' ', '');
    for (const folder of [made.folder, `${made.folder}/curated`, `${made.folder}/distilled`]) {
      const run = await openRun(folder);
      for (const name of viewNames) {
        const described = await run.query(`DESCRIBE ${name}`);
        const documented = Object.entries(views[name].columns) as [string, { type: string }][];
        expect(described.map((row) => [row.column_name, spaceless(row.column_type)])).toEqual(
          documented.map(([column, { type }]) => [column, spaceless(type)]),
        );
      }
      await run.close();
    }
  });

  it('give every row of the files, with hostile keys as they are', async () => {
    const rows = await ask('SELECT key, file, file_row FROM rows');
    expect(rows.map(({ key }) => key)).toEqual(made.rows.map(({ key }) => key));
    expect(rows.map(({ file, file_row }) => `${file} ${file_row}`)).toEqual(
      (await ask('SELECT file, file_row FROM lineage')).map((row) => `${row.file} ${row.file_row}`),
    );
    const labelled = made.rows.filter(({ labels }) => labels.length > 0).length;
    const [counted] =
      await ask(`SELECT (SELECT count(*) FROM dropped) d, (SELECT count(*) FROM quarantined) q,
      (SELECT count(*) FROM verdicts) v, (SELECT count(*) FROM metrics) m`);
    const [d, q] = [made.dropped.length, made.quarantined.length];
    expect(counted).toEqual({ d, q, v: d + q + labelled, m: 2 });
  });

  it('tell groups of duplicates by a column, and by words where a run has words alone', async () => {
    const found = await ask("SELECT group_key, key, kind FROM duplicates WHERE kind <> 'kept'");
    const expected = [...groupsOf()].flatMap(([group, { exact, near }]) => [
      ...exact.map((key) => `${group} | ${key} | exact`),
      ...near.map((key) => `${group} | ${key} | near`),
    ]);
    expect(found.map((row) => `${row.group_key} | ${row.key} | ${row.kind}`).sort()).toEqual(expected.sort());
  });
});

describe('the ready questions', () => {
  it('are questions, each with a description, that a run without anything answers too', async () => {
    const run = await openRun(`${made.folder}/curated`);
    try {
      for (const { sql, description } of Object.values(questions)) {
        expect(await questionsOf(run.connection, sql)).toHaveLength(1);
        expect(description.length).toBeGreaterThan(20);
        await (await run.connection.runAndReadAll(sql)).readAll();
      }
    } finally {
      await run.close();
    }
    expect(Object.keys(questions)).toEqual(
      'funnel mix languages drops duplicates regions learnability selections outliers'.split(' '),
    );
  });

  it('funnel: rows in and out from the report, what left from the files', async () => {
    const rows = await question('funnel');
    const aspect = made.dropped.filter(({ stage }) => stage === 'check-images').length;
    const labelled = made.rows.filter(({ labels }) => labels.length > 0).length;
    expect(rows[0]).toMatchObject({ stage: 'check-images', dropped: aspect, quarantined: 3, labelled: 0 });
    expect(rows[1]).toMatchObject({ stage: 'deduplicate', dropped: made.dropped.length - aspect, labelled });
    for (const row of rows) {
      expect(Number(row.rows_in) - Number(row.dropped) - Number(row.quarantined)).toBe(row.rows_out);
    }
  });

  it('mix: shares of English and the rest', async () => {
    const english = made.rows.filter(({ language }) => language === 'en').length;
    const [first, second] = await question('mix');
    expect(first).toMatchObject({ part: 'English', languages: 1, kept: english, percent_offered: 90 });
    expect(second).toMatchObject({ kept: made.rows.length - english, percent_selected: 25 });
    expect(first?.percent_kept).toBe(round((100 * english) / made.rows.length, 2));
  });

  it('languages: means over the kept rows', async () => {
    const rows = await question('languages');
    expect(rows).toHaveLength(3);
    for (const row of rows) {
      const own = made.rows.filter(({ language }) => language === row.language);
      expect(row.kept).toBe(own.length);
      expect(row.mean_text_score).toBeCloseTo(mean(own.map(({ textScore }) => textScore)), 2);
      expect(row.regions_per_row).toBeCloseTo(mean(own.map(({ regions }) => regions.length)), 1);
    }
  });

  it('drops: rows by outcome, stage and reason, with an example that is one', async () => {
    const rows = await question('drops');
    const near = rows.find((row) => row.outcome === 'dropped' && row.reason === 'near-duplicate');
    const made_ = made.dropped.filter(({ reason }) => reason === 'near-duplicate');
    expect(near?.rows).toBe(made_.length);
    const example = made_.find(({ key }) => key === near?.example_key);
    expect([near?.such_as, near?.held_against]).toEqual([example?.value, example?.threshold]);
    expect(rows.reduce((sum, row) => sum + Number(row.rows), 0)).toBe(
      made.dropped.length + 3 + made.rows.filter(({ labels }) => labels.length > 0).length,
    );
  });

  it('duplicates: the largest groups, the kept row among them', async () => {
    const groups = groupsOf();
    const rows = await question('duplicates');
    expect(rows.length).toBe(Math.min(20, groups.size));
    for (const row of rows) {
      const group = groups.get(String(row.group_key));
      expect([row.exact, row.near]).toEqual([group?.exact.length, group?.near.length]);
      expect(row.rows).toBe(1 + (group?.exact.length ?? 0) + (group?.near.length ?? 0));
      expect(row.text).toBe(made.rows.find(({ key }) => key === row.group_key)?.text);
    }
    const sizes = [...groups.values()].map(({ exact, near }) => 1 + exact.length + near.length);
    expect(rows[0]?.rows).toBe(Math.max(...sizes));
  });

  it('regions: n-grams by the images that they are on', async () => {
    const rows = await question('regions');
    for (const row of rows) {
      const own = made.rows.filter(({ language }) => language === row.language);
      const found = own.flatMap(({ key, regions }) => regions.map((region) => ({ key, ...region })));
      const named = found.filter(({ text }) => text === row.text);
      expect(row.regions).toBe(named.length);
      expect(row.images).toBe(new Set(named.map(({ key }) => key)).size);
      expect(row.mean_score).toBeCloseTo(mean(named.map(({ score }) => score)), 2);
      const areas = named.map(({ box: [a = 0, b = 0, c = 0, d = 0] }) => 100 * (c - a) * (d - b));
      expect(row.mean_percent_of_image).toBeCloseTo(mean(areas), 0);
    }
    expect(rows.reduce((sum, row) => sum + Number(row.regions), 0)).toBe(
      made.rows.reduce((sum, { regions }) => sum + regions.length, 0),
    );
  });

  it('learnability: scores of what was offered and selected, by tenth of the steps', async () => {
    const rows = await question('learnability');
    expect(rows).toHaveLength(10);
    rows.forEach((row, tenth) => {
      const offered = made.offers.filter(({ step }) => Math.floor(step / 2) === tenth);
      const selected = offered.filter(({ position }) => position !== null);
      expect([row.pairs_offered, row.pairs_selected]).toEqual([offered.length, selected.length]);
      const score = (of: typeof offered) => mean(of.map(({ learner, teacher }) => learner - teacher));
      expect(row.mean_score_offered).toBeCloseTo(score(offered), 2);
      expect(row.mean_score_selected).toBeCloseTo(score(selected), 2);
      expect(row.mean_teacher_loss).toBeCloseTo(mean(selected.map(({ teacher }) => teacher)), 2);
    });
  });

  it('selections: the rows selected most', async () => {
    const rows = await question('selections');
    const times = (key: unknown, of: typeof made.offers) => of.filter((offer) => offer.key === key).length;
    const selected = made.offers.filter(({ position }) => position !== null);
    for (const row of rows) {
      expect([row.selected, row.offered]).toEqual([times(row.key, selected), times(row.key, made.offers)]);
    }
    const most = Math.max(...made.rows.map(({ key }) => times(key, selected)));
    expect(rows[0]?.selected).toBe(most);
  });

  it('outliers: only rows far from the middle, and the furthest of them', async () => {
    const long = await makeRun({ seed: 5, name: "it's [a] run?*" });
    expect(await ask(questions.outliers?.sql ?? '', long.folder)).toEqual([]);
    const run = await openRun(long.folder);
    try {
      // One row of the last text is far longer than all others.
      const sql = (questions.outliers?.sql ?? '').replace(
        /FROM rows\),/,
        `FROM (SELECT * REPLACE (CASE WHEN key = 'k7' THEN repeat('x', 500) ELSE text END AS text) FROM rows)),`,
      );
      const found = await run.query(sql);
      expect(found[0]).toMatchObject({ measure: 'text_length', value: 500, key: 'k7' });
    } finally {
      await run.close();
    }
  });
});
