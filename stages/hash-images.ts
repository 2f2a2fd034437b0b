import { createHash } from 'node:crypto';
import { withColumns } from '../schemas/batches.ts';
import { imageBytes } from '../schemas/provenance.ts';
import { curatedTypes } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';

/** Adds `sha256` of the encoded image, in hexadecimal: what exact duplicates share. Loses no row. */
export function hashImages(): Stage {
  return {
    name: 'hash-images',
    async *run(batches) {
      for await (const batch of batches) {
        const values = Array.from({ length: batch.numRows }, (_, i) =>
          createHash('sha256').update(imageBytes(batch, i)).digest('hex'),
        );
        yield withColumns(batch, { sha256: { type: curatedTypes.sha256, values } });
      }
    },
  };
}
