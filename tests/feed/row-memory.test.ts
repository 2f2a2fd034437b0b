import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRowMemory, type Room, slotSize } from '../../pipeline/feed/row-memory.ts';

describe('the memory of rows', () => {
  it('never gives room that is taken, whatever comes and goes', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            length: fc.oneof(
              fc.integer({ min: 0, max: 300 }),
              // The whole of a slot.
              fc.constantFrom(64, 72, 288),
              fc.integer({ min: 10_000, max: 14_000 }),
              fc.integer({ min: 1_000_000, max: 1_100_000 }),
            ),
            goes: fc.integer({ min: 0, max: 1000 }),
            isGoing: fc.boolean(),
          }),
          { maxLength: 120 },
        ),
        (steps) => {
          const memory = createRowMemory();
          const held: { room: Room; mark: number }[] = [];
          for (const [i, { length, goes, isGoing }] of steps.entries()) {
            if (isGoing && held.length > 0) {
              const [{ room }] = held.splice(goes % held.length, 1) as [(typeof held)[number]];
              memory.give(room);
              continue;
            }
            const room = memory.take(length);
            expect(room.bytes.length).toBe(length);
            room.bytes.fill(i % 256);
            held.push({ room, mark: i % 256 });
          }
          expect(memory.held().rooms).toBe(held.length);
          for (const { room, mark } of held) expect(room.bytes.every((byte) => byte === mark)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is as large as the most that was held of each size, however long rows come and go', () => {
    const memory = createRowMemory();
    const rooms: Room[] = [];
    const turn = (seed: number) => {
      for (let i = 0; i < 500; i += 1) rooms.push(memory.take(20_000 + ((i * 7919 + seed) % 20_000)));
      const { bytes } = memory.held();
      for (const room of rooms.splice(0)) memory.give(room);
      return bytes;
    };
    const first = turn(0);
    for (let seed = 1; seed < 50; seed += 1) expect(turn(0)).toBe(first);
    // What lies idle is a few slabs of each size at the most.
    expect(memory.held()).toMatchObject({ rooms: 0 });
    expect(memory.held().bytes).toBeLessThan(first);
    // Sizes that differ from turn to turn cost no more than a slab of each.
    for (let seed = 1; seed < 50; seed += 1) expect(turn(seed)).toBeLessThan(first * 1.2);
  });

  it('wastes an eighth of a row at the most, and takes back no room twice', () => {
    fc.assert(
      fc.property(fc.integer({ min: 64, max: 1024 * 1024 }), (length) => {
        expect(slotSize(length)).toBeGreaterThanOrEqual(length);
        expect(slotSize(length)).toBeLessThanOrEqual(length * 1.125);
        // A size is one of few.
        expect(slotSize(slotSize(length))).toBe(slotSize(length));
      }),
    );
    const memory = createRowMemory();
    const room = memory.take(5000);
    memory.give(room);
    expect(() => memory.give(room)).toThrow(/given back twice/);
  });
});
