import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { openDatabase } from '../../pipeline/curation/duplicates/database.ts';
import { inlineEngine } from '../../pipeline/engines/inline.ts';
import { localEngine } from '../../pipeline/engines/local.ts';
import { retryIncrements, runIncrement } from '../../pipeline/schedule/run-increment.ts';
import { parquetOf } from '../../pipeline/sql-text.ts';
import type { CurationReport } from '../../schemas/reports.ts';
import { faultyProgram, sourceRows } from '../engines/conformance.ts';
import type { Fault } from '../engines/faulty-worker.ts';
import { quietRun } from '../engines/pool.ts';
import { type SourceRow, temporaryFolder, writeSource } from '../support.ts';
import { accounts, added } from './data-sets.ts';

const program = new URL('../../pipeline/cli/assay.js', import.meta.url).pathname;

let folder: string;
let rows: SourceRow[];

const recipe = (name: string, more = 'mix: {enabled: false}\nboilerplate: {enabled: false}') => `seed: 3
input: {shards: ${JSON.stringify(join(folder, name))}, batchRows: 8}
images: {minDeviation: 0, minEntropy: 0}
deduplicate: {near: false}
output: {shardRows: 20}
${more}
`;
const set = (name: string) => join(folder, `${name}-set`);
const grow = (name: string, more?: string, engine = inlineEngine()) =>
  runIncrement(parseConfig(recipe(name, more), 'test.yaml'), set(name), { ...quietRun(), engine });
const retry = (name: string, more?: string) =>
  retryIncrements(parseConfig(recipe(name, more), 'test.yaml'), set(name), quietRun());

async function asked(sql: string): Promise<Record<string, unknown>[]> {
  const database = await openDatabase(folder);
  try {
    return await database.rows(sql);
  } finally {
    database.close();
  }
}
const relation = (name: string, part: string) => parquetOf(join(set(name), part, '*.parquet'));

/** Rows of one data set's shards, whatever their order, that another one lacks. */
async function missing(of: string, from: string): Promise<number> {
  const rowsOf = (name: string) => `SELECT * FROM ${relation(name, 'shards')}`;
  return (await asked(`${rowsOf(of)} EXCEPT ALL ${rowsOf(from)}`)).length;
}

const reportOf = async (name: string): Promise<CurationReport> =>
  JSON.parse(await readFile(join(set(name), 'report.json'), 'utf8'));
const shardsOf = async (name: string) => {
  const found: Record<string, string> = {};
  for (const file of await readdir(join(set(name), 'shards'))) {
    found[file] = (await readFile(join(set(name), 'shards', file))).toString('base64');
  }
  return found;
};

/** A page in the middle of a shard that is overwritten: its footer and its size are what they were. */
async function breakPage(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  const broken = Buffer.from(bytes);
  broken.fill(0x5a, Math.round(bytes.length * 0.55), Math.round(bytes.length * 0.65));
  await writeFile(path, broken);
  return bytes;
}

/** A port that nothing listens at. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a port is expected');
  return address.port;
}

async function writeInput(name: string): Promise<void> {
  const input = join(folder, name);
  await mkdir(input);
  await writeSource(join(input, 'a.parquet'), rows.slice(0, 40), 6_000);
  await writeSource(join(input, 'b.parquet'), rows.slice(40, 60));
}

beforeAll(async () => {
  folder = await temporaryFolder();
  rows = await sourceRows(80);
  // One that is there twice: a copy of a row that one increment writes.
  rows.push({ ...(rows[3] as SourceRow), key: 'copy' });
});

describe('a retry of a data set', () => {
  it('reads what could not be read and nothing else, and comes to the rows of one that nothing happened to', async () => {
    for (const name of ['sound', 'damaged']) await writeInput(name);
    const [a, b] = [join(folder, 'damaged', 'a.parquet'), join(folder, 'damaged', 'b.parquet')];
    const whole = await breakPage(a);
    const second = await readFile(b);
    await writeFile(b, second.subarray(0, 300));
    const first = added(await grow('damaged'));
    expect(first.report.quarantined).toBeGreaterThan(0);
    expect(first.report.quarantined).toBeLessThan(40);
    expect(first.report.quarantinedShards).toBe(1);
    await grow('sound');
    // It grows meanwhile.
    for (const name of ['sound', 'damaged']) {
      await writeSource(join(folder, name, 'c.parquet'), rows.slice(60));
      await grow(name);
    }
    const before = await shardsOf('damaged');
    await writeFile(a, whole);
    await writeFile(b, second);
    const { added: again, number } = added(await retry('damaged'));
    expect(number).toBe(3);
    expect(again.read).toBe(first.report.quarantined + 20);
    expect(accounts(await reportOf('damaged'))).toEqual(accounts(await reportOf('sound')));
    expect(await asked(`SELECT * FROM ${relation('damaged', 'quarantine')}`)).toEqual([]);
    expect(await missing('sound', 'damaged')).toBe(0);
    expect(await missing('damaged', 'sound')).toBe(0);
    expect(await shardsOf('damaged')).toMatchObject(before);
    const manifest = JSON.parse(await readFile(join(set('damaged'), 'manifest.json'), 'utf8'));
    for (const { path, bytes } of manifest.output) {
      expect((await stat(join(set('damaged'), path))).size).toBe(bytes);
    }
    expect(await retry('damaged')).toEqual({ kind: 'skipped', why: 'there is nothing to try again' });
    expect(await grow('damaged')).toEqual({ kind: 'skipped', why: 'nothing is new' });
  });

  it('brings back rows that ended every process, in both passes, and holds the mix over the whole', async () => {
    for (const name of ['crashing', 'unharmed']) await writeInput(name);
    const at = join(folder, 'faults');
    await mkdir(at);
    const faults: Fault[] = [
      { how: 'kill', phase: 'admit', rowGroup: 1, times: 100 },
      { how: 'kill', phase: 'finish', batch: { position: 0, unit: 1 }, times: 100 },
    ];
    await writeFile(join(at, 'faults.json'), JSON.stringify(faults));
    process.env.ASSAY_TEST_FAULTS = at;
    const mix = 'mix: {english: 1}\nboilerplate: {mode: label}';
    const first = added(await grow('crashing', mix, localEngine({ workers: 1, program: faultyProgram })));
    delete process.env.ASSAY_TEST_FAULTS;
    const lost = first.report.reasons.quarantined.map(({ stage }) => stage).sort();
    expect(lost).toEqual(['label-and-write', 'read-shards']);
    const { report, added: again } = added(await retry('crashing', mix));
    // Of a row group that was read in part the rows alone that were lost.
    expect(again.read).toBe(first.report.quarantined);
    expect(report).toMatchObject({ read: 60, kept: 60, quarantined: 0, balanced: true });
    expect(report.mix.realised.english).toBe(1);
    await grow('unharmed', mix);
    expect(accounts(report)).toEqual(accounts(await reportOf('unharmed')));
    // Nor does a later increment count any row twice.
    for (const part of ['facts', 'texts']) {
      const facts = parquetOf(join(set('crashing'), 'facts', '*', `${part}.parquet`));
      const [kept] = await asked(
        `SELECT count(DISTINCT id)::INT AS ids, count(*)::INT AS rows FROM ${facts}`,
      );
      expect([part, kept]).toEqual([part, { ids: 60, rows: 60 }]);
    }
    const [counted] = await asked(
      `SELECT count(*)::INT AS rows, count(DISTINCT sha256)::INT AS hashes FROM ${relation('crashing', 'shards')}`,
    );
    expect(counted).toEqual({ rows: 60, hashes: 60 });
  });

  it('is cut short and gone on with by the command, and leaves in quarantine what is broken still', async () => {
    await writeInput('again');
    const shard = join(folder, 'again', 'a.parquet');
    const whole = await breakPage(shard);
    const lost = added(await grow('again')).report.quarantined;
    const still = added(await retry('again')).report;
    expect(still).toMatchObject({ read: 60, quarantined: lost, balanced: true });
    await writeFile(shard, whole);
    const stop = new AbortController();
    const cut = retryIncrements(parseConfig(recipe('again'), 'test.yaml'), set('again'), {
      ...quietRun(),
      signal: stop.signal,
      engine: {
        name: 'cut',
        async run(run, options) {
          await inlineEngine().run(run, { ...options, phase: 'admit' });
          stop.abort(new Error('cut short'));
          stop.signal.throwIfAborted();
        },
      },
    });
    await expect(cut).rejects.toThrow('cut short');
    const port = await freePort();
    const flags = ['--workers', '1', '--metrics-port', String(port), '--json'];
    const child = spawn(process.execPath, [program, 'retry', set('again'), ...flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += String(chunk);
    });
    const closed = once(child, 'close');
    let figures = '';
    while (child.exitCode === null && !figures.includes('assay_tasks{')) {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => null);
      figures = (await answer?.text().catch(() => '')) ?? '';
      await delay(10);
    }
    expect((await closed)[0]).toBe(0);
    expect(figures).toContain(`assay_tasks{run="${join(set('again'), 'increments')}`);
    expect(JSON.parse(said)).toMatchObject({ read: 60, kept: 60, quarantined: 0, balanced: true });
  });
});

describe('a shard that a data set could not read', () => {
  it('is one entry of the quarantine, however often it is tried', async () => {
    await writeInput('other-columns');
    const columnData = [{ name: 'picture', data: ['none', 'none'] }];
    const bytes = new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 1 }));
    await writeFile(join(folder, 'other-columns', 'c.parquet'), bytes);
    const first = added(await grow('other-columns')).report;
    expect(first).toMatchObject({ read: 60, kept: 60, quarantinedShards: 1 });
    const again = added(await retry('other-columns'));
    expect(again.added).toMatchObject({ read: 0, quarantinedShards: 1 });
    expect(accounts(again.report)).toEqual(accounts(first));
  });

  it('leaves the quarantine when it is another file, also by a run of the schedule', async () => {
    await writeInput('replaced');
    const shard = join(folder, 'replaced', 'b.parquet');
    const whole = await readFile(shard);
    await writeFile(shard, '');
    expect(added(await grow('replaced')).report.quarantinedShards).toBe(1);
    await writeFile(shard, whole);
    const { report } = added(await grow('replaced'));
    expect(report).toMatchObject({
      read: 60,
      kept: 60,
      quarantined: 0,
      quarantinedShards: 0,
      balanced: true,
    });
    expect(await asked(`SELECT * FROM ${relation('replaced', 'quarantine')}`)).toEqual([]);
  });
});
