/** What is wrong with what the user asked for, in one line: the program ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
