import { isIP } from 'node:net';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { UsageError } from './errors.ts';
import { type FeedSettings, openFeed } from './feed/open-feed.ts';
import { createFeedServer } from './feed/server.ts';

/** How a feed is served. */
export interface ServeSettings extends FeedSettings {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** What clients must send as `Authorization: Bearer`; needed on any address but the loopback ones. */
  readonly token?: string | undefined;
  readonly log: Logger;
}

/** A feed that is being served. */
export interface ServedFeed {
  /** Where it is: `http://127.0.0.1:8080`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Serves a fine-tune's data over HTTP. Throws a {@link UsageError} when it can't be, naming the flag or the key. */
export async function serveFeed(config: Config, settings: ServeSettings): Promise<ServedFeed> {
  const { host, port, token, log } = settings;
  const feed = await openFeed(config, settings);
  try {
    const app = createFeedServer(feed, { log, host, token });
    await app.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`--port: ${host}:${port} can't be listened on: ${error.code ?? error.message}`);
    });
    const address = app.server.address();
    const bound = typeof address === 'object' && address !== null ? address.port : port;
    return {
      url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${bound}`,
      async close() {
        await app.close();
        await feed.close();
      },
    };
  } catch (error) {
    await feed.close();
    throw error;
  }
}
