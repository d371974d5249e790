import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { loadDemo } from '../../src/cli/demo.ts';

let server: Server;
afterEach(() => server.close());

/** An API that is overloaded at first, and then answers each call once it has refused it once. */
async function busyApi(status: number): Promise<{ url: string; seen: string[] }> {
  const refused = new Set<string>();
  const seen: string[] = [];
  server = createServer((request, response) => {
    const key = request.headers['idempotency-key'] as string;
    seen.push(`${request.url} ${key}`);
    request.resume().on('end', () => {
      const first = !refused.has(key);
      refused.add(key);
      response.writeHead(first ? status : 201, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(first ? { detail: 'not now' } : { id: `id-${refused.size}`, enrolled: 12 }),
      );
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

test('the first start waits for a machine that is busy, and asks again under the same key', async () => {
  const { url, seen } = await busyApi(503);
  const demo = await loadDemo({ url, key: 'k', sandbox: {} });
  expect(demo.enrolled).toBe(12);
  const paths = seen.map((one) => one.split(' ')[0]);
  expect(paths.filter((path) => path === '/api/senders')).toHaveLength(2);
  expect(new Set(seen).size).toBe(seen.length / 2);
}, 60_000);

test('what is wrong with the demo itself ends it, with the reason', async () => {
  const { url } = await busyApi(422);
  await expect(loadDemo({ url, key: 'k', sandbox: {} })).rejects.toThrow('/api/senders: not now');
});
