/**
 * Asks and commands for the sink from other processes: loopback HTTP with a bearer token. Workers look messages
 * up here, tests set faults here.
 *
 * GET /messages?message_id=&touch_id=&idempotency_key=&to=&after=&limit=  → {items, next_after, count}
 * GET /messages/:seq → the parsed message · GET /messages/:seq/raw → its source
 * PUT /faults (a fault or a list of them) · DELETE /faults
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { FaultsSchema } from './faults.ts';
import type { Sink } from './sink.ts';

const MAX_BODY_BYTES = 64 * 1024;

const Query = z.strictObject({
  message_id: z.string().max(500).optional(),
  touch_id: z.string().max(200).optional(),
  idempotency_key: z.string().max(300).optional(),
  to: z.string().max(500).optional(),
  after: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
});

export interface SinkHttp {
  readonly url: string;
  stop(): Promise<void>;
}

export async function startSinkHttp(
  sink: Sink,
  options: { token: string; port?: number; host?: string },
): Promise<SinkHttp> {
  const expected = digest(`Bearer ${options.token}`);
  const server = createServer((request, response) => {
    answer(sink, expected, request).then(
      (reply) => write(response, reply),
      () => write(response, problem(500, 'The sandbox failed.')),
    );
  });
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Reply {
  status: number;
  type: string;
  body: string | Buffer;
}

const json = (status: number, body: unknown): Reply => ({
  status,
  type: 'application/json',
  body: JSON.stringify(body),
});
const problem = (status: number, detail: string): Reply => json(status, { status, detail });
const NOT_FOUND = problem(404, 'No such path or message.');

function write(response: ServerResponse, { status, type, body }: Reply): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

async function answer(sink: Sink, expected: Buffer, request: IncomingMessage): Promise<Reply> {
  if (!timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) {
    return problem(401, 'Send Authorization: Bearer <token>.');
  }
  const url = new URL(request.url ?? '/', 'http://sink');
  const method = request.method ?? 'GET';
  if (url.pathname === '/faults') return faults(sink, method, request);
  if (method !== 'GET') return problem(405, 'Only GET here.');
  if (url.pathname === '/messages') return list(sink, url.searchParams);
  const one = /^\/messages\/(\d{1,15})(\/raw)?$/.exec(url.pathname);
  if (!one) return NOT_FOUND;
  if (one[2]) {
    const raw = await sink.raw(Number(one[1]));
    return raw ? { status: 200, type: 'message/rfc822', body: raw } : NOT_FOUND;
  }
  const found = await sink.get(Number(one[1]));
  return found ? json(200, { ...found.entry, text: found.email.text, html: found.email.html }) : NOT_FOUND;
}

async function list(sink: Sink, params: URLSearchParams): Promise<Reply> {
  const query = Query.safeParse(Object.fromEntries(params));
  if (!query.success) return problem(400, z.prettifyError(query.error));
  const items = await sink.list(query.data);
  return json(200, { items, next_after: items.at(-1)?.seq ?? null, count: sink.count() });
}

async function faults(sink: Sink, method: string, request: IncomingMessage): Promise<Reply> {
  if (method === 'DELETE') {
    sink.faults.clear();
    return json(200, {});
  }
  if (method !== 'PUT') return problem(405, 'Only PUT and DELETE here.');
  const body = await readBody(request);
  const parsed = body === null ? null : FaultsSchema.safeParse(body);
  if (!parsed?.success)
    return problem(400, parsed ? z.prettifyError(parsed.error) : 'Send a small JSON body.');
  sink.faults.set(parsed.data);
  return json(200, {});
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return null;
  }
}

/** Equal lengths for the constant-time comparison. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
