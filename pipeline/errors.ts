/** What is wrong with what the user asked for, in one line: the program ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What stopped a run from outside, in one line: once it is put right, the run goes on from where it was. */
export class ResumableError extends Error {
  override readonly name = 'ResumableError';
}
