import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { FlowJob } from 'bullmq';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { freezeRun } from '../../pipeline/curation/plan/freeze.ts';
import type { FrozenRun } from '../../pipeline/curation/plan/plan-files.ts';
import { openGate } from '../../pipeline/engines/bullmq/advance.ts';
import { temporaryFolder, writeSource } from '../support.ts';
import { sourceRows } from './conformance.ts';

let folder: string;
let run: FrozenRun;

/** Opens the gate of the run as it is called, and gives what was enqueued. */
async function opened(name: string, roots: readonly string[] = [], more: object = {}): Promise<FlowJob[]> {
  const added: FlowJob[] = [];
  const flows = { add: async (flow: FlowJob) => ({ job: added.push(flow) }) as never };
  await openGate({ run: name, plan: run.plan.hash, token: '0'.repeat(16), step: 0, ...more }, flows, roots);
  return added;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder, 'in'));
  await writeSource(join(folder, 'in', 'a.parquet'), await sourceRows(10));
  const config = parseConfig(`input: {shards: ${JSON.stringify(join(folder, 'in'))}}`, 'test.yaml');
  run = await freezeRun(config, join(folder, 'export', 'run'), 'test.yaml');
  await symlink(join(folder, 'export'), join(folder, 'runs'));
});

describe('a gate', () => {
  it('is followed by what comes next, by the path that every machine was told', async () => {
    const link = join(folder, 'runs', 'run');
    const [flow, ...others] = await opened(link, [join(folder, 'export')]);
    expect(others).toEqual([]);
    expect(flow?.data).toMatchObject({ run: link, step: 1 });
    expect(flow?.children?.map(({ data }) => data)).toEqual(
      run.tasks('admit').map(({ id }) => ({ run: link, plan: run.plan.hash, phase: 'admit', task: id })),
    );
  });

  it('leads to no folder but those under the roots, and to no other plan', async () => {
    const [link, inside] = [join(folder, 'runs', 'run'), join(folder, 'in')];
    await expect(opened(link, [inside])).rejects.toThrow(/not under a --root/);
    await expect(opened(link, [], { plan: '0'.repeat(64) })).rejects.toThrow(/its plan isn't the one/);
    await expect(opened(link, [], { step: -1 })).rejects.toThrow('no gate of a run');
  });
});
