import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { curate } from '../../pipeline/curate.ts';
import { freezeRun } from '../../pipeline/curation/plan/freeze.ts';
import { inlineEngine } from '../../pipeline/engines/inline.ts';
import { temporaryFolder } from '../support.ts';
import { outputsOf, poolConfig, quietRun, writePool } from './pool.ts';

const execute = promisify(execFile);
const root = new URL('../../', import.meta.url).pathname;
const shares = 3;

let folder: string;
let shards: string[];
let expected: Record<string, string>;
let blocks: string[];

const frozen = async (name: string) =>
  (await freezeRun(poolConfig(shards), join(folder, name), 'test.yaml')).folder;
const block = (start: string): string => {
  const found = blocks.find((text) => text.startsWith(start));
  if (found === undefined) throw new Error(`docs/operations.md has no block that begins with ${start}`);
  return found;
};

/** Runs a command where `npx assay` is this checkout's, and `sbatch` what it is told to be. */
const inCluster = (command: readonly [string, ...string[]], variables: Record<string, string>) =>
  execute(command[0], command.slice(1), {
    cwd: folder,
    env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}`, ...variables },
  });

async function writeProgram(name: string, text: string): Promise<void> {
  await writeFile(join(folder, 'bin', name), text);
  await chmod(join(folder, 'bin', name), 0o755);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder, 'bin'));
  const program = join(root, 'pipeline/cli/assay.js');
  await writeProgram('npx', `#!/bin/sh\nshift\nexec ${process.execPath} ${program} "$@"\n`);
  shards = await writePool(join(folder, 'in'), [30, 20, 40]);
  await curate(poolConfig(shards), join(folder, 'inline'), { ...quietRun(), engine: inlineEngine() });
  expected = await outputsOf(join(folder, 'inline'));
  const text = await readFile(join(root, 'docs/operations.md'), 'utf8');
  blocks = [...text.matchAll(/```\w+\n([\s\S]*?)```/g)].map(([, body]) => body ?? '');
  await writeFile(join(folder, 'curate.sbatch'), block('#!/bin/bash\n#SBATCH'));
});

describe('the example for Slurm', () => {
  const task = (run: string, index: number, of: number) => ({
    RUN: run,
    SLURM_ARRAY_TASK_ID: String(index),
    SLURM_ARRAY_TASK_COUNT: String(of),
    SLURM_CPUS_PER_TASK: '1',
  });

  it('comes to the bytes of one process, its tasks side by side', async () => {
    const run = await frozen('slurm');
    await Promise.all(
      Array.from({ length: shares }, (_, i) => inCluster(['bash', 'curate.sbatch'], task(run, i, shares))),
    );
    expect(await outputsOf(run)).toEqual(expected);
  }, 240_000);

  it('comes to them as an array a phase, each submitted after the one before it', async () => {
    const run = await frozen('phases');
    // Starts the two tasks of an array once the job that it waits for is over, as Slurm would; its number is all it says.
    await writeProgram(
      'sbatch',
      `#!/bin/bash
set -e
number=$(($(cat jobs 2> /dev/null | wc -l) + 1))
after=none
while [[ $1 == --* ]]; do
  [[ $1 == --dependency=* ]] && after=\${1#--dependency=afterok:}
  shift
done
for index in 0 1; do
  SLURM_ARRAY_TASK_ID=$index bash "$@" >&2 &
  tasks+=($!)
done
for task in "\${tasks[@]}"; do wait "$task"; done
echo "$number after $after: \${*:2}" >> jobs
echo "$number"
`,
    );
    await inCluster(['bash', '-ec', block('for phase in')], task(run, 0, 2));
    const phases = ['admit', 'rank', 'pairs', 'decide', 'finish', 'commit'];
    expect((await readFile(join(folder, 'jobs'), 'utf8')).trimEnd().split('\n')).toEqual(
      phases.map((phase, i) => `${i + 1} after ${i === 0 ? 'none' : i}: --phase ${phase}`),
    );
    expect(await outputsOf(run)).toEqual(expected);
  }, 240_000);
});

describe('the example for Kubernetes', () => {
  it('comes to the bytes of one process, its pods side by side', async () => {
    const run = await frozen('pods');
    // As many as this machine holds, and where the volume would be mounted.
    const text = block('apiVersion: batch/v1')
      .replace(/\b16\b/g, String(shares))
      .replace('/runs/mine', run);
    const { spec } = parseYaml(text);
    expect(spec).toMatchObject({ completionMode: 'Indexed', completions: shares, parallelism: shares });
    const [{ command }] = spec.template.spec.containers;
    const pods = Array.from({ length: spec.completions }, (_, i) =>
      inCluster(command, { JOB_COMPLETION_INDEX: String(i) }),
    );
    await Promise.all(pods);
    expect(await outputsOf(run)).toEqual(expected);
  }, 240_000);
});
