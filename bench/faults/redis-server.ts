import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** A Redis of a test's own: its append-only file outlives it. */
export interface RedisServer {
  readonly url: string;
  /** SIGKILLs it; what it had written down is there for {@link RedisServer.start}. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it and removes what it wrote. */
  close(): Promise<void>;
}

/** Why tests with a Redis can't run here; null where they can. */
export function redisMissing(): string | null {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    const why =
      'redis-server is not installed (apt-get install redis-server): tests with a real Redis are skipped';
    process.stderr.write(`${why}\n`);
    return why;
  }
}

/** Starts a Redis on a free port, with a password where one is given, that writes down every command before it answers. */
export async function startRedis(password?: string): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-redis-'));
  const port = await freePort();
  let server: ChildProcess | null = null;
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  const written = ['--appendonly', 'yes', '--appendfsync', 'always'];
  const start = async () => {
    server = spawn('redis-server', [...flags, ...written, ...(password ? ['--requirepass', password] : [])], {
      stdio: 'ignore',
    });
    for (let tries = 0; !(await answers(port)); tries += 1) {
      if (tries > 200) throw new Error(`no Redis answers at port ${port}`);
      await wait(25);
    }
  };
  const kill = async () => {
    const running = server;
    server = null;
    if (running === null || running.exitCode !== null) return;
    running.kill('SIGKILL');
    await once(running, 'exit');
  };
  await start();
  return {
    url: `redis://${password ? `:${password}@` : ''}127.0.0.1:${port}`,
    start,
    kill,
    async close() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a port is a number');
  return address.port;
}

async function answers(port: number): Promise<boolean> {
  const socket: Socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.write('PING\r\n');
    // With a password it answers that one is missing: it is there all the same.
    const [answer] = await once(socket, 'data');
    return !String(answer).startsWith('-LOADING');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
