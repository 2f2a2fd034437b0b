import { spawn } from 'node:child_process';
import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { version } from '../../pipeline/version.ts';
import { temporaryFolder, writeSource } from '../support.ts';

const program = new URL('../../pipeline/cli/assay.js', import.meta.url).pathname;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...flags: string[]) {
  const child = spawn(process.execPath, [program, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (bytes) => {
    said.stdout += bytes;
  });
  child.stderr.on('data', (bytes) => {
    said.stderr += bytes;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, ...said }));
  });
  return { child, ended };
}

const assay = (...flags: string[]): Promise<Ended> => start(...flags).ended;

let folder: string;

async function recipe(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  const image = await sharp({ create: { width: 40, height: 40, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  await writeSource(join(folder, 'in.parquet'), [
    { key: 'good', image, altTexts: ['a red square on a page'], pageLanguage: 'en' },
    {
      key: 'broken',
      image: image.subarray(0, 30),
      altTexts: ['a broken square on a page'],
      pageLanguage: 'en',
    },
  ]);
});

describe('what a person got wrong is one line and exit code 2', () => {
  const refused = async (text: string, ...said: (string | RegExp)[]) => {
    const config = await recipe('wrong.yaml', text);
    const { code, stdout, stderr } = await assay('curate', '--config', config, '--out', join(folder, 'no'));
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    for (const words of [config, ...said]) expect(stderr).toMatch(words);
  };

  it('an unknown key', () => refused('mix: {englisch: 0.9}', 'mix', 'englisch'));
  it('a wrong type', () => refused('seed: many', 'seed', 'number'));
  it('a file that is not YAML', () => refused('seed: [', 'not YAML'));
  it('shards that are not there', () =>
    refused('input: {shards: /no/such.parquet}', 'input.shards', '/no/such'));

  it('an executor that does not exist', () => refused('compute: {provider: tpu}', 'compute.provider'));

  it('a provider that is not there, and what it needs', async () => {
    const config = await recipe(
      'tensorflow.yaml',
      `{input: {shards: ${join(folder, 'in.parquet')}}, teacher: {checkpoint: ${join(folder, 'in.parquet')}},
        compute: {executor: tensorflow, provider: webgpu}}`,
    );
    const { code, stderr } = await assay('curate', '--config', config, '--out', join(folder, 'no'));
    expect(code).toBe(2);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    for (const words of [config, 'compute: ', 'not on webgpu']) expect(stderr).toContain(words);
    expect(await readdir(folder)).not.toContain('no');
  });

  it('a config that is not there', async () => {
    const { code, stderr } = await assay('curate', '--config', '/no/such.yaml', '--out', join(folder, 'no'));
    expect(code).toBe(2);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain('/no/such.yaml');
  });

  it('a flag that is missing, or not a number', async () => {
    const [missing, letters] = await Promise.all([
      assay('curate', '--config', 'x.yaml'),
      assay('sources', 'emoji', '--out', join(folder, 'no'), '--rows', 'many'),
    ]);
    expect([missing.code, letters.code]).toEqual([2, 2]);
    expect(missing.stderr).toContain('--out');
    expect(letters.stderr).toContain('--rows');
  });
});

describe('a run', () => {
  it('with quarantined rows exits 0 and says how many; with --json stdout is one report', async () => {
    const config = await recipe('good.yaml', `input: {shards: ${join(folder, 'in.parquet')}}`);
    const [plain, json] = await Promise.all([
      assay('curate', '--config', config, '--out', join(folder, 'plain')),
      assay('curate', '--config', config, '--out', join(folder, 'json'), '--json'),
    ]);
    expect([plain.code, json.code]).toEqual([0, 0]);
    expect(plain.stdout).toMatch(/^Quarantined: 1 row$/m);
    expect(JSON.parse(json.stdout)).toMatchObject({ read: 2, quarantined: 1, balanced: true });
    await access(join(folder, 'plain', 'report.html'));
  });

  it('stops on Ctrl-C, and leaves nothing that looks whole', async () => {
    const out = join(folder, 'interrupted');
    const { child, ended } = start('sources', 'emoji', '--rows', '50000', '--out', out);
    const begun = async () => (await readdir(join(out, 'shards')).catch(() => [])).length > 0;
    while (!(await begun()) && child.exitCode === null) await delay(50);
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain('stopped');
    expect(await readdir(out)).toEqual([]);
  });
});

describe('the program', () => {
  it('says its version, and lists its commands', async () => {
    const [short, help] = await Promise.all([assay('--version'), assay('--help')]);
    expect([short.code, help.code]).toEqual([0, 0]);
    expect(short.stdout.trim()).toBe(version);
    for (const command of ['demo', 'sources', 'curate', 'distill', 'teach', 'doctor']) {
      expect(help.stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    }
  });

  it('examines itself: what is there, and how to get what is not', async () => {
    const { code, stdout } = await assay('doctor', '--json');
    expect(code).toBe(0);
    const findings: { what: string; found: string; ok: boolean; advice?: string }[] =
      JSON.parse(stdout).findings;
    const named = (name: string) => findings.find(({ what }) => what.startsWith(name));
    expect(named('onnxruntime-node')?.found).toContain('cpu');
    expect(Number(named('threads')?.found)).toBeGreaterThan(0);
    expect(named('sharp')?.ok).toBe(true);
    expect(named('node')?.found).toBe(process.version);
    expect(named('executor onnx on cpu')).toMatchObject({ found: 'starts', ok: true });
    for (const one of ['executor onnx on webgpu', 'executor onnx on cuda', 'executor tensorflow']) {
      const finding = named(one);
      // There and started, or not, with the reason and the way to get it.
      const said = `${finding?.found} ${finding?.advice}`;
      expect(said, one).toMatch(/^starts |^not there \(optional\): .+(npm|apt) /);
    }
    const eager = named('@tensorflow/tfjs-node-gpu');
    expect(eager?.advice ?? eager?.found).toBeTruthy();
  });

  it('is named in the table of commands that people read', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
    const { stdout } = await assay('--help');
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)]
      .map(([, name]) => name)
      .filter((name) => name !== 'help');
    expect(commands.length).toBeGreaterThan(5);
    for (const command of commands) expect(readme).toContain(`assay ${command}`);
  });
});
