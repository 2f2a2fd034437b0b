import { colourBytes, cropCount } from '../../models/duplicates/fingerprint.ts';
import { openFingerprintFile } from '../../pipeline/duplicates/fingerprint-file.ts';
import { createRandom } from '../../schemas/random.ts';
import { packFingerprint } from '../../stages/duplicates/fingerprint-column.ts';

/** A fingerprint to be: each crop's hash, and one grey for all the cells of all its crops. */
export interface MadeFingerprint {
  readonly hashes: readonly bigint[];
  readonly grey: number;
}

/** Hashes around a few centres, so that many are near and many are not; crops are a few bits off. */
export function madeFingerprints(count: number, seed: number, spread: number): MadeFingerprint[] {
  const random = createRandom(`fingerprints:${seed}`);
  const flipped = (hash: bigint, most: number) => {
    let value = hash;
    for (let n = random.integer(most + 1); n > 0; n -= 1) value ^= 1n << BigInt(random.integer(64));
    return BigInt.asIntN(64, value);
  };
  const word = () =>
    BigInt(random.integer(2 ** 30)) |
    (BigInt(random.integer(2 ** 30)) << 30n) |
    (BigInt(random.integer(16)) << 60n);
  const centres = Array.from({ length: 5 }, word);
  return Array.from({ length: count }, () => {
    const whole = flipped(random.pick(centres), spread);
    return {
      hashes: Array.from({ length: cropCount }, (_, crop) => (crop === 0 ? whole : flipped(whole, 3))),
      grey: 100 + random.integer(8),
    };
  });
}

export function packed({ hashes, grey }: MadeFingerprint): Uint8Array {
  const colours = new Uint8Array(cropCount * colourBytes).fill(grey);
  return packFingerprint({ hashes: BigInt64Array.from(hashes), colours });
}

export async function writeFingerprints(path: string, made: readonly MadeFingerprint[]): Promise<void> {
  const file = await openFingerprintFile(path);
  await file.write(0, made.map(packed));
  await file.close();
}
