import { basename } from 'node:path';
import { Float32, type RecordBatch } from 'apache-arrow';
import { batchOf, column } from '../../schemas/batches.ts';
import type { Preset } from '../../schemas/presets.ts';
import { provenanceTypes, rowTypes } from '../../schemas/rows.ts';
import type { StageContext } from '../../schemas/stage.ts';
import { throwStorageError } from '../../schemas/storage/errors.ts';
import { statObject } from '../../schemas/storage/open-storage.ts';
import { mostKeyBytes } from './keys.ts';
import { readParquet } from './read-parquet.ts';
import { messageOf, type ReadOptions, refuseShard, type ShardReader, stage } from './reader.ts';
import { addMember, isPartOfSample, type Sample, splitName, startSample, textsOf } from './samples.ts';
import { hasTarEnd, readTarMembers } from './tar-members.ts';
import { groupSamples, listOf, placeInTar } from './tar-rows.ts';

const memberShare = 8;
const batchShare = 16;
/** What an entry of the list of a tar's rows takes in memory. */
const listedBytes = 256;

/**
 * Reads a tar of samples: members of one name are a row. With a list of its rows beside it, those that weren't
 * fetched are quarantined with their error, and so is one that the tar lacks. A tar that is cut short or corrupt is
 * an entry of the quarantine, after the rows before that; a sample that it cuts in two is one of its own.
 */
export const readTar: ShardReader = async function* (path, options, context) {
  const list = options.kind.status === null ? null : await readList(listOf(path), options, context);
  const batches = createBatches(path, options, context);
  for await (const sample of readSamples(path, options, context)) {
    context.signal.throwIfAborted();
    list?.delete(sample.key);
    const batch = batches.add(sample);
    if (batch !== null) yield batch;
  }
  const last = batches.flush();
  if (last !== null) yield last;
  for (const [key, place] of list ?? []) {
    const detail = `${basename(path)} has no member of this key`;
    context.quarantine({ key, shard: listOf(path), ...place, stage, reason: 'missing-member', detail });
  }
};

/** A tar's samples, in order: members of one name in a row. Throws only what the storage throws. */
async function* readSamples(
  path: string,
  { memory }: ReadOptions,
  context: StageContext,
): AsyncGenerator<Sample> {
  let sample: Sample | null = null;
  let samples = 0;
  try {
    const wants = (name: string, size: number) => isPartOfSample(name, size, memory / memberShare);
    for await (const member of readTarMembers(path, wants)) {
      const name = member.type === 'directory' ? null : splitName(member.name);
      if (name === null) continue;
      if (sample !== null && sample.key !== name.key) {
        samples += 1;
        yield sample;
        sample = null;
      }
      sample ??= startSample(name.key);
      addMember(sample, member, name.extension);
      if (member.cut) sample.fault ??= { reason: 'cut-short', detail: `the tar ends within ${member.name}` };
    }
    if (!(await hasTarEnd(path))) {
      const detail = `the tar has no end: it may be cut short after ${sample?.key ?? 'its start'}`;
      refuseShard(context, path, 'cut-short', detail, sample === null ? samples : samples + 1);
    } else if (samples === 0 && sample === null)
      refuseShard(context, path, 'empty-shard', 'the tar has no samples');
  } catch (error) {
    throwStorageError(error);
    const detail = `${messageOf(error)}, after ${samples} whole samples`;
    refuseShard(context, path, 'unreadable-shard', detail, sample === null ? samples : samples + 1);
    // What else the sample had is not known.
    if (sample !== null) sample.fault ??= { reason: 'cut-short', detail: 'the tar is unreadable after it' };
  }
  if (sample !== null) yield sample;
}

function createBatches(shard: string, { kind, batchRows, memory }: ReadOptions, context: StageContext) {
  let held: { sample: Sample; row: number }[] = [];
  let [bytes, next] = [0, 0];
  const flush = (): RecordBatch | null => {
    const rows = held;
    [held, bytes] = [[], 0];
    return rows.length > 0 ? sampleBatch(rows, shard, kind) : null;
  };
  return {
    flush,
    /** Gives the batch that the sample completes. */
    add(sample: Sample): RecordBatch | null {
      const index = next++;
      const place = placeInTar(index);
      const fault = sample.fault ?? unfetched(sample, kind);
      if (fault !== null) {
        const key = sample.key.slice(0, mostKeyBytes);
        context.quarantine({ key, shard, ...place, stage, ...fault });
      } else {
        held.push({ sample, row: index });
        bytes += sample.image?.bytes.length ?? 0;
      }
      const isFull = held.length >= batchRows || bytes >= memory / batchShare;
      return isFull || place.row === groupSamples - 1 ? flush() : null;
    },
  };
}

function unfetched({ json }: Sample, kind: Preset): Sample['fault'] {
  if (kind.status === null || json === null) return null;
  const { [kind.status.column]: said, [kind.status.error]: error } = json;
  if (said === undefined || said === kind.status.sound) return null;
  return { reason: 'not-fetched', detail: `${said}: ${error ?? 'no error_message'}`.slice(0, 2000) };
}

function sampleBatch(
  rows: readonly { sample: Sample; row: number }[],
  shard: string,
  { columns, scores }: Preset,
): RecordBatch {
  const fromJson = (name: string | null) => rows.map(({ sample }) => (name ? sample.json?.[name] : null));
  const texts = (name: string | null) =>
    fromJson(name).map((value) => (typeof value === 'string' ? value : null));
  const sizes = (name: string | null) => fromJson(name).map((value) => (isSize(value) ? value : null));
  const numbers = (name: string) => fromJson(name).map((value) => (typeof value === 'number' ? value : null));
  return batchOf({
    key: { type: rowTypes.key, values: rows.map(({ sample }) => sample.key) },
    url: { type: rowTypes.url, values: texts(columns.url) },
    image: { type: rowTypes.image, values: rows.map(({ sample }) => sample.image) },
    alt_texts: {
      type: rowTypes.alt_texts,
      values: rows.map(({ sample }) => textsOf(sample, columns.alt_texts)),
    },
    page_title: { type: rowTypes.page_title, values: texts(columns.page_title) },
    page_language: { type: rowTypes.page_language, values: texts(columns.page_language) },
    width: { type: rowTypes.width, values: sizes(columns.width) },
    height: { type: rowTypes.height, values: sizes(columns.height) },
    ...Object.fromEntries(scores.map((name) => [name, { type: new Float32(), values: numbers(name) }])),
    shard: { type: provenanceTypes.shard, values: rows.map(() => shard) },
    row_group: {
      type: provenanceTypes.row_group,
      values: rows.map(({ row }) => placeInTar(row).rowGroup),
    },
    row: { type: provenanceTypes.row, values: rows.map(({ row }) => placeInTar(row).row) },
  });
}

const isSize = (value: unknown): value is number =>
  Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31;

/**
 * The rows that a tar should have, by key, from the list beside it; those that weren't fetched are quarantined here.
 * A list that can't be read whole is an entry of the quarantine, and the tar is read without what it lacks.
 */
async function readList(
  path: string,
  options: ReadOptions,
  context: StageContext,
): Promise<Map<string, { rowGroup: number; row: number }> | null> {
  if ((await statObject(path)) === null) return null;
  let problem: string | null = null;
  const listing: StageContext = {
    ...context,
    quarantine: (entry) => {
      // Its other rows are in the tar, where they are counted.
      if (entry.reason === 'not-fetched') context.quarantine(entry);
      else problem ??= `${entry.reason}: ${entry.detail}`;
    },
  };
  const { columns } = options.kind;
  const none = { url: null, image: null, alt_texts: [], page_title: null, page_language: null };
  const kind: Preset = { ...options.kind, columns: { ...columns, ...none, width: null, height: null } };
  const list = new Map<string, { rowGroup: number; row: number }>();
  for await (const batch of readParquet(path, { ...options, kind }, listing)) {
    const [keys, groups, rows] = ['key', 'row_group', 'row'].map((name) => column(batch, name));
    for (let i = 0; i < batch.numRows; i += 1) {
      list.set(keys?.get(i), { rowGroup: groups?.get(i), row: rows?.get(i) });
    }
    if (list.size * listedBytes > options.memory / memberShare) {
      problem = `a list of more than ${list.size} rows doesn't fit the memory`;
      list.clear();
      break;
    }
  }
  if (problem !== null)
    refuseShard(context, path, 'unreadable-list', `${problem}: the tar is read without it`);
  return list;
}
