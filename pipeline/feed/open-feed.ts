import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Provider } from '../../models/executor.ts';
import type { TowersFacts } from '../../models/siglip/open-towers.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import type { DecodingOptions } from '../../stages/images/each-image.ts';
import { curatedFacts, type TeacherFacts } from '../../stages/read-curated.ts';
import type { Config } from '../config.ts';
import { digestOf } from '../distill/identity.ts';
import { superBatchAt } from '../distill/options.ts';
import { UsageError } from '../errors.ts';
import { resolveShards } from '../inputs.ts';
import { isAlive } from '../is-alive.ts';
import { prepareRunFolder, writeJson } from '../run-folder.ts';
import { openExecutorOf } from '../teacher.ts';
import { version } from '../version.ts';
import { type Journal, openJournal } from './journal.ts';
import { type LearnerSlot, openLearnerSlot } from './learner.ts';
import type { FeedOptions } from './options.ts';
import { createOrder, type OrderOptions, orderVersion } from './order.ts';
import { openOrderStates } from './order-states.ts';
import { createParquetKeeper } from './parquet-keeper.ts';
import { type FeedRow, openRows } from './rows.ts';
import { createSelector, type Selector } from './selector.ts';
import { createSuperBatches } from './super-batches.ts';

/** A fine-tune that is being served. */
export interface OpenFeed {
  readonly config: Config;
  readonly options: FeedOptions;
  readonly teacher: TeacherFacts | null;
  readonly decoding: DecodingOptions;
  readonly selector: Selector;
  readonly journal: Journal;
  readonly learner: LearnerSlot;
  status(): FeedStatus;
  /** Writes `selections.parquet` and lets go of everything. */
  close(): Promise<void>;
}

/** What `GET /v1/status` answers. */
export interface FeedStatus {
  readonly version: string;
  readonly seed: number;
  /** The next step to select. */
  readonly step: number;
  readonly steps: number;
  readonly rows: number;
  readonly superBatch: number;
  readonly batch: number;
  readonly method: string;
  readonly teacher: TeacherFacts | null;
  readonly learner: {
    readonly step: number;
    readonly scale: number;
    readonly bias: number;
    /** Where the two come from: `assumed` where neither the folder nor who put it says. */
    readonly logits: TowersFacts['logits']['from'];
    readonly kind: string;
  } | null;
  /** Steps whose super-batches are held. */
  readonly held: readonly number[];
  /** Images that didn't decode, and went out grey. */
  readonly broken: number;
  readonly residentBytes: number;
}

/** How a feed is opened. */
export interface FeedSettings {
  readonly data: string;
  readonly out: string;
  readonly configPath: string;
  /** Starts over where a stopped fine-tune could go on. */
  readonly fresh?: boolean | undefined;
  /** Forgets the selections from this step on. */
  readonly from?: number | undefined;
  readonly log: Logger;
}

const identitySchema = z.object({ recipe: z.string(), data: z.string(), order: z.int().default(1) });

/**
 * Opens a fine-tune's feed over the curated shards in `data`, where it was left: its state lies in `work` of the folder
 * `out`. Throws a {@link UsageError} when the recipe can't be served, or the folder holds a fine-tune of another recipe
 * or other data.
 */
export async function openFeed(config: Config, settings: FeedSettings): Promise<OpenFeed> {
  const { out, configPath, log } = settings;
  const { distill, feed: options, seed } = config;
  const shards = await resolveShards([join(settings.data, 'shards')], '--data', settings.data);
  const { rows, teacher } = await curatedFacts(shards);
  checkRecipe(config, configPath, settings.data, teacher);
  if (options.views.locca) await checkLocca(shards, configPath);
  const work = join(out, 'work');
  const unlock = await prepareFolder(out, settings, {
    recipe: digestOf(decidingOf(config)),
    data: await shapeOf(shards),
    order: orderVersion,
  });
  const { steps } = distill.training;
  const journal = await openJournal(join(work, 'selections.journal'), settings.from);
  const states = await openOrderStates(join(work, 'order'));
  const source = await openRows(shards, {
    teacher: teacher !== null,
    locca: options.views.locca !== undefined,
  });
  const order: OrderOptions = {
    size: (step) => superBatchAt(distill.superBatch, step),
    english: distill.english,
    shuffleRows: distill.shuffleRows,
  };
  const superBatches = createSuperBatches<FeedRow>({
    open: async (step) => createOrder(source, order, String(seed), await states.latest(step)),
    ahead: options.ahead,
    steps,
    stateEvery: options.stateEvery,
    drop: (rows) => source.drop(rows),
  });
  const threads = config.compute.threads ?? config.threads ?? availableParallelism();
  const { maxPixels, concurrency } = options;
  const learner = await openLearnerSlot(join(work, 'learner'), {
    latest: journal.steps(),
    maxBytes: options.maxLearnerBytes,
    threads,
    provider: providerOf(config, configPath),
    maxPixels,
    concurrency,
  });
  const parquet = createParquetKeeper(journal, join(out, 'selections.parquet'));
  await parquet.write();
  const selector = createSelector({
    options: { ...distill, threads },
    seed,
    steps,
    ahead: options.ahead,
    superBatches,
    journal,
    teacher,
    learner: () => learner.current(),
    async onSelected({ before }) {
      if (before) await states.keep(before);
      parquet.afterStep((error) => log.warn({ err: error }, 'selections.parquet was not written'));
    },
  });
  let broken = 0;
  const onBroken = (key: string, why: string) => {
    broken += 1;
    log.warn(`the image of ${key} doesn't decode, and goes out grey: ${why}`);
  };
  return {
    config,
    options,
    teacher,
    decoding: { concurrency, maxPixels, onBroken },
    selector,
    journal,
    learner,
    status() {
      const now = learner.current();
      return {
        version,
        seed,
        step: journal.steps(),
        steps,
        rows,
        superBatch: superBatchAt(distill.superBatch, journal.steps()),
        batch: distill.batch,
        method: distill.method,
        teacher,
        learner: now && {
          step: now.step,
          scale: now.scale,
          bias: now.bias,
          logits: now.facts.logits.from,
          kind: now.facts.kind,
        },
        held: superBatches.held(),
        broken,
        residentBytes: process.memoryUsage.rss(),
      };
    },
    async close() {
      await selector.settle();
      await superBatches.close();
      await learner.close();
      await parquet.write();
      await journal.close();
      await unlock();
    },
  };
}

/**
 * What the recipe's learner runs on. Asked when there is one: a trainer that scores by itself needs none of the feed's.
 * Another executor's learner is an ONNX graph too, which the processor runs.
 */
function providerOf(config: Config, path: string): () => Promise<Provider> {
  const { executor, provider = 'cpu' } = config.compute;
  if (executor !== 'onnx' || provider === 'cpu') return async () => 'cpu';
  let opened: Provider | null = null;
  return async () => {
    opened ??= (await openExecutorOf(config, path)).provider;
    return opened;
  };
}

function checkRecipe(config: Config, path: string, data: string, teacher: TeacherFacts | null): void {
  const { distill, feed } = config;
  const wrong = (message: string) => new UsageError(`${path}: ${message}`);
  const sizes =
    typeof distill.superBatch === 'number'
      ? [distill.superBatch]
      : distill.superBatch.map(({ size }) => size);
  const least = Math.min(...sizes);
  if (distill.batch > least)
    throw wrong(`distill.batch: ${distill.batch} pairs can't be selected of ${least}`);
  if (distill.scoring.reuse > 1) throw wrong('distill.scoring.reuse: a feed scores every super-batch once');
  if (teacher === null && (distill.method === 'learnability' || distill.method === 'easy-reference')) {
    throw new UsageError(
      `--data: ${data} carries no teacher embeddings: curate it with teacher.checkpoint, or set distill.method: hard`,
    );
  }
  const { selfDistillation: crops, maskedPrediction: masked } = feed.views;
  if (crops && masked && crops.globalSide % masked.patch !== 0) {
    throw wrong(
      `feed.views.maskedPrediction.patch: ${crops.globalSide} pixels don't divide into patches of ${masked.patch}`,
    );
  }
}

/** LocCa's targets are made when rows are curated. */
async function checkLocca(shards: readonly string[], path: string): Promise<void> {
  for (const shard of shards) {
    if ((await openShard(shard)).columns.includes('locca')) continue;
    throw new UsageError(
      `${path}: feed.views.locca: ${shard} has no column locca: curate with locca.enabled: true`,
    );
  }
}

/** What of a recipe decides the data's order and the selections: a fine-tune goes on with no other. */
function decidingOf({ seed, distill }: Config): object {
  const { superBatch, batch, chunks, method, strata, sampling, english, shuffleRows, training } = distill;
  const { steps } = training;
  return { seed, superBatch, batch, chunks, method, strata, sampling, english, shuffleRows, steps };
}

/** A digest of the shards' names, row groups and sizes: what the order is made of. Their bytes aren't read. */
async function shapeOf(shards: readonly string[]): Promise<string> {
  const shapes: object[] = [];
  for (const path of shards) {
    const { rowGroups, metadata } = await openShard(path);
    shapes.push({ name: basename(path), rowGroups, teacher: metadata.teacher });
  }
  return digestOf(shapes);
}

/** Makes the folder ready, or finds in it a fine-tune of the same recipe and data. Gives what unlocks it. */
async function prepareFolder(
  out: string,
  { fresh, configPath, data }: FeedSettings,
  identity: z.infer<typeof identitySchema>,
): Promise<() => Promise<void>> {
  const path = join(out, 'work', 'feed.json');
  const kept = identitySchema.safeParse(jsonOf(await readFile(path, 'utf8').catch(() => '')));
  const lock = join(out, 'work', 'feed.lock');
  const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
  if (holder > 0 && holder !== process.pid && isAlive(holder)) {
    throw new UsageError(`--out: ${out} is served by process ${holder}: stop it, or choose another folder`);
  }
  if (kept.success && !fresh) {
    if (kept.data.order !== identity.order) {
      throw new UsageError(
        `--out: ${out} holds a fine-tune whose data come in the order of another version of Assay: go on with that one, or start over with --fresh`,
      );
    }
    const other =
      kept.data.recipe !== identity.recipe ? configPath : kept.data.data !== identity.data ? data : null;
    if (other !== null) {
      throw new UsageError(
        `--out: ${out} holds a fine-tune that began with another ${other} (--fresh starts over)`,
      );
    }
  } else {
    await prepareRunFolder(out);
    await mkdir(join(out, 'work'), { recursive: true });
    await writeJson(path, identity);
  }
  await writeFile(lock, String(process.pid));
  return () => rm(lock, { force: true });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
