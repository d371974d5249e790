/**
 * One HTTP call under one hard limit, without retries or redirects, that knows whether its request may have left
 * this process: bytes are written only once a connection stands, so everything before is provably nothing.
 */
import http from 'node:http';
import https from 'node:https';

const MAX_ANSWER_BYTES = 64 * 1024;
/** Shorter than servers keep an idle client, so that we are the ones who leave. */
const IDLE_MS = 4_000;

export interface HttpAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** As far as it came; `complete` is false when the connection broke in it. */
  body: string;
  complete: boolean;
}

export type Called =
  | { kind: 'answered'; answer: HttpAnswer }
  /** No byte of the request left this process. */
  | { kind: 'not_started'; reason: string }
  /** The request was written, wholly or in part, and nobody said what became of it. */
  | { kind: 'silent'; reason: string };

export interface Call {
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: string;
  timeout_ms: number;
}

export type Agent = http.Agent;

export function newAgent(url: string, connections: number): Agent {
  const options = { keepAlive: true, maxSockets: connections, maxFreeSockets: connections, timeout: IDLE_MS };
  return url.startsWith('https:') ? new https.Agent(options) : new http.Agent(options);
}

export function call(agent: Agent, wanted: Call): Promise<Called> {
  const { method, url, headers, body, timeout_ms } = wanted;
  return new Promise((resolve) => {
    let written = false;
    let over = false;
    let request: http.ClientRequest;
    try {
      request = (url.startsWith('https:') ? https : http).request(url, { method, agent, headers });
    } catch (error) {
      // An address or a header that HTTP cannot carry.
      resolve({ kind: 'not_started', reason: String((error as NodeJS.ErrnoException).code ?? error) });
      return;
    }
    const end = (called: Called) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      resolve(called);
      if (called.kind !== 'answered' || !called.answer.complete) request.destroy();
    };
    const lost = (reason: string) => end({ kind: written ? 'silent' : 'not_started', reason });
    const timer = setTimeout(() => lost(written ? 'timeout' : 'connect_timeout'), timeout_ms);
    const write = () => {
      if (over) return;
      written = true;
      request.end(body);
    };
    // Nothing is buffered before: a request that has not been ended or flushed writes no header.
    request.on('socket', (socket) => {
      if (socket.connecting) socket.once(url.startsWith('https:') ? 'secureConnect' : 'connect', write);
      else write();
    });
    request.on('error', (error: NodeJS.ErrnoException) => lost(error.code ?? error.message));
    request.on('response', (response) => readAnswer(response, (answer) => end({ kind: 'answered', answer })));
  });
}

function readAnswer(response: http.IncomingMessage, done: (answer: HttpAnswer) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  const finish = (complete: boolean) =>
    done({
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: Buffer.concat(chunks).toString('utf8'),
      complete,
    });
  response.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) finish(false);
    else chunks.push(chunk);
  });
  response.on('end', () => finish(response.complete));
  response.on('error', () => finish(false));
}
