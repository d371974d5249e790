/**
 * A gate of our own before the database, one a process: its connections can be cut, held up, or cut just when an answer
 * comes back, so that a COMMIT has happened and nobody was told.
 */

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

export interface DatabaseProxy {
  readonly port: number;
  cut(how: 'now' | 'lose_reply'): void;
  stall(ms: number): void;
  stop(): Promise<void>;
}

interface Link {
  client: Socket;
  server: Socket;
  /** The next answer is thrown away, and the link with it. */
  losing: boolean;
}

/** `upstream`: the database's port now; it may change when it is started again. */
export async function startDatabaseProxy(upstream: () => number): Promise<DatabaseProxy> {
  const links = new Set<Link>();
  let stalled: NodeJS.Timeout | null = null;
  const server = createServer((client) => {
    const link: Link = { client, server: connect(upstream(), '127.0.0.1'), losing: false };
    links.add(link);
    join(link, () => links.delete(link));
    if (stalled) hold(link);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut(how) {
      for (const link of links) {
        if (how === 'now') sever(link);
        else link.losing = true;
      }
    },
    stall(ms) {
      if (stalled) return;
      for (const link of links) hold(link);
      stalled = setTimeout(() => {
        stalled = null;
        for (const link of links) {
          link.client.resume();
          link.server.resume();
        }
      }, ms);
    },
    async stop() {
      if (stalled) clearTimeout(stalled);
      for (const link of links) sever(link);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function join(link: Link, gone: () => void): void {
  const { client, server } = link;
  const over = () => {
    sever(link);
    gone();
  };
  for (const socket of [client, server]) {
    socket.setNoDelay(true);
    socket.on('error', over);
    socket.on('close', over);
  }
  client.on('data', (bytes) => {
    if (!server.write(bytes)) client.pause();
  });
  server.on('drain', () => client.resume());
  client.on('drain', () => server.resume());
  server.on('data', (bytes) => {
    if (link.losing) sever(link);
    else if (!client.write(bytes)) server.pause();
  });
}

function hold({ client, server }: Link): void {
  client.pause();
  server.pause();
}

function sever({ client, server }: Link): void {
  client.destroy();
  server.destroy();
}
