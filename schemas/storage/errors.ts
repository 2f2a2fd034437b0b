import { redact } from '../redact.ts';

/** What is wrong: nothing there, not what it was, no leave, no answer after every retry, or anything else. */
export type StorageProblem = 'missing' | 'changed' | 'denied' | 'unavailable' | 'failed';

/**
 * What went wrong where bytes are kept, as opposed to what is wrong with them. It ends a run, which can be gone on
 * with: data that couldn't be asked for isn't bad data. Its message names the object, the range where there is one,
 * and what to do next, and holds no secret.
 */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly problem: StorageProblem;

  constructor(problem: StorageProblem, message: string) {
    super(redact(message));
    this.problem = problem;
  }
}

/** For a promise's `catch`: null for any error but the storage's own, which is thrown on. */
export function nullUnlessStorage(error: unknown): null {
  throwStorageError(error);
  return null;
}

/** Throws an error of the storage on; for where other errors are taken for bad data. */
export function throwStorageError(error: unknown): void {
  if (error instanceof StorageError) throw error;
}
