import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StorageError } from './errors.ts';

/** Where an object is: a path, a `file://` URL, or `s3://bucket/key`. */
export type Location = string;

/** A bucket and a key in it, which is taken as it stands: nothing is decoded, and `..` means nothing. */
export interface S3Location {
  readonly bucket: string;
  readonly key: string;
}

/** Whether a location is in an object store. */
export const isS3 = (location: Location): boolean => /^s3:\/\//i.test(location);

/** The parts of `s3://bucket/key`. Throws a {@link StorageError} when there is no bucket, or a user in its place. */
export function parseS3(location: Location): S3Location {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]*)\/?([\s\S]*)$/i.exec(location) ?? [];
  if (bucket.includes('@')) {
    const where = 'leave it out of the URL: credentials come from the environment, profiles or roles';
    throw new StorageError('failed', `${location}: a user or a password has no place in it: ${where}`);
  }
  if (!/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i.test(bucket)) {
    throw new StorageError('failed', `${location}: s3://bucket/key is expected, with a bucket's name`);
  }
  return { bucket, key };
}

/**
 * A location in the one form that it is known by: an absolute path, or `s3://bucket/key`. Throws a
 * {@link StorageError} on URLs of other kinds, and on such as name no bucket.
 */
export function absoluteLocation(location: Location): Location {
  if (isS3(location)) {
    const { bucket, key } = parseS3(location);
    return `s3://${bucket}/${key}`;
  }
  if (/^file:\/\//i.test(location)) {
    try {
      // Marks of globs are none of a URL's here.
      return fileURLToPath(location.replaceAll('?', '%3F').replaceAll('#', '%23'));
    } catch {
      throw new StorageError('failed', `${location}: file:///path is expected`);
    }
  }
  const [scheme] = /^[a-z][a-z0-9+.-]+:\/\//i.exec(location) ?? [];
  if (scheme !== undefined) {
    throw new StorageError('failed', `${location}: ${scheme} isn't read: a path, file:// or s3:// is`);
  }
  return resolve(location);
}

/** A place within a folder, or under a prefix. */
export function joinLocation(folder: Location, ...names: string[]): Location {
  if (!isS3(folder)) return join(/^file:\/\//i.test(folder) ? absoluteLocation(folder) : folder, ...names);
  return [folder.replace(/\/+$/, ''), ...names].join('/');
}
