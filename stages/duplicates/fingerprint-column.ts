import { Binary } from 'apache-arrow';
import {
  colourBytes,
  cropCount,
  type Fingerprint,
  fingerprint,
} from '../../models/duplicates/fingerprint.ts';
import type { RgbImage } from '../../models/images.ts';

const hashBytes = cropCount * 8;
/** Bytes of a packed fingerprint: the crops' hashes, little-endian, then their colours. */
const packedBytes = hashBytes + cropCount * colourBytes;
/** Of the hash's 64 frequencies, those that an image must have: a plainer one is like every other plain one. */
const leastDetail = 8;

/**
 * The measure that lets near duplicates be found: a column `fingerprint` of packed bytes, null where an image is too
 * plain to be told from others.
 */
export const fingerprintMeasure = {
  column: 'fingerprint',
  type: new Binary(),
  of(image: RgbImage): Uint8Array | null {
    const found = fingerprint(image);
    return found.detail < leastDetail ? null : packFingerprint(found);
  },
} as const;

/** A fingerprint as bytes, its detail left out. */
export function packFingerprint({ hashes, colours }: Omit<Fingerprint, 'detail'>): Uint8Array {
  const bytes = new Uint8Array(packedBytes);
  const view = new DataView(bytes.buffer);
  for (const [crop, hash] of hashes.entries()) view.setBigInt64(crop * 8, hash, true);
  bytes.set(colours, hashBytes);
  return bytes;
}

/** The fingerprint of packed bytes. Throws when there are more or fewer of them than a fingerprint has. */
export function unpackFingerprint(bytes: Uint8Array): Omit<Fingerprint, 'detail'> {
  if (bytes.length !== packedBytes) {
    throw new Error(`a fingerprint has ${packedBytes} bytes, and these are ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const hashes = BigInt64Array.from({ length: cropCount }, (_, crop) => view.getBigInt64(crop * 8, true));
  return { hashes, colours: bytes.subarray(hashBytes) };
}
