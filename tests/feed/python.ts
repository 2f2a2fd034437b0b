import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Where PyTorch and pyarrow are in an environment of their own, its interpreter. */
export const python = process.env.ASSAY_PYTHON ?? 'python3';

/** Runs Python. */
export const runPython = (args: readonly string[]) => promisify(execFile)(python, args);

/** Why Python can't import these modules; null where it can. */
export const missing = (modules: string): Promise<string | null> =>
  runPython(['-c', `import ${modules}`]).then(
    () => null,
    (error: Error) => error.message.trim().split('\n').at(-1) ?? 'it failed',
  );
