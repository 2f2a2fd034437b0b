import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus, xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import createXxhash from 'xxhash-wasm';

const hasher = await createXxhash();

/** The one random source of a run: seeded, passed in, and its state can be kept in a checkpoint. */
export interface Random {
  /** A float drawn uniformly from [0, 1). */
  uniform(): number;
  /** A float drawn from the standard normal distribution. */
  normal(): number;
  /** An integer drawn uniformly from [0, n). */
  integer(n: number): number;
  /** One of the items, uniformly. Throws on an empty list. */
  pick<T>(items: readonly T[]): T;
  /** The generator's state, for a checkpoint. */
  state(): readonly number[];
}

/**
 * Makes a random source from a seed. The same seed gives the same draws on every machine; a text seed is
 * hashed, so that parts of a run can draw from independent streams (`${seed}:super-batches`).
 */
export function createRandom(seed: number | string): Random {
  return randomOver(xoroshiro128plus(Number(hasher.h64(String(seed)) & 0x7fffffffn)));
}

/** Continues a random source from a state that {@link Random.state} gave. */
export function restoreRandom(state: readonly number[]): Random {
  return randomOver(xoroshiro128plusFromState(state));
}

function randomOver(generator: ReturnType<typeof xoroshiro128plus>): Random {
  const uniform = () => uniformFloat64(generator);
  const integer = (n: number) => uniformInt(generator, 0, n - 1);
  return {
    uniform,
    integer,
    // Box-Muller without a cached second value, so that the state is the generator's alone.
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    pick<T>(items: readonly T[]): T {
      if (items.length === 0) throw new Error('cannot pick from an empty list');
      return items[integer(items.length)] as T;
    },
    state: () => generator.getState(),
  };
}

/** xxHash64 of a text: a name for it of 64 bits, unsigned. */
export function hash64(text: string): bigint {
  return hasher.h64(text);
}

/** xxHash64 of bytes, unsigned. */
export function hash64Bytes(bytes: Uint8Array): bigint {
  return hasher.h64Raw(bytes);
}

/**
 * A float in [0, 1) drawn from a key and a seed by a hash (xxHash64): the same for a key whatever the order
 * of the rows or the split of the work.
 */
export function hashUniform(key: string, seed: number | string): number {
  return Number(hasher.h64(`${seed}\u0000${key}`) >> 11n) / 2 ** 53;
}
