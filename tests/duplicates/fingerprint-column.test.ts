import { describe, expect, it } from 'vitest';
import { fingerprint } from '../../models/duplicates/fingerprint.ts';
import { decodeRgbWithin } from '../../models/images.ts';
import {
  fingerprintMeasure,
  packFingerprint,
  unpackFingerprint,
} from '../../stages/duplicates/fingerprint-column.ts';
import { discs } from './pictures.ts';

describe('the column of fingerprints', () => {
  it('gives back what was packed, also from the middle of other bytes', async () => {
    const { colours } = fingerprint(await decodeRgbWithin(await discs(2).png().toBuffer(), 64, 1e6));
    const found = {
      colours,
      hashes: BigInt64Array.of(-(2n ** 63n), -1n, 0n, 1n, 2n ** 62n, 5n, -9n, 7n, 8n),
    };
    const bytes = packFingerprint(found);
    const within = new Uint8Array(bytes.length + 3);
    within.set(bytes, 3);
    const back = unpackFingerprint(within.subarray(3));
    expect([...back.hashes]).toEqual([...found.hashes]);
    expect([...back.colours]).toEqual([...found.colours]);
  });

  it('is null for a plain image', () => {
    const plain = { pixels: new Uint8Array(32 * 32 * 3).fill(9), width: 32, height: 32 };
    expect(fingerprintMeasure.of(plain)).toBeNull();
  });

  it('refuses bytes that are no fingerprint', () => {
    expect(() => unpackFingerprint(new Uint8Array(7))).toThrow(
      'a fingerprint has 504 bytes, and these are 7',
    );
  });
});
