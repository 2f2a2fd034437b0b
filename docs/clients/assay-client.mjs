// A client of `assay feed` for Node: needs the package apache-arrow. See docs/feed.md.
import { connect } from 'node:net';
import {
  Field,
  FixedSizeList,
  Float32,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromIPC,
  tableToIPC,
} from 'apache-arrow';

const arrowType = 'application/vnd.apache.arrow.stream';

export class Feed {
  constructor(url, { token, rank = 0, world = 1, retries = 60 } = {}) {
    Object.assign(this, { url, token, rank, world, retries, hidesLengths: false });
  }

  /** Feed's state: the next step, sizes, the learner. */
  async status() {
    return (await this.request('GET', '/v1/status')).json();
  }

  /** A step's candidates as an Arrow table; options: image, side, patch, length, teacher. */
  async superBatch(step, options = {}) {
    return this.table('/v1/super-batches', { step, ...this.slice(), ...options });
  }

  /** A step's selected batch, this rank's slice of it, as an Arrow table. */
  async batch(step, options = {}) {
    return this.table('/v1/batches', { step, ...this.slice(), ...options });
  }

  /** Selects by the learner's unit rows: images and texts are Float32Array [B * d] of this rank's slice. */
  async select(step, { images, texts, dimension, scale, bias }) {
    const body = embeddingsBody(images, texts, dimension);
    const answer = await this.request(
      'POST',
      '/v1/selections',
      { step, ...this.slice(), scale, bias },
      body,
      arrowType,
    );
    return tableFromIPC(new Uint8Array(await answer.arrayBuffer()));
  }

  /** Puts a tar of the learner's ONNX export, as Uint8Array. */
  async putLearner(step, tar, { scale, bias } = {}) {
    return (await this.request('PUT', '/v1/learner', { step, scale, bias }, tar, 'application/x-tar')).json();
  }

  slice() {
    return this.world > 1 ? { rank: this.rank, world: this.world } : {};
  }

  async table(path, query) {
    const answer = await this.request('GET', path, query);
    return tableFromIPC(new Uint8Array(await answer.arrayBuffer()));
  }

  /** Asks; while nobody answers (the feed is being started again) or it is busy it asks again, twice a second. */
  async request(method, path, query = {}, body, type) {
    const known = Object.entries(query).filter(([, value]) => value !== undefined);
    const url = `${this.url}${path}?${new URLSearchParams(known.map(([name, value]) => [name, String(value)]))}`;
    const headers = headersOf(this.token, type);
    const isPlain = path === '/v1/super-batches' && url.startsWith('http:') && !isDecoded(query.image);
    const ask = async () => {
      if (isPlain && !this.hidesLengths) {
        const answer = await get(url, headers);
        if (answer.arrayBuffer) return answer;
        // A proxy that passes on what it has yet to read: it does so with the next answer too.
        this.hidesLengths = answer.ok;
      }
      return fetch(url, { method, headers, body });
    };
    for (let attempt = 0; ; attempt += 1) {
      const answer = await ask().catch((error) => error);
      if (answer instanceof Error) {
        if (attempt >= this.retries) throw answer;
        await new Promise((resolve) => setTimeout(resolve, 500));
        continue;
      }
      if (answer.ok) return answer;
      const { error } = await answer.json().catch(() => ({ error: answer.statusText }));
      if (answer.status === 503 && attempt < this.retries) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        continue;
      }
      throw new Error(`${method} ${path}: ${answer.status}: ${error}`);
    }
  }
}

/** The headers of a request. Throws when the token can't be in one; spaces and line breaks around it are left out. */
function headersOf(token, type) {
  const headers = new Headers(type ? { 'content-type': type } : {});
  try {
    if (token) headers.set('authorization', `Bearer ${token}`);
  } catch {
    // What fetch says of it would show it.
    throw new Error("the token can't be sent: it has a line break or another character that no header has");
  }
  return headers;
}

/** Whether the feed decodes images for an answer: then it can't tell its length beforehand. */
const isDecoded = (image = 'encoded') => image !== 'encoded' && image !== 'none';

const idleMilliseconds = 300_000;
const mostHeadBytes = 65_536;

/**
 * What fetch does, for answers that tell their length: the bytes of a super-batch go from the socket to where they stay,
 * where fetch would make several copies of each, and leave them to be collected. Of an answer that doesn't it gives the
 * status alone.
 */
function get(url, headers) {
  const { hostname, port, host, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    let status = 0;
    let bytes = null;
    let at = 0;
    const take = (piece) => {
      bytes.set(piece.subarray(0, bytes.length - at), at);
      at = Math.min(bytes.length, at + piece.length);
      if (at < bytes.length) return;
      socket.destroy();
      const json = async () => JSON.parse(Buffer.from(bytes).toString());
      resolve({ ok: status === 200, status, statusText: '', json, arrayBuffer: async () => bytes.buffer });
    };
    const readHead = (piece) => {
      head = Buffer.concat([head, piece]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 && head.length < mostHeadBytes) return;
      const text = head.toString('latin1', 0, end);
      const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
      status = Number(text.split(' ', 2)[1]);
      if (length === undefined) {
        socket.destroy();
        resolve({ ok: status === 200, status });
        return;
      }
      // Not cleared first: it is written from end to end.
      bytes = new Uint8Array(Buffer.allocUnsafeSlow(Number(length)).buffer);
      take(head.subarray(end + 4));
    };
    const onread = {
      buffer: Buffer.allocUnsafeSlow(262_144),
      callback(count, buffer) {
        try {
          (bytes ? take : readHead)(buffer.subarray(0, count));
        } catch (error) {
          socket.destroy(error);
        }
        return true;
      },
    };
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80), onread });
    socket.setTimeout(idleMilliseconds, () => socket.destroy(new Error(`${host} says nothing`)));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`the answer of ${host} was cut short`)));
    const lines = [['host', host], ['connection', 'close'], ...headers].map(
      ([name, value]) => `${name}: ${value}`,
    );
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  });
}

/** The body of a selection: columns `image` and `text`, fixed-size lists of float32, without copies of the numbers. */
export function embeddingsBody(images, texts, dimension) {
  const type = new FixedSizeList(dimension, new Field('item', new Float32(), false));
  const rows = images.length / dimension;
  const column = (values) => {
    const child = makeData({ type: new Float32(), length: values.length, data: values });
    return makeData({ type, length: rows, nullCount: 0, child });
  };
  const fields = [new Field('image', type, false), new Field('text', type, false)];
  const data = makeData({
    type: new Struct(fields),
    length: rows,
    nullCount: 0,
    children: [column(images), column(texts)],
  });
  return tableToIPC(new Table([new RecordBatch(new Schema(fields), data)]), 'stream');
}
