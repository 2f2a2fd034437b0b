import { execFile } from 'node:child_process';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const program = fileURLToPath(new URL('../pipeline/cli/assay.js', import.meta.url));

/** The folder that the test files of one run share; the process that started them removes it. */
export function sharedFolder(pid: number): string {
  return join(tmpdir(), `assay-tests-${pid}`);
}

/** Waits at the most this long for a run that another process makes, in seconds. */
const patience = 280;

/** For hooks that wait for {@link demoRun}, in milliseconds. */
export const demoTimeout = 300_000;

/**
 * A real run of the demo, small: pool, curation and distillation. It is made once for all test files, which run in
 * processes of their own; not to be written to. `ASSAY_TEST_DEMO`
 * names one that is there already.
 */
export async function demoRun(): Promise<string> {
  if (process.env.ASSAY_TEST_DEMO) return process.env.ASSAY_TEST_DEMO;
  const shared = sharedFolder(process.ppid);
  const ready = join(shared, 'demo');
  await mkdir(shared, { recursive: true });
  const first = await mkdir(join(shared, 'making')).then(
    () => true,
    () => false,
  );
  if (first) {
    const made = join(shared, 'made');
    try {
      await promisify(execFile)(process.execPath, [
        program,
        ...['demo', '--out', made, '--rows', '800', '--steps', '6'],
      ]);
      await rename(made, ready);
    } catch (error) {
      await rm(join(shared, 'making'), { recursive: true });
      throw error;
    }
  }
  for (let waited = 0; waited < patience; waited += 1) {
    if (
      await access(ready).then(
        () => true,
        () => false,
      )
    )
      return ready;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error(`the demo's run is not at ${ready}: its maker failed, or took too long`);
}
