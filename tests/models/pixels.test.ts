import { expect, it } from 'vitest';
import { normalizePixels } from '../../models/pixels.ts';

it('maps bytes evenly to [-1, 1]', () => {
  const all = normalizePixels(Uint8Array.from({ length: 256 }, (_, i) => i));
  expect([all[0], all[255]]).toEqual([-1, 1]);
  for (let i = 1; i < 256; i += 1) expect((all[i] ?? 0) - (all[i - 1] ?? 0)).toBeCloseTo(1 / 127.5, 6);
});
