import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { z } from 'zod';
import type { Provider } from '../../models/executor.ts';
import type { PairModel } from '../../models/selection/pair-model.ts';
import { type OpenTowers, openTowers, type TowersFacts } from '../../models/siglip/open-towers.ts';
import { UsageError } from '../errors.ts';
import { writeJson } from '../run-folder.ts';
import { syncFolder, syncOne } from '../to-disk.ts';
import { Refusal } from './refusal.ts';
import type { FeedRow } from './rows.ts';
import type { ScoringLearner } from './selector.ts';

/** What is said of a learner that is put. */
export interface LearnerPut {
  /** Steps that it was trained for. */
  readonly step: number;
  /** exp(t) and the bias, where its folder doesn't say. */
  readonly logits?: { readonly scale: number; readonly bias: number } | undefined;
}

/** The learner that a feed scores with. */
export interface LearnerSlot {
  current():
    | (ScoringLearner & {
        /** The step whose weights it has. */
        readonly step: number;
        readonly facts: TowersFacts;
        readonly scale: number;
        readonly bias: number;
      })
    | null;
  /**
   * Takes a tar of its export: `image.onnx` and `text.onnx`, or a folder in the Hugging Face layout. Throws a
   * {@link Refusal} when it is too large, isn't a tar of those, or doesn't run; the one before then stays.
   */
  put(tar: Readable, put: LearnerPut): Promise<void>;
  /** Waits for what is being scored, and lets go of the learner. */
  close(): Promise<void>;
}

/** How learners are opened and run. */
export interface LearnerOptions {
  /** Steps that are selected: a learner of a later one isn't of this fine-tune any more. */
  readonly latest: number;
  readonly maxBytes: number;
  readonly threads: number;
  /** What it runs on, asked when one is opened; rejects in one line where that isn't there. */
  readonly provider: () => Promise<Provider>;
  readonly maxPixels: number;
  readonly concurrency: number;
}

const names = new Set([
  'image.onnx',
  'text.onnx',
  'assay.json',
  'config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'model.safetensors',
  'model.safetensors.index.json',
]);
/** In `onnx/` or beside the config, as models are read elsewhere. */
const graphName = /^(onnx\/)?(vision|text)_model(_\w+)?\.onnx([._]data(_\d+)?)?$/;
/** The parts of weights, of which the scale and the bias are read. */
const partName = /^model-\d{1,5}-of-\d{1,5}\.safetensors$/;
const isOfModel = (name: string) => names.has(name) || graphName.test(name) || partName.test(name);
const mostFiles = 64;
/** Rows that are scored at a time: their decoded images are held. */
const scoredRows = 64;

const slotSchema = z.object({
  folder: z.string().regex(/^\d+$/),
  step: z.int().min(0),
  logits: z.object({ scale: z.number().positive(), bias: z.number() }).optional(),
});

/** Opens the slot in `folder`, with the learner that an earlier feed left there, unless it is of a step after `latest`. */
export async function openLearnerSlot(folder: string, options: LearnerOptions): Promise<LearnerSlot> {
  await mkdir(folder, { recursive: true });
  const index = join(folder, 'learner.json');
  let held: { towers: OpenTowers; step: number; folder: string } | null = null;
  let scoring: Promise<unknown> = Promise.resolve();
  let count = 0;

  const open = async (name: string, logits: LearnerPut['logits']) => {
    const provider = await options.provider();
    return openTowers(join(folder, name), { threads: options.threads, provider, logits });
  };
  const saved = slotSchema.safeParse(jsonOf(await readFile(index, 'utf8').catch(() => '')));
  if (saved.success && saved.data.step > options.latest) {
    await rm(index);
  } else if (saved.success) {
    const { folder: name, step, logits } = saved.data;
    const towers = await open(name, logits).catch((error: Error) => {
      const said = error.message.split('\n')[0];
      throw new UsageError(
        `${folder}: the learner that was put there can't be opened (${said}): remove that folder, and put it again`,
      );
    });
    held = { towers, step, folder: name };
    count = Number(name) + 1;
  }
  for (const name of await readdir(folder)) {
    if (name !== held?.folder && name !== 'learner.json') await rm(join(folder, name), { recursive: true });
  }
  /** Scoring and changing the learner take turns. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = scoring.then(work);
    scoring = done.catch(() => {});
    return done;
  };
  return {
    current() {
      const now = held;
      if (now === null) return null;
      const { towers } = now;
      return {
        step: now.step,
        facts: towers.facts,
        scale: towers.scale,
        bias: towers.bias,
        score: (rows) =>
          inTurn(async () => {
            const { towers, step } = held ?? now;
            return { model: await score(towers, rows, options), learnerStep: step };
          }),
      };
    },
    async put(tar, { step, logits }) {
      const name = String(count);
      count += 1;
      const temporary = join(folder, `${name}.partial`);
      let towers: OpenTowers;
      try {
        await unpack(tar, temporary, options.maxBytes);
        await syncFolder(temporary);
        await rename(temporary, join(folder, name));
        await syncOne(folder);
        towers = await open(name, logits).catch((error: Error) => {
          // The folder's path says nothing to who put it.
          const said = error.message.replaceAll(join(folder, name), 'learner').split('\n')[0];
          throw new Refusal(422, `the learner can't be run: ${said}`);
        });
      } catch (error) {
        for (const left of [temporary, join(folder, name)]) await rm(left, { recursive: true, force: true });
        throw error;
      }
      await inTurn(async () => {
        const former = held;
        await writeJson(index, { folder: name, step, logits });
        held = { towers, step, folder: name };
        await former?.towers.dispose();
        if (former) await rm(join(folder, former.folder), { recursive: true, force: true });
      });
    },
    async close() {
      await scoring;
      await held?.towers.dispose();
      held = null;
    },
  };
}

async function score(
  towers: OpenTowers,
  rows: readonly FeedRow[],
  options: LearnerOptions,
): Promise<PairModel> {
  const { dimension: d, scale, bias } = towers;
  const images = new Float32Array(rows.length * d);
  for (let from = 0; from < rows.length; from += scoredRows) {
    const part = rows.slice(from, from + scoredRows).map(({ image }) => image);
    images.set(await towers.embedEncoded(part, options), from * d);
  }
  return { images, texts: await towers.embedTexts(rows.map(({ text }) => text)), dimension: d, scale, bias };
}

/**
 * Writes the files of a tar that a learner is made of; others are passed over, links and names that lead out of its folder
 * are refused.
 */
async function unpack(tar: Readable, folder: string, maxBytes: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const entries = extract();
  const fed = pipeline(tar, entries).catch((error: Error) => {
    entries.destroy(error);
  });
  let [bytes, files] = [0, 0];
  try {
    for await (const entry of entries) {
      const { type, size = 0 } = entry.header;
      const name = entry.header.name.replace(/^(\.\/)+/, '');
      if (type === 'directory') {
        entry.resume();
        continue;
      }
      if (type !== 'file' || isAbsolute(name) || name.split('/').includes('..')) {
        throw new Refusal(422, `the tar has ${name.slice(0, 80)} (${type}), which no learner is made of`);
      }
      files += 1;
      bytes += size;
      if (bytes > maxBytes) throw new Refusal(413, `the learner has more than ${maxBytes} bytes`);
      if (files > mostFiles) throw new Refusal(422, `the tar has more than ${mostFiles} files`);
      // A model's folder has a README and more beside.
      if (!isOfModel(name)) {
        entry.resume();
        continue;
      }
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await pipeline(entry, createWriteStream(path));
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(
      400,
      `the body can't be read as a tar: ${error instanceof Error ? error.message : error}`,
    );
  } finally {
    entries.destroy();
    await fed;
  }
  if (files === 0) throw new Refusal(400, 'the body is no tar with files in it');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
