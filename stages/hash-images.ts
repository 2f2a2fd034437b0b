import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { withColumns } from '../schemas/batches.ts';
import { imageBytes } from '../schemas/provenance.ts';
import { curatedTypes } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';

/** Images that are hashed before others have their turn: a millisecond's work. */
const hashedAtOnce = 16;

/** Adds `sha256` of the encoded image, in hexadecimal: what exact duplicates share. Loses no row. */
export function hashImages(): Stage {
  return {
    name: 'hash-images',
    async *run(batches) {
      for await (const batch of batches) {
        const values: string[] = [];
        for (let i = 0; i < batch.numRows; i += 1) {
          // Images that are decoded meanwhile are handed on, and others taken up.
          if (i % hashedAtOnce === hashedAtOnce - 1) await setImmediate();
          values.push(createHash('sha256').update(imageBytes(batch, i)).digest('hex'));
        }
        yield withColumns(batch, { sha256: { type: curatedTypes.sha256, values } });
      }
    },
  };
}
