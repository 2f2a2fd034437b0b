import { rm } from 'node:fs/promises';
import { sharedFolder } from './demo-run.ts';

/** Removes what the test files of a run share, once they are through. */
export async function teardown(): Promise<void> {
  await rm(sharedFolder(process.pid), { recursive: true, force: true });
}
