/** Whatever is sent, the answer is a problem document that says what was wrong: never a 500. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROBLEMS } from '../../src/kernel/problem.ts';
import { type Reply, setup, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await setup();
});
afterAll(() => world?.close());

function expectProblem(reply: Reply, code: keyof typeof PROBLEMS, field?: string): void {
  expect(reply.text).toContain(code);
  expect(reply.status).toBe(PROBLEMS[code].status);
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  expect(reply.body).toMatchObject({
    type: `urn:cadenza:problem:${code}`,
    status: PROBLEMS[code].status,
    title: PROBLEMS[code].title,
    code,
    advice: PROBLEMS[code].advice,
    instance: expect.stringMatching(/^\//),
    request_id: reply.headers.get('x-request-id'),
  });
  if (field !== undefined)
    expect(reply.body.errors.map((one: { field: string }) => one.field)).toContain(field);
}

const MEMBERS = '/api/members';
const person = { name: 'Ada', email: 'ada@example.org', role: 'member' };

describe('addresses', () => {
  test('an unknown path is a 404, with and without a credential', async () => {
    expectProblem(await world.call('GET', '/api/nothing'), 'not_found');
    expectProblem(await world.call('GET', '/api/nothing', { key: null }), 'not_found');
  });

  test.each(['x', '1', 'undefined', '%00', '%E4', 'ä', "'; DROP TABLE members; --", 'a'.repeat(600)])(
    'a path id %j that is no UUID is a 404',
    async (id) => {
      const path = `/api/api-keys/${id.startsWith('%') ? id : encodeURIComponent(id)}`;
      const reply = await world.call('GET', path);
      expectProblem(reply, id === '%E4' ? 'malformed_request' : 'not_found');
    },
  );

  test('a wrong method is a 405 that names the right ones', async () => {
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const reply = await world.call(method, '/api/api-keys');
      expectProblem(reply, 'method_not_allowed');
      expect(reply.headers.get('allow')).toBe('GET, POST, HEAD');
    }
  });

  test('HEAD answers like GET without a body', async () => {
    const reply = await world.call('HEAD', MEMBERS);
    expect([reply.status, reply.text]).toEqual([200, '']);
  });
});

describe('credentials', () => {
  test.each([
    ['none', {}],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['an empty one', { authorization: 'Bearer ' }],
    ['a made-up key', { authorization: `Bearer cdz_${'A'.repeat(43)}` }],
    ['a key of another shape', { authorization: 'Bearer cdz_short' }],
  ])('[TEN-6] %s is a 401', async (_what, headers) => {
    const reply = await world.call('GET', MEMBERS, { key: null, headers: headers as Record<string, string> });
    expectProblem(reply, 'unauthenticated');
    expect(reply.headers.get('www-authenticate')).toContain('Bearer');
  });
});

describe('bodies', () => {
  test.each(['{"a":', '{', 'nonsense', "{'a': 1}", '\u0000', '[1,]'])('%j is not JSON', async (raw) => {
    expectProblem(await world.call('POST', MEMBERS, { raw }), 'malformed_json');
  });

  test('bytes that are not UTF-8 are refused', async () => {
    const raw = Uint8Array.from([...Buffer.from('{"name":"'), 0xc3, 0x28, ...Buffer.from('"}')]);
    expectProblem(await world.call('POST', MEMBERS, { raw }), 'malformed_json');
  });

  test.each(['null', '1', '"text"', '[]', 'true'])('%s is no object', async (raw) => {
    expectProblem(await world.call('POST', MEMBERS, { raw }), 'invalid_request');
  });

  test('an absent body reads as an empty object', async () => {
    expectProblem(await world.call('POST', MEMBERS), 'invalid_request', 'name');
    expectProblem(await world.call('POST', MEMBERS, { raw: '' }), 'invalid_request', 'name');
  });

  test('an unknown field is refused, also where there is no body to give', async () => {
    expectProblem(
      await world.call('POST', MEMBERS, { body: { ...person, org_id: world.other.id } }),
      'invalid_request',
      'org_id',
    );
    const made = await world.newKey(world.org, 'viewer');
    expectProblem(
      await world.call('DELETE', `/api/api-keys/${made.id}`, { body: { sure: true } }),
      'invalid_request',
      'sure',
    );
  });

  test.each([
    ['a NUL character', { ...person, name: 'a\u0000b' }, 'name'],
    ['half of a surrogate pair', { ...person, name: 'a\ud800b' }, 'name'],
    ['a NUL character in a field name', { ...person, 'a\u0000': 1 }, ''],
  ])('[OPS-6] %s is refused, by field', async (_what, body, field) => {
    expectProblem(await world.call('POST', MEMBERS, { body }), 'invalid_request', field);
  });

  test('[OPS-6] __proto__ and deep nesting are refused', async () => {
    expectProblem(
      await world.call('POST', MEMBERS, { raw: '{"__proto__":{"role":"owner"}}' }),
      'invalid_request',
      '__proto__',
    );
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    expectProblem(await world.call('POST', MEMBERS, { raw: deep }), 'invalid_request');
  });

  test('more than the limit is a 413, whether its length was told or not', async () => {
    const raw = JSON.stringify({ name: 'x'.repeat(1_100_000) });
    expectProblem(await world.call('POST', MEMBERS, { raw }), 'payload_too_large');
    const body = new Blob([raw]).stream();
    const headers = { authorization: `Bearer ${world.org.key}`, 'content-type': 'application/json' };
    const streamed = await fetch(world.url + MEMBERS, {
      method: 'POST',
      headers,
      body,
      duplex: 'half',
    } as RequestInit);
    expect(streamed.status).toBe(413);
  });

  test.each([
    'text/plain',
    'application/xml',
    'application/x-www-form-urlencoded',
    'nonsense',
    'multipart/form-data; boundary=x',
  ])('the content type %s is a 415', async (type) => {
    const reply = await world.call('POST', MEMBERS, { raw: 'a=1', headers: { 'content-type': type } });
    expectProblem(reply, 'unsupported_media_type');
  });

  test.each([
    ['utf-16', 415],
    ['"UTF-16LE"', 415],
    ['iso-8859-1', 415],
    ['utf-8', 201],
    ['"UTF-8"', 201],
    ['utf8', 201],
  ])('[OPS-6] JSON in the charset %s is a %i', async (charset, status) => {
    const raw = JSON.stringify({ ...person, email: `${crypto.randomUUID()}@example.org` });
    const headers = { 'content-type': `application/json; charset=${charset}` };
    const reply = await world.call('POST', MEMBERS, { raw, headers });
    expect(reply.status).toBe(status);
    if (status === 415) expectProblem(reply, 'unsupported_media_type');
  });
});

describe('what is wrong is said in words', () => {
  test('[OPS-6] of a header, which', async () => {
    const headers = { 'idempotency-key': 'two words' };
    const reply = await world.call('POST', MEMBERS, { body: person, headers });
    expectProblem(reply, 'invalid_request', 'idempotency-key');
    expect(reply.body.detail).toBe('The header idempotency-key does not fit its description');
  });

  test('[OPS-6] of a value, what it must be', async () => {
    const message = async (path: string, more: Parameters<World['call']>[2] & { method?: string } = {}) =>
      (await world.call(more.method ?? 'GET', path, more)).body.errors[0].message;
    expect(await message(`${MEMBERS}?limit=x`)).toBe('must be a number');
    expect(await message(`${MEMBERS}?limit=1.5`)).toBe('must be a whole number');
    const post = (body: unknown) => message(MEMBERS, { method: 'POST', body });
    expect(await post({ ...person, name: 1 })).toBe('must be a text');
    expect(await post({ ...person, name: undefined })).toBe('is required');
    expect(await post([])).toBe('must be an object');
  });
});

describe('forms', () => {
  test.each([
    [
      'is cut off',
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\na,b',
    ],
    ['does not begin', 'multipart/form-data; boundary=x', 'a=1'],
    ['has no boundary', 'multipart/form-data', 'a=1'],
    ['has an empty boundary', 'multipart/form-data; boundary=', 'a=1'],
    ['has an endless boundary', `multipart/form-data; boundary=${'x'.repeat(300)}`, 'a=1'],
    [
      'names __proto__',
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\n1\r\n--x--\r\n',
    ],
  ])('one that %s is refused', async (_what, type, raw) => {
    const { body } = await world.call('GET', '/api/openapi.json');
    const uploads = Object.entries<{ post?: { requestBody?: { content: object } } }>(body.paths).filter(
      ([, item]) => 'multipart/form-data' in (item.post?.requestBody?.content ?? {}),
    );
    expect(uploads.length).toBeGreaterThan(0);
    for (const [path] of uploads) {
      const reply = await world.call('POST', path, { raw, headers: { 'content-type': type } });
      expect([400, 415], `${path}: ${reply.text}`).toContain(reply.status);
      expect(reply.headers.get('content-type')).toBe('application/problem+json');
    }
  });
});

describe('queries', () => {
  test.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=x', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['cursor=nonsense', 'cursor'],
    ['cursor=%00', 'cursor'],
    ['colour=red', 'colour'],
  ])('?%s is refused by field', async (query, field) => {
    expectProblem(await world.call('GET', `${MEMBERS}?${query}`), 'invalid_request', field);
  });
});

describe('request ids and logs', () => {
  test('[OPS-4] a sane X-Request-Id is kept and logged, another is replaced', async () => {
    const kept = await world.call('GET', MEMBERS, { headers: { 'x-request-id': 'trace-1' } });
    expect(kept.headers.get('x-request-id')).toBe('trace-1');
    const replaced = await world.call('GET', MEMBERS, { headers: { 'x-request-id': 'a b"{}' } });
    expect(replaced.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    await expect
      .poll(() => world.logs.find((line) => line.request_id === 'trace-1'))
      .toMatchObject({ route: MEMBERS, status: 200, org: world.org.id, method: 'GET' });
  });

  test('[TEN-8] no key and no query is ever logged', async () => {
    await world.call('GET', `${MEMBERS}?cursor=secret-in-query`);
    await world.call('GET', MEMBERS, { key: `cdz_${'B'.repeat(43)}` });
    await expect.poll(() => world.logs.some((line) => line.status === 401)).toBe(true);
    const text = JSON.stringify(world.logs);
    expect(text).not.toContain('secret-in-query');
    expect(text).not.toContain('BBBBB');
    expect(text).not.toContain(world.org.key);
  });
});

function onSocket(text: string): Promise<string> {
  const { hostname, port } = new URL(world.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer)).on('error', reject);
  });
}

describe('what is not even HTTP', () => {
  test.each([
    ['garbage', 'hello\r\n\r\n', 400],
    ['an unknown method', 'FROB / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['too many headers', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`, 431],
    ['a bad length', 'POST /api/members HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n', 400],
  ])('%s gets a problem document too', async (_what, text, status) => {
    const answer = await onSocket(text);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain('application/problem+json');
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ status });
  });
});
