/** From the OpenAPI description to requests: what it allows, nearly allows and does not allow. */
import { randomUUID } from 'node:crypto';
import { KNOWN } from './known.ts';
import type { Random } from './random.ts';
import { fitting, NASTY, recent, type Schema, type Sources, spoiled } from './values.ts';

export interface Operation {
  method: string;
  path: string;
  parameters: Schema[];
  /** By media type. */
  body: Record<string, Schema> | null;
  /** The statuses it is described to answer. */
  statuses: Set<number>;
}

export interface FuzzRequest {
  operation: Operation;
  url: string;
  headers: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer> | FormData;
}

export function operationsOf(document: Schema): Operation[] {
  return Object.entries<Record<string, Schema>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      parameters: operation.parameters ?? [],
      body: operation.requestBody
        ? Object.fromEntries(
            Object.entries<Schema>(operation.requestBody.content).map(([type, one]) => [
              type,
              one.schema ?? {},
            ]),
          )
        : null,
      statuses: new Set(Object.keys(operation.responses).map(Number)),
    })),
  );
}

const WRONG_IDS = [
  'x',
  '%00',
  '..',
  '-1',
  'null',
  '%F0%9F%99%82',
  'a'.repeat(400),
  '0',
  '%2e%2e%2f',
  "'--",
  '%E0%80',
];

/** `/api/senders/{id}/verify` → `/api/senders` */
export function collectionOf(path: string): string {
  return path.split('/{')[0]!;
}

function pathOf({ path, parameters }: Operation, sources: Sources): string {
  const { random } = sources;
  const own = sources.idsOf.get(collectionOf(path)) ?? [];
  const id = () => (own.length > 0 && random.chance(0.8) ? recent(own, random) : random.pick(sources.ids));
  return path.replace(/\{(\w+)\}/g, (_all, name: string) => {
    if (random.chance(0.1)) return random.pick(WRONG_IDS);
    if (random.chance(0.1)) return randomUUID();
    const schema = parameters.find((one) => one.in === 'path' && one.name === name)?.schema ?? {};
    const value = schema.format === 'uuid' ? id() : String(fitting(schema, sources));
    return encodeURIComponent(value);
  });
}

/** Half of a surrogate pair cannot be written in UTF-8. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

function encoded(value: unknown): string {
  return encodeURIComponent(wellFormed(String(typeof value === 'object' ? JSON.stringify(value) : value)));
}

function queryOf({ parameters }: Operation, sources: Sources): string {
  const { random } = sources;
  const parts: string[] = [];
  for (const { name, schema, required, in: where } of parameters) {
    if (where !== 'query' || !(required || random.chance(0.35))) continue;
    // Waiting for what is in flight is right, and slow.
    if (name === 'wait' && !random.chance(0.02)) continue;
    const value = random.chance(0.2) ? random.pick(NASTY) : fitting(schema, sources);
    for (const one of Array.isArray(value) ? value : [value]) parts.push(`${name}=${encoded(one)}`);
    if (random.chance(0.03)) parts.push(`${name}=again`);
  }
  if (random.chance(0.04))
    parts.push(random.pick(['surprise=1', 'org_id=1', '%00=1', '=', '&&', '__proto__=1', 'a[b]=1']));
  return parts.length > 0 ? `?${parts.join('&')}` : '';
}

const RAW = [
  '',
  '{',
  'null',
  '[]',
  '"x"',
  '{"a":',
  '\u0000',
  `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  '{"__proto__":{"a":1}}',
  '1e999',
  'not json',
];
const TYPES = [
  'text/plain',
  'application/xml',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'nonsense',
];

function formOf(schema: Schema, sources: Sources): FormData {
  const { random } = sources;
  const form = new FormData();
  const csv = random.pick([
    'email,name\na@example.org,Ada\nb@example.org,Bob\n',
    'Email;Vorname\n"x@example.org";"a""b"\n',
    '',
    '\ufeffemail\n',
    'a,b\n1\n1,2,3\n"open',
    '\u0000\u0000\u0000',
  ]);
  for (const key of Object.keys(schema.properties ?? {})) {
    if (random.chance(key === 'file' ? 0.1 : 0.7)) continue;
    if (key === 'file') form.set(key, new Blob([csv], { type: 'text/csv' }), 'people.csv');
    else {
      const value = random.chance(0.3)
        ? random.pick(NASTY)
        : fitting(schema.properties?.[key] ?? {}, sources);
      form.set(key, typeof value === 'string' ? wellFormed(value) : JSON.stringify(value));
    }
  }
  if (random.chance(0.1)) form.set('surprise', 'x');
  return form;
}

function bodyOf(operation: Operation, sources: Sources): Pick<FuzzRequest, 'body' | 'headers'> {
  const { random } = sources;
  if (operation.method === 'GET') return { headers: {} };
  const json = { 'content-type': 'application/json' };
  if (random.chance(0.05)) return { headers: json, body: random.pick(RAW) };
  if (random.chance(0.03)) return { headers: { 'content-type': random.pick(TYPES) }, body: 'a=1' };
  if (random.chance(0.02)) return { headers: json, body: Uint8Array.from([0x7b, 0xff, 0xfe, 0x7d]) };
  const form = operation.body?.['multipart/form-data'];
  if (form) return { headers: {}, body: formOf(form, sources) };
  const schema = operation.body?.['application/json'];
  if (!schema)
    return random.chance(0.8) ? { headers: {} } : { headers: json, body: random.pick(['{}', '{"a":1}']) };
  const known = KNOWN[`${operation.method} ${operation.path}`];
  const value = known && random.chance(0.4) ? random.pick(known)(sources) : fitting(schema, sources);
  const sent = random.chance(0.45) ? spoiled(value, sources) : value;
  return { headers: json, body: JSON.stringify(sent) };
}

export interface Keys {
  /** May do everything. */
  owner: string;
  others: string[];
}

function credential(random: Random, keys: Keys): Record<string, string> {
  if (random.chance(0.9)) return { authorization: `Bearer ${keys.owner}` };
  if (random.chance(0.6)) return { authorization: `Bearer ${random.pick(keys.others)}` };
  return random.pick<Record<string, string>>([
    {},
    { authorization: 'Bearer cdz_nonsense' },
    { authorization: 'Basic eDp5' },
    { authorization: '' },
  ]);
}

export function requestFor(operation: Operation, sources: Sources, keys: Keys): FuzzRequest {
  const { random } = sources;
  const { headers, ...body } = bodyOf(operation, sources);
  const further: Record<string, string> = {};
  if (operation.method !== 'GET' && random.chance(0.25)) further['idempotency-key'] = `k${random.below(40)}`;
  if (random.chance(0.02)) further['idempotency-key'] = random.pick([' ', 'a b', 'x'.repeat(300)]);
  if (random.chance(0.05)) further['x-request-id'] = random.pick(['trace-1', 'a b', '{}', 'x'.repeat(500)]);
  return {
    operation,
    url: pathOf(operation, sources) + queryOf(operation, sources),
    headers: { ...credential(random, keys), ...headers, ...further },
    ...body,
  };
}
