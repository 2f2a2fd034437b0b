import { expect } from 'vitest';
import { createRecycledBuffers, type RecycledBuffers } from '../../schemas/recycled-buffers.ts';

/** Buffers whose content is gone as soon as they are given back, and which know those that are out. */
export function scribbledBuffers(): RecycledBuffers & { readonly out: Set<ArrayBuffer> } {
  const buffers = createRecycledBuffers();
  const out = new Set<ArrayBuffer>();
  return {
    out,
    take(length) {
      const buffer = buffers.take(length);
      out.add(buffer.buffer);
      return buffer;
    },
    give(buffer) {
      expect(out.delete(buffer.buffer)).toBe(true);
      buffer.fill(255);
      buffers.give(buffer);
    },
  };
}
