import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { CurationReport } from '../../schemas/reports.ts';
import type { FrozenRun } from '../curation/plan/plan-files.ts';
import { writeCurationPage } from '../report/curation-page.ts';
import { type FileFacts, fileFacts, writeJson } from '../run-folder.ts';
import { linkOrCopy, syncOne } from '../to-disk.ts';
import { type DataSet, dataSetLayout } from './data-set.ts';
import { takenBackName } from './keep-facts.ts';
import { mergeReports } from './merge-reports.ts';
import { quarantineFile, type TakenBack, takeBack } from './taken-back.ts';

interface Manifest {
  readonly input: readonly FileFacts[];
  readonly rows: object;
  readonly output: readonly FileFacts[];
  readonly [key: string]: unknown;
}

/** Folders of a run that hold a file a shard, and those that hold one file. */
const perShard = ['shards', 'lineage'] as const;
const perRun = ['quarantine', 'dropped'] as const;

const shardName = (place: number) => `${String(place).padStart(5, '0')}.parquet`;

/**
 * Adds the files of a finished run to a data set: its shards after those that are there, whose bytes stay, and its
 * ledger as files of its own; takes out of earlier ones' quarantine what it read again; then the manifest and the report
 * over the whole. What the increment is named by hangs on
 * the list alone, so that it may be done again. Resolves to the report.
 */
export async function appendFiles(
  folder: string,
  { increments }: DataSet,
  run: FrozenRun & { readonly number: number },
): Promise<{ readonly report: CurationReport; readonly added: CurationReport; readonly shards: number }> {
  const { factsOf } = dataSetLayout(folder);
  const first = increments.reduce((sum, { shards }) => sum + shards, 0);
  for (const part of [...perShard, ...perRun]) await mkdir(join(folder, part), { recursive: true });
  const names = (await readdir(join(run.folder, 'shards'))).sort();
  for (const part of perShard) {
    for (const [i, name] of names.entries()) {
      await place(join(run.folder, part, name), join(folder, part, shardName(first + i)));
    }
  }
  for (const part of perRun) {
    for (const name of await readdir(join(run.folder, part))) {
      await place(join(run.folder, part, name), join(folder, part, shardName(run.number - 1)));
    }
  }
  // What they were made of is cleared away once the increment is in the list.
  for (const part of [...perShard, ...perRun]) await syncOne(join(folder, part));
  const taken = await takenBackBy(join(factsOf(run.number), takenBackName));
  await takeBack(folder, run, taken);
  const numbers = [...increments.map(({ number }) => number), run.number];
  const read = async <T>(number: number, name: string) =>
    JSON.parse(await readFile(join(factsOf(number), name), 'utf8')) as T;
  const reports = await Promise.all(numbers.map((number) => read<CurationReport>(number, 'report.json')));
  const manifests = await Promise.all(numbers.map((number) => read<Manifest>(number, 'manifest.json')));
  const all = await Promise.all(numbers.map((number) => takenBackBy(join(factsOf(number), takenBackName))));
  const report = mergeReports(reports, all.flat());
  const added = reports.at(-1) as CurationReport;
  const ledgers = await ledgersOf(folder, new Set(all.flat().map(({ number }) => number)));
  await writeJson(join(folder, 'manifest.json'), mergeManifests(manifests, report, ledgers));
  await writeJson(join(folder, 'report.json'), report);
  await writeCurationPage(folder, report);
  return { report, added, shards: names.length };
}

async function takenBackBy(path: string): Promise<TakenBack[]> {
  // What was kept before there was such a file took nothing back.
  const text = await readFile(path, 'utf8').catch(() => '[]');
  return JSON.parse(text) as TakenBack[];
}

/** The ledgers of increments that something was taken back of, as they are now. */
async function ledgersOf(folder: string, numbers: ReadonlySet<number>): Promise<Map<string, FileFacts>> {
  const found = new Map<string, FileFacts>();
  for (const number of numbers) {
    const name = `quarantine/${quarantineFile(number)}`;
    found.set(name, await fileFacts(join(folder, name), name));
  }
  return found;
}

/** The manifest of the whole: every input and output file, under the names that they have now. */
function mergeManifests(
  manifests: readonly Manifest[],
  report: CurationReport,
  ledgers: ReadonlyMap<string, FileFacts>,
): Manifest {
  const last = manifests.at(-1) as Manifest;
  const places: Record<string, number> = Object.fromEntries(perShard.map((part) => [part, 0]));
  const output = manifests.flatMap((manifest, i) =>
    manifest.output.map((file) => {
      const part = file.path.split('/')[0] ?? '';
      const at = places[part];
      if (at !== undefined) places[part] = at + 1;
      const path = `${part}/${shardName(at ?? i)}`;
      return ledgers.get(path) ?? { ...file, path };
    }),
  );
  const { read, kept, dropped, quarantined } = report;
  return {
    ...last,
    // One that was read again is the one that it is now.
    input: [...new Map(manifests.flatMap(({ input }) => input).map((file) => [file.path, file])).values()],
    rows: { read, kept, dropped, quarantined },
    increments: manifests.map(({ plan, rows }) => ({ plan, rows })),
    output: [...output].sort((a, b) => order(a.path) - order(b.path) || (a.path < b.path ? -1 : 1)),
  };
}

const parts: readonly string[] = [...perShard, ...perRun];
const order = (path: string) => parts.indexOf(path.split('/')[0] ?? '');

/** Gives a file another name beside the one it has: whole or not at all, over what an earlier try left. */
async function place(from: string, to: string): Promise<void> {
  const partial = join(to, '..', `${basename(to)}.partial`);
  // A try before may have been cut short here; and a link that lies in wait is not written through.
  await rm(partial, { force: true });
  await linkOrCopy(from, partial);
  await rename(partial, to);
  // Where both were names of one file already the rename leaves them.
  await rm(partial, { force: true });
}
