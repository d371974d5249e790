/**
 * One HTTP call under one hard limit, without retries or redirects, that knows whether its request may have left
 * this process: bytes are written only once a connection stands, so everything before is provably nothing.
 */
import http from 'node:http';
import https from 'node:https';
import type { Network } from '../channel.ts';
import { Forbidden, guardedLookup, refusedAddress } from './guard.ts';

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
  /** Nor did any here: the installation does not let anybody reach that address. */
  | { kind: 'forbidden'; reason: string }
  /** The request was written, wholly or in part, and nobody said what became of it. */
  | { kind: 'silent'; reason: string };

export interface Call {
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: string;
  timeout_ms: number;
  /** Of the answer's body; absent: 64 KB. */
  max_answer_bytes?: number;
}

/** Connections of both protocols, kept for the next call, to what the network lets them reach. */
export interface Agent {
  readonly network: Network | undefined;
  readonly http: http.Agent;
  readonly https: https.Agent;
  destroy(): void;
}

export function newAgent(connections: number, network: Network | undefined): Agent {
  const options = { keepAlive: true, maxSockets: connections, maxFreeSockets: connections, timeout: IDLE_MS };
  const plain = new http.Agent(options);
  const sealed = new https.Agent(options);
  return {
    network,
    http: plain,
    https: sealed,
    destroy() {
      plain.destroy();
      sealed.destroy();
    },
  };
}

export function call(agent: Agent, wanted: Call): Promise<Called> {
  const { method, headers, body, timeout_ms } = wanted;
  const url = URL.canParse(wanted.url) ? new URL(wanted.url) : null;
  if (url === null) return Promise.resolve({ kind: 'not_started', reason: 'ERR_INVALID_URL' });
  const why = refusedAddress(url, agent.network);
  if (why !== null) return Promise.resolve({ kind: 'forbidden', reason: why });
  const secure = url.protocol === 'https:';
  const { network } = agent;
  return new Promise((resolve) => {
    let written = false;
    let over = false;
    let request: http.ClientRequest;
    try {
      request = (secure ? https : http).request(url, {
        method,
        agent: secure ? agent.https : agent.http,
        headers,
        ...(network === undefined ? {} : { lookup: guardedLookup(url, network) }),
      });
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
      if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', write);
      else write();
    });
    request.on('error', (error: NodeJS.ErrnoException) =>
      error instanceof Forbidden
        ? end({ kind: 'forbidden', reason: error.message })
        : lost(error.code ?? error.message),
    );
    const most = wanted.max_answer_bytes ?? MAX_ANSWER_BYTES;
    request.on('response', (response) =>
      readAnswer(response, most, (answer) => end({ kind: 'answered', answer })),
    );
  });
}

function readAnswer(response: http.IncomingMessage, most: number, done: (answer: HttpAnswer) => void): void {
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
    if (size > most) finish(false);
    else chunks.push(chunk);
  });
  response.on('end', () => finish(response.complete));
  response.on('error', () => finish(false));
}
