import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeText } from '../run-folder.ts';
import type { OrderState } from './order.ts';

const places = z.array(z.int().min(0));
const stateSchema = z.object({
  step: z.int().min(0),
  epoch: z.int().min(0),
  begun: z.int().min(0),
  row: z.int().min(0),
  drawn: z.int().min(0),
  random: z.array(z.int()),
  held: z.tuple([places, places]),
});

/** States kept at a time: a fine-tune that goes back a little needs no more. */
const mostKept = 4;

/** States of the order on disk, from which it goes on without reading what came before. */
export interface OrderStates {
  keep(state: OrderState): Promise<void>;
  /** The latest at or before a step; null where there is none, and the order begins at its start. */
  latest(step: number): Promise<OrderState | null>;
}

/** Opens the states in `folder`, which is made. A file that is no state is passed over: an earlier one serves. */
export async function openOrderStates(folder: string): Promise<OrderStates> {
  await mkdir(folder, { recursive: true });
  const kept = async () => {
    const steps = (await readdir(folder))
      .filter((name) => /^\d+\.json$/.test(name))
      .map((name) => Number.parseInt(name, 10));
    return steps.sort((a, b) => b - a);
  };
  const pathOf = (step: number) => join(folder, `${String(step).padStart(9, '0')}.json`);
  return {
    async keep(state) {
      await writeText(pathOf(state.step), JSON.stringify(state));
      for (const step of (await kept()).slice(mostKept)) await rm(pathOf(step));
    },
    async latest(step) {
      for (const candidate of await kept()) {
        if (candidate > step) continue;
        const text = await readFile(pathOf(candidate), 'utf8').catch(() => '');
        const parsed = stateSchema.safeParse(jsonOf(text));
        if (parsed.success && parsed.data.step === candidate) return parsed.data;
      }
      return null;
    },
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
