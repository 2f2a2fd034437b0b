import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createWindow } from '../../schemas/parquet-reader/read-window.ts';
import { createRecycledBuffers } from '../../schemas/recycled-buffers.ts';
import { scribbledBuffers } from './scribbled-buffers.ts';

const file = Uint8Array.from({ length: 400_000 }, (_, i) => (i * 31 + (i >> 8)) % 251);

const readers = {
  'into memory of the caller': async (start: number, length: number, into?: Uint8Array<ArrayBuffer>) => {
    const bytes = into ?? new Uint8Array(length);
    bytes.set(file.subarray(start, start + length));
    return bytes;
  },
  'into memory of its own': async (start: number, length: number) => file.slice(start, start + length),
};

describe('a window on a file', () => {
  it.each(Object.entries(readers))(
    'gives what was asked for, and what is held stays as it is: a storage that reads %s',
    async (_name, read) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              // Back a little, as from a header's guess to the page behind it, and on.
              move: fc.integer({ min: -2000, max: 60_000 }),
              length: fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 60_000, max: 90_000 })),
              isHeld: fc.boolean(),
            }),
            { maxLength: 25 },
          ),
          fc.boolean(),
          async (steps, isRecycled) => {
            const buffers = isRecycled ? scribbledBuffers() : undefined;
            const window = createWindow({ read }, file.length, { memory: 64 * 64 * 1024, buffers });
            const held: { bytes: Uint8Array; start: number; letGo: () => void }[] = [];
            const check = ({ bytes, start }: { bytes: Uint8Array; start: number }) =>
              expect(Buffer.compare(bytes, file.subarray(start, start + bytes.length))).toBe(0);
            let at = 0;
            for (const { move, length, isHeld } of steps) {
              at = Math.max(0, Math.min(file.length - length, at + move));
              const bytes = await window.read(at, length);
              expect(bytes.length).toBe(length);
              check({ bytes, start: at });
              if (isHeld) held.push({ bytes, start: at, letGo: window.hold() });
              if (held.length > 3) held.shift()?.letGo();
              held.forEach(check);
            }
            window.close();
            held.forEach(check);
            for (const { letGo } of held) letGo();
            expect(buffers?.out.size ?? 0).toBe(0);
          },
        ),
        { numRuns: 200 },
      );
    },
  );

  it('reads nothing twice that it still has', async () => {
    let read = 0;
    const counting = async (start: number, length: number, into?: Uint8Array<ArrayBuffer>) => {
      read += length;
      return readers['into memory of the caller'](start, length, into);
    };
    const window = createWindow({ read: counting }, file.length, {
      memory: 64 * 64 * 1024,
      buffers: createRecycledBuffers(),
    });
    for (let at = 0; at < file.length; at += 10_000) await window.read(at, 10_000);
    expect(read).toBe(file.length);
  });
});
