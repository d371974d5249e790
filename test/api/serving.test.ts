/** Pages, rates, probes, the description: what every resource has in common. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HealthCheck } from '../../src/api/health-check.ts';
import { buildServer } from '../../src/api/server.ts';
import { Database } from '../../src/db/database.ts';
import { request, setup, type World } from './world.ts';

const checks: HealthCheck[] = [
  { name: 'fine', about: 'Nothing', run: async () => ({ status: 'ok', detail: 'All well' }) },
  {
    name: 'slow-steps',
    about: 'Slow steps',
    run: async (_db, ctx) => ({ status: 'warn', detail: 'One is slow', data: { org: ctx.org } }),
  },
  { name: 'broken', about: 'Breaks', run: () => Promise.reject(new Error('no such table')) },
];

interface Shape {
  type?: string;
  additionalProperties?: unknown;
}

interface Operation {
  'x-scope'?: string;
  responses: object;
  parameters?: { in: string; name: string; schema?: object }[];
  requestBody?: { content: Record<string, { schema: Shape & { anyOf?: Shape[] } }> };
}

let world: World;
beforeAll(async () => {
  world = await setup({ checks, config: { rate_limit_per_minute: 60 } });
});
afterAll(() => world?.close());

describe('pages', () => {
  test('walk through everything once, whatever is added meanwhile', async () => {
    const org = await world.newOrg('Paged');
    const names = Array.from({ length: 7 }, (_, i) => `key ${i}`);
    for (const name of names) await world.newKey({ ...org, id: org.id }, 'viewer').then(() => name);
    const seen: string[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const query: string = cursor === null ? '?limit=3' : `?limit=3&cursor=${cursor}`;
      const { body } = await world.call('GET', `/api/api-keys${query}`, { key: org.key });
      seen.push(...body.items.map((one: { id: string }) => one.id));
      cursor = body.next_cursor;
      if (++pages === 1) await world.newKey(org, 'viewer');
    } while (cursor !== null);
    expect(pages).toBe(3);
    expect(seen).toHaveLength(8);
    expect(new Set(seen).size).toBe(8);
  });
});

describe('rates', () => {
  test('a key that asks too often is told when to come back; others are not touched', async () => {
    const { key } = await world.newKey(world.org, 'viewer');
    const first = await world.call('GET', '/api/members', { key });
    expect(first.headers.get('ratelimit-limit')).toBe('60');
    expect(first.headers.get('ratelimit-remaining')).toBe('59');
    const replies = await Promise.all(
      Array.from({ length: 60 }, () => world.call('GET', '/api/members', { key })),
    );
    const refused = replies.filter((one) => one.status === 429);
    expect(refused).toHaveLength(1);
    expect(refused[0]!.body).toMatchObject({ code: 'rate_limited', status: 429 });
    expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await world.call('GET', '/api/members')).status).toBe(200);
  });
});

describe('probes', () => {
  test('[OPS-4] a process with its database is alive, ready and measured', async () => {
    expect((await world.call('GET', '/livez', { key: null })).status).toBe(200);
    expect(await world.call('GET', '/readyz', { key: null })).toMatchObject({
      status: 200,
      body: { status: 'ok' },
    });
    const { text } = await world.call('GET', '/metrics', { key: null });
    expect(text).toContain('process_resident_memory_bytes');
    expect(text).toMatch(
      /http_request_duration_seconds_count\{method="GET",route="\/readyz",status="200"\} [1-9]/,
    );
  });

  test('[OPS-4] without its database it is alive, not ready, and says 503 to callers', async () => {
    const db = new Database({ url: 'postgres://nobody:x@127.0.0.1:1/none', max: 1 });
    const app = await buildServer({ ...world.deps, db });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    try {
      expect((await request(url, 'GET', '/livez', {})).status).toBe(200);
      expect((await request(url, 'GET', '/readyz', {})).status).toBe(503);
      const reply = await request(url, 'GET', '/api/members', { key: world.org.key });
      expect([reply.status, reply.body.code]).toEqual([503, 'unavailable']);
      expect(reply.headers.get('retry-after')).toBe('1');
      expect(reply.text).not.toContain('127.0.0.1:1');
    } finally {
      await app.close();
      await db.close();
    }
  });
});

describe('overload', () => {
  /** Nothing else runs meanwhile: no timer fires, and nothing is measured. */
  const block = (ms: number) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };

  test('[OPS-5] a second in which nothing could be measured is no overload', async () => {
    for (let round = 0; round < 4; round++) {
      block(1_050);
      // The sample is taken at the end of the block, before anything was measured; the request comes right behind it.
      expect((await world.call('GET', '/api/members')).status).toBe(200);
    }
  });
});

describe('health', () => {
  test('[OPS-4] runs every check, tells the worst, and a broken one hides nothing', async () => {
    const { body } = await world.call('GET', '/api/health');
    expect(body.status).toBe('fail');
    expect(body.checks.map((one: { name: string; status: string }) => [one.name, one.status])).toEqual([
      ['fine', 'ok'],
      ['slow-steps', 'warn'],
      ['broken', 'fail'],
    ]);
    expect(JSON.stringify(body)).not.toContain('no such table');
    const one = await world.call('GET', '/api/health/slow-steps');
    expect(one.body).toMatchObject({ status: 'warn', data: { org: world.org.id } });
    expect((await world.call('GET', '/api/health/none')).status).toBe(404);
  });
});

describe('the description', () => {
  test('is served to anybody, and its page brings its own script and asks no other host', async () => {
    const api = await world.call('GET', '/api/openapi.json', { key: null });
    expect(api.body).toMatchObject({ openapi: '3.1.0', info: { title: 'Cadenza' } });
    const page = await world.call('GET', '/api/docs', { key: null });
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(page.text).not.toMatch(/(src|href)="https?:/);
    const script = /src="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const loaded = await world.call('GET', new URL(script, `${world.url}/api/docs/`).pathname, { key: null });
    expect(loaded.headers.get('content-type')).toContain('javascript');
  });

  test('every described write takes an Idempotency-Key, and every call tells its refusals', async () => {
    const { body } = await world.call('GET', '/api/openapi.json', { key: null });
    for (const [path, methods] of Object.entries<Record<string, Operation>>(body.paths))
      for (const [method, operation] of Object.entries(methods)) {
        if (operation['x-scope'] === undefined) continue;
        const statuses = Object.keys(operation.responses);
        expect(statuses, `${method} ${path}`).toEqual(
          expect.arrayContaining(['400', '401', '403', '429', '500', '503']),
        );
        const headers = (operation.parameters ?? []).filter((one) => one.in === 'header');
        expect(headers.length, `${method} ${path}`).toBe(method === 'get' ? 0 : 1);
      }
  });

  test('[OPS-6] every input has a schema: each part of a path, each query, each body, and none takes what it does not name', async () => {
    const { body } = await world.call('GET', '/api/openapi.json', { key: null });
    let bodies = 0;
    for (const [path, methods] of Object.entries<Record<string, Operation>>(body.paths))
      for (const [method, { parameters = [], requestBody }] of Object.entries(methods)) {
        const named = parameters.filter((one) => one.in === 'path').map((one) => one.name);
        expect(named.sort(), `${method} ${path}`).toEqual(
          [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort(),
        );
        for (const { name, schema = {} } of parameters)
          expect(Object.keys(schema).length, `${method} ${path} ${name}`).toBeGreaterThan(0);
        for (const [type, { schema }] of Object.entries(requestBody?.content ?? {})) {
          bodies++;
          if (type !== 'application/json') continue;
          for (const shape of schema.anyOf ?? [schema])
            expect(shape.additionalProperties, `${method} ${path}`).toBe(false);
        }
      }
    expect(bodies).toBeGreaterThan(20);
  });

  test('answers of the API are not to be framed or sniffed', async () => {
    const { headers } = await world.call('GET', '/api/members');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  });
});
