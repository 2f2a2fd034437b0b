import { fileStorage } from './file-storage.ts';
import { isS3, type Location } from './locations.ts';
import { type StorageSettings, storageSettingsSchema } from './settings.ts';
import type { ByteSource, ObjectFacts, Storage } from './storage.ts';

let settings: StorageSettings = storageSettingsSchema.parse({});
let s3: Promise<Storage> | null = null;

/**
 * Makes settings those of this process: readers of shards know locations, and not how they are reached. Called where
 * a recipe is read, and in each process that works by it.
 */
export function useStorage(given: StorageSettings): void {
  if (JSON.stringify(given) === JSON.stringify(settings)) return;
  settings = given;
  const before = s3;
  s3 = null;
  before?.then((storage) => storage.close()).catch(() => {});
}

/** The storage that a location is in. What reaches object stores is loaded with the first of them. */
export async function storageOf(location: Location): Promise<Storage> {
  if (!isS3(location)) return fileStorage;
  s3 ??= import('./s3-storage.ts').then(({ createS3Storage }) => createS3Storage(settings));
  return s3;
}

/** An object's facts; null where there is none. */
export async function statObject(location: Location): Promise<ObjectFacts | null> {
  return (await storageOf(location)).stat(location);
}

/** Opens an object for reading by ranges. */
export async function openObject(location: Location): Promise<ByteSource> {
  return (await storageOf(location)).open(location);
}

/** An object's bytes, from its start to its end. */
export async function* streamObject(location: Location): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield* (await storageOf(location)).stream(location);
}
