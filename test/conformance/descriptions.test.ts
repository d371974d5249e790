/** What adapters say over the wire, held against the providers' public descriptions: that deviations are found, and that there are none. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { quo } from '../../src/channels/quo/adapter.ts';
import { checkAll, checkProvider } from './descriptions/check.ts';
import { readDescription } from './descriptions/description.ts';
import { type Exchange, Judge } from './descriptions/judge.ts';

const POST_OFFICE = readFileSync(new URL('../data/provider-description.yaml', import.meta.url), 'utf8');
const judge = new Judge(readDescription(POST_OFFICE));
const letter = { to: [{ name: 'Bob' }], text: 'Hello', seal: null };

function exchange(more: Partial<Exchange> = {}): Exchange {
  return {
    method: 'POST',
    path: '/v1/letters',
    query: '',
    headers: { 'content-type': 'application/json', 'x-desk': '1' },
    body: JSON.stringify(letter),
    answer: { status: 201, headers: { 'content-type': 'application/json' }, body: '{"id":"L1"}' },
    ...more,
  };
}
const told = (more: Partial<Exchange>) =>
  judge.deviations(exchange(more)).map(({ side, at, message }) => `${side} ${at}: ${message}`);
const body = (more: Record<string, unknown>) => ({ body: JSON.stringify({ ...letter, ...more }) });
const get = (id: string): Partial<Exchange> => ({
  method: 'GET',
  path: `/v1/letters/${id}`,
  body: '',
  answer: { status: 200, headers: {}, body: '' },
});
const form = (fields: Record<string, string>): Partial<Exchange> => ({
  path: '/v1/cards',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString(),
  answer: { status: 200, headers: {}, body: '' },
});

describe('a call and a description of it', () => {
  it('what is as it is described has no deviation', () => {
    expect(told({})).toEqual([]);
    expect(told({ query: 'dry=true' })).toEqual([]);
    expect(told(form({ To: 'Bob', Copies: '2' }))).toEqual([]);
    expect(told(get('L1'))).toEqual([]);
  });

  it.each<[string, Partial<Exchange>, string]>([
    ['a wrong path', { path: '/v2/letters' }, 'request path: /v2/letters is not described'],
    ['a wrong method', { method: 'PUT' }, 'request method: PUT is not described for this path'],
    ['a missing field', body({ text: undefined }), 'request body: missing field "text"'],
    ['a missing field within', body({ to: [{}] }), 'request body.to.0: missing field "name"'],
    ['a wrong type', body({ text: 3 }), 'request body.text: must be string'],
    ['null where none may be', body({ text: null }), 'request body.text: must be string'],
    ['an unknown field', body({ colour: 'red' }), 'request body: unknown field "colour"'],
    [
      'an unknown field within',
      body({ to: [{ name: 'Bob', age: 3 }] }),
      'request body.to.0: unknown field "age"',
    ],
    ['an unknown query', { query: 'fast=1' }, 'request query.fast: is not described'],
    ['a query of another type', { query: 'dry=perhaps' }, 'request query.dry: must be boolean'],
    [
      'a missing header',
      { headers: { 'content-type': 'application/json' } },
      'request header.X-Desk: is required and missing',
    ],
    ['no body', { body: '' }, 'request body: is required and missing'],
    [
      'another type of body',
      { headers: { 'content-type': 'text/xml', 'x-desk': '1' } },
      'request header.content-type: text/xml is not described: application/json',
    ],
    ['a form without a field', form({ Copies: '2' }), 'request body: missing field "To"'],
    ['a form with a wrong one', form({ To: 'Bob', Copies: 'two' }), 'request body.Copies: must be integer'],
    ['a form with a strange one', form({ To: 'Bob', Mood: 'x' }), 'request body: unknown field "Mood"'],
    ['an id of another form', get('9'), 'request path.id: must match pattern "^L"'],
    [
      'an answer without a field',
      { answer: { status: 201, headers: { 'content-type': 'application/json' }, body: '{}' } },
      'answer body: missing field "id"',
    ],
    [
      'an answer of another status',
      { answer: { status: 202, headers: {}, body: '' } },
      'answer status: 202 is not described',
    ],
  ])('%s is found', (_name, more, deviation) => {
    expect(told(more)).toEqual([deviation]);
  });

  it('a model of Amazon is read like any other', () => {
    const http = (method: string, uri: string) => ({ 'smithy.api#http': { method, uri, code: 200 } });
    const model = {
      smithy: '2.0',
      shapes: {
        'a#Send': {
          type: 'operation',
          input: { target: 'a#In' },
          output: { target: 'a#Out' },
          traits: http('POST', '/v2/send/{Box}'),
        },
        'a#In': {
          type: 'structure',
          members: {
            Box: {
              target: 'smithy.api#String',
              traits: { 'smithy.api#httpLabel': {}, 'smithy.api#required': {} },
            },
            To: { target: 'a#Names', traits: { 'smithy.api#required': {} } },
          },
        },
        'a#Names': { type: 'list', member: { target: 'smithy.api#String' } },
        'a#Out': { type: 'structure', members: { Id: { target: 'smithy.api#String' } } },
      },
    };
    const amazon = new Judge(readDescription(JSON.stringify(model)));
    const sent = (body: unknown) =>
      amazon
        .deviations(
          exchange({
            path: '/v2/send/7',
            body: JSON.stringify(body),
            answer: { status: 200, headers: { 'content-type': 'application/json' }, body: '{"Id":"1"}' },
          }),
        )
        .map(({ at, message }) => `${at}: ${message}`);
    expect(sent({ To: ['Bob'] })).toEqual([]);
    expect(sent({ To: [3], Cc: [] })).toEqual(['body.To.0: must be string', 'body: unknown field "Cc"']);
  });
});

describe('an adapter and a description of its API', () => {
  const described = (field: string, path = '/v1/messages') =>
    JSON.stringify({
      openapi: '3.1.0',
      servers: [{ url: 'https://api.openphone.com' }],
      paths: {
        [path]: {
          post: {
            requestBody: {
              content: {
                'application/json': {
                  schema: {
                    type: 'object',
                    required: [field],
                    properties: {
                      [field]: { type: 'string' },
                      from: { type: 'string' },
                      to: { type: 'array', items: { type: 'string' } },
                      userId: { type: 'string' },
                      setInboxStatus: { type: 'string' },
                    },
                  },
                },
              },
            },
            responses: { 202: { description: 'Taken' } },
          },
        },
        '/v1/phone-numbers': { get: { responses: { 200: { description: 'There' } } } },
      },
    });
  const check = (text: string) =>
    checkProvider({ provider: 'quo', adapter: quo as never }, ['quo.json'], [text]);

  it('the calls are the adapter’s own, of each kind, and nothing deviates where all is described', async () => {
    const result = await check(described('content'));
    expect(result.found).toEqual([]);
    expect(result.calls).toBeGreaterThanOrEqual(10);
  });

  it('a field that is called otherwise, and a path that is elsewhere, are found', async () => {
    const renamed = await check(described('text'));
    expect(new Set(renamed.found.map(({ at, message }) => `${at}: ${message}`))).toEqual(
      new Set(['body: missing field "text"', 'body: unknown field "content"']),
    );
    const moved = await check(described('content', '/v2/messages'));
    expect(moved.found[0]).toMatchObject({
      scenario: 'one segment',
      call: 'POST /v1/messages',
      message: '/v1/messages is not described',
    });
  });
});

const folder = process.env.PROVIDER_DESCRIPTIONS;
describe.skipIf(folder === undefined)('the public descriptions in PROVIDER_DESCRIPTIONS', () => {
  it('nothing deviates that is not accepted, with a reason', async () => {
    const results = (await checkAll(folder!)).filter((one) => 'found' in one);
    expect(results.length).toBeGreaterThan(0);
    for (const { provider, found, calls } of results) {
      expect(found, provider).toEqual([]);
      expect(calls, provider).toBeGreaterThan(5);
    }
  }, 120_000);
});
