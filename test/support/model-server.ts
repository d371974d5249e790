/** A language model's server that does what the test says: writes, dawdles, fails, or talks rubbish. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  path: string;
  authorization: string | undefined;
  body: { model: string; stream: boolean; messages: { role: string; content: string }[] };
}

export type Behaviour = (response: ServerResponse, asked: Asked) => void | Promise<void>;

export interface ModelServer {
  url: string;
  asked: Asked[];
  behave: Behaviour;
  close(): Promise<void>;
}

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const head = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' });

/** Streams the text, a few characters a chunk, each cut once more in the middle of its line. */
export function writes(text: string, tokens = 120): Behaviour {
  return async (response) => {
    head(response);
    for (const part of text.match(/[\s\S]{1,7}/g) ?? []) {
      const line = Buffer.from(event({ choices: [{ delta: { content: part } }] }));
      const middle = Math.floor(line.length / 2);
      response.write(line.subarray(0, middle));
      await new Promise((resolve) => setImmediate(resolve));
      response.write(line.subarray(middle));
    }
    response.write(event({ choices: [{ delta: {}, finish_reason: 'stop' }] }));
    response.write(event({ choices: [], usage: { total_tokens: tokens } }));
    response.end('data: [DONE]\n\n');
  };
}

/** Begins, and never comes to an end. */
export const dawdles: Behaviour = (response) => {
  head(response).write(event({ choices: [{ delta: { content: 'Well,' } }] }));
};

export const answers =
  (status: number, text = '', type = 'text/html'): Behaviour =>
  (response) => {
    response.writeHead(status, { 'content-type': type, location: '/elsewhere' }).end(text);
  };

export const breaksOff: Behaviour = (response) => {
  head(response).write(event({ choices: [{ delta: { content: 'Half a' } }] }), () => response.destroy());
};

export const stopsShort: Behaviour = (response) => {
  head(response).end(event({ choices: [{ delta: { content: 'Half a' } }] }));
};

/** Never stops talking. */
export const rambles: Behaviour = (response) => {
  head(response);
  const more = () => {
    if (response.destroyed) return;
    const line = event({ choices: [{ delta: { content: 'and so on '.repeat(100) } }] });
    if (response.write(line)) setImmediate(more);
    else response.once('drain', more);
  };
  more();
};

async function read(request: IncomingMessage): Promise<Asked> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const { authorization } = request.headers;
  return {
    path: request.url ?? '',
    authorization,
    body: JSON.parse(Buffer.concat(parts).toString('utf8')),
  };
}

export async function startModelServer(): Promise<ModelServer> {
  const server = createServer((request, response) => {
    void read(request).then((asked) => {
      model.asked.push(asked);
      return model.behave(response, asked);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const model: ModelServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked: [],
    behave: writes('Hello'),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return model;
}
