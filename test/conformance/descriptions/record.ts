/**
 * Between an adapter and the sandbox: passes each call on as it is and keeps what went over the wire, both ways. In: the
 * sandbox's port. Out: the exchanges of one provider, with paths as they would stand behind the provider's own host.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Exchange } from './judge.ts';

export interface Recorder {
  port: number;
  /** What was kept since the last time, and forgets it. */
  take(): Exchange[];
  stop(): Promise<void>;
}

export async function startRecorder(port: number): Promise<Recorder> {
  let kept: Exchange[] = [];
  const server = http.createServer((request, response) => {
    void pass(port, request, response).then((exchange) => kept.push(exchange));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    take() {
      const taken = kept;
      kept = [];
      return taken;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function pass(
  port: number,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<Exchange> {
  const body = await bodyOf(request);
  const { method = 'GET', headers } = request;
  const target = request.url ?? '/';
  const answer = await forward({ port, method, target, headers, body });
  const url = new URL(target, 'http://provider');
  // Kept before the caller is answered: whoever has the answer finds the exchange.
  const exchange = {
    method,
    path: url.pathname,
    query: url.search.slice(1),
    headers: plain(headers),
    body: body.toString('utf8'),
    answer: {
      status: answer.status,
      headers: plain(answer.headers),
      body: answer.body.toString('utf8'),
    },
  };
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body);
  return exchange;
}

interface Forwarded {
  port: number;
  method: string;
  target: string;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** With the caller's own `host`, which a signature may cover. */
function forward({ port, method, target, headers, body }: Forwarded) {
  return new Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Buffer }>(
    (resolve, reject) => {
      const call = http.request({ host: '127.0.0.1', port, method, path: target, headers }, (answer) => {
        bodyOf(answer).then(
          (answered) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answered }),
          reject,
        );
      });
      call.on('error', reject);
      call.end(body);
    },
  );
}

async function bodyOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function plain(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
}
