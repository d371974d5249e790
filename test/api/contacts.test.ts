import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runImport } from '../../src/contacts/import/run.ts';
import { type Reply, setup, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await setup();
});
afterAll(() => world.close());

/** A form with a file and text fields, before and after it. */
async function upload(
  path: string,
  file: string | Buffer | null,
  {
    before = {},
    after = {},
    key = world.org.key,
  }: Partial<Record<'before' | 'after', Record<string, string>>> & { key?: string } = {},
): Promise<Reply> {
  const form = new FormData();
  for (const [name, value] of Object.entries(before)) form.set(name, value);
  if (file !== null) form.set('file', new Blob([new Uint8Array(Buffer.from(file))]), 'people.csv');
  for (const [name, value] of Object.entries(after)) form.set(name, value);
  const response = await fetch(world.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: form,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
}

describe('[OPS-6] a form with more than was asked for', () => {
  const imports = async () => (await world.call('GET', '/api/imports')).body.items.length;
  const send = async (form: FormData): Promise<Reply['body']> => {
    const response = await fetch(`${world.url}/api/contacts/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.org.key}` },
      body: form,
    });
    return response.json();
  };
  const files = (...names: string[]) => {
    const form = new FormData();
    for (const name of names) form.append('file', new Blob(['email\na@example.com\n']), name);
    return form;
  };

  it.each([2, 3])('[OPS-6] %i files are refused as such, and leave no import', async (count) => {
    const before = await imports();
    const answer = await send(files(...['a.csv', 'b.csv', 'c.csv'].slice(0, count)));
    expect(answer).toMatchObject({
      status: 400,
      code: 'invalid_request',
      errors: [{ field: 'file', code: 'too_many' }],
    });
    expect(await imports()).toBe(before);
  });

  it('[OPS-6] a second file that is large is refused the same way', async () => {
    const form = files('a.csv');
    form.append('file', new Blob(['x'.repeat(8 * 1024 * 1024)]), 'b.csv');
    expect(await send(form)).toMatchObject({ status: 400, errors: [{ code: 'too_many' }] });
  });

  it('[OPS-6] a field given twice after the file leaves no import', async () => {
    const before = await imports();
    const form = files('a.csv');
    for (const start of ['false', 'true']) form.append('start', start);
    expect(await send(form)).toMatchObject({
      status: 400,
      errors: [{ field: 'start', code: 'given_twice' }],
    });
    expect(await imports()).toBe(before);
  });
});

describe('/api/contacts', () => {
  it('[CON-1] creates, reads, changes and finds contacts', async () => {
    const made = await world.call('POST', '/api/contacts', {
      body: { email: 'Ada@Example.com', first_name: 'Ada', phone: '+4930901820', tags: ['vip'] },
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      email: 'ada@example.com',
      version: 1,
      tags: ['vip'],
      time_zone: 'Europe/Berlin',
    });
    const path = `/api/contacts/${made.body.id}`;
    expect(made.headers.get('location')).toBe(path);
    const changed = await world.call('PATCH', path, { body: { last_name: 'Lovelace', phone: null } });
    expect(changed.body).toMatchObject({ version: 2, last_name: 'Lovelace', phone: null, time_zone: null });
    expect((await world.call('GET', path)).body).toEqual(changed.body);
    const found = await world.call('GET', '/api/contacts?q=ada%20love&tag=vip');
    expect(found.body.items.map(({ id }: { id: string }) => id)).toEqual([made.body.id]);
    const twin = await world.call('POST', '/api/contacts', { body: { email: 'ada@example.com' } });
    expect(twin.status).toBe(409);
    expect(twin.body).toMatchObject({ code: 'duplicate_contact', contact_id: made.body.id });
  });

  it('[TEN-1] takes no organization from a body, and knows no contact of another', async () => {
    const refused = await world.call('POST', '/api/contacts', {
      body: { email: 'x@example.com', org_id: world.other.id },
    });
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toMatchObject([{ field: 'org_id', code: 'unknown_field' }]);
    const { body } = await world.call('POST', '/api/contacts', { body: { email: 'mine@example.com' } });
    for (const [method, path] of [
      ['GET', ''],
      ['PATCH', ''],
      ['GET', '/consents'],
      ['POST', '/unsubscribe'],
    ] as const) {
      const options = { key: world.other.key, ...(method === 'GET' ? {} : { body: {} }) };
      expect((await world.call(method, `/api/contacts/${body.id}${path}`, options)).status).toBe(404);
    }
  });

  it('[CON-1] says all wrong fields, and needs an attribute to be defined', async () => {
    const body = { email: 'nobody', attributes: { score: 7 } };
    const wrong = await world.call('POST', '/api/contacts', { body });
    expect(wrong.status).toBe(400);
    expect(wrong.body.errors.map((error: { field: string }) => error.field)).toEqual([
      'email',
      'attributes.score',
    ]);
    const defined = await world.call('POST', '/api/attributes', {
      body: { key: 'score', type: 'number', label: 'Score' },
    });
    expect(defined.status).toBe(200);
    const made = await world.call('POST', '/api/contacts', {
      body: { ...body, email: 'someone@example.com' },
    });
    expect(made.body.attributes).toEqual({ score: 7 });
    expect((await world.call('GET', '/api/attributes')).body.items).toEqual([
      { key: 'score', type: 'number', label: 'Score' },
    ]);
  });

  it('[CON-3] opts out, and back in with fresh evidence alone', async () => {
    const { body: contact } = await world.call('POST', '/api/contacts', {
      body: { email: 'opt@example.com' },
    });
    const consents = `/api/contacts/${contact.id}/consents`;
    const agree = (body: object) =>
      world.call('POST', consents, { body: { channel: 'email', source: 'form', ...body } });
    expect((await agree({ evidence: 'form 1' })).status).toBe(201);
    const out = await world.call('POST', `/api/contacts/${contact.id}/unsubscribe`, {
      body: { evidence: 'said so' },
    });
    expect(out.status).toBe(200);
    expect(out.body.receipt.id).toEqual(expect.any(String));
    const standing = async () => (await world.call('GET', `/api/contacts/${contact.id}`)).body;
    expect(await standing()).toMatchObject({
      consent: { email: 'revoked' },
      suppressed: [{ reason: 'unsubscribe' }],
    });
    expect((await agree({})).body).toMatchObject({
      code: 'conflict',
      errors: [{ code: 'evidence_required' }],
    });
    expect((await agree({ evidence: 'form 1' })).status).toBe(409);
    expect((await agree({ evidence: 'form 2' })).status).toBe(201);
    expect(await standing()).toMatchObject({ consent: { email: 'granted' }, suppressed: [] });
    const ledger = await world.call('GET', `${consents}?limit=2`);
    expect(ledger.body.items.map(({ status }: { status: string }) => status)).toEqual(['granted', 'revoked']);
    expect(ledger.body.next_cursor).not.toBeNull();
  });

  it('[CON-1] tags many at once', async () => {
    const { body } = await world.call('POST', '/api/contacts', { body: { email: 'tagged@example.com' } });
    const done = await world.call('POST', '/api/contacts/tags', {
      body: { contact_ids: [body.id], add: ['hot'] },
    });
    expect(done.body).toEqual({ added: 1, removed: 0 });
    const tags = (await world.call('GET', '/api/tags')).body.items;
    expect(tags).toContainEqual({ tag: 'hot', contacts: 1 });
  });
});

describe('/api/imports', () => {
  const csv = 'E-mail;Vorname;Rang\nbea@example.com;Bea;7\nnobody;X;1\nbea@example.com;Twice;2\n';

  it('[CON-1] imports a file with settings on either side of it', async () => {
    const mapping = { email: 'E-mail', first_name: 'Vorname' };
    const sent = await upload('/api/contacts/import', csv, {
      before: { mapping: JSON.stringify(mapping) },
      after: { tags: 'fair, 2027', existing: 'update' },
    });
    expect(sent.status).toBe(202);
    expect(sent.body).toMatchObject({ status: 'running', import_id: sent.body.id, tags: ['fair', '2027'] });
    const queued = await world.db.outsideOrgs((tx) =>
      tx.rows({
        text: `SELECT task_identifier FROM graphile_worker.jobs WHERE key = $1`,
        values: [`import:${sent.body.id}`],
      }),
    );
    expect(queued).toEqual([{ task_identifier: 'import_contacts' }]);
    await runImport(world.db, world.org.caller, sent.body.id);
    const done = await world.call('GET', sent.headers.get('location')!);
    expect(done.body).toMatchObject({
      status: 'completed',
      progress: 1,
      encoding: 'utf-8',
      delimiter: ';',
      counts: { rows: 3, created: 1, duplicates: 1, refused: { invalid_email: 1 } },
    });
    const errors = await world.call('GET', `/api/imports/${sent.body.id}/errors`);
    expect(errors.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(errors.text.split('\r\n').slice(1, 3)).toEqual([
      '3,refused,invalid_email,email,"""nobody"" is not an e-mail address.",nobody,X,1',
      '4,duplicate,duplicate_in_file,email,An earlier row of this file has the same; the first row wins.,bea@example.com,Twice,2',
    ]);
    const found = await world.call('GET', '/api/contacts?q=bea&tag=fair');
    expect(found.body.items).toMatchObject([{ first_name: 'Bea', tags: ['2027', 'fair'], attributes: {} }]);
  });

  it('[CON-1] stores, previews and starts in steps', async () => {
    const stored = await upload('/api/contacts/import', csv.replaceAll('bea', 'cleo'), {
      after: { start: 'false' },
    });
    expect(stored.body).toMatchObject({ status: 'ready', progress: 0 });
    const path = `/api/imports/${stored.body.id}`;
    const guessed = await world.call('POST', `${path}/preview`, { body: {} });
    expect(guessed.status).toBe(200);
    expect(guessed.body.tried).toEqual({ rows: 3, refused: 1, with_warnings: 0 });
    expect(guessed.body.new_attributes).toEqual(['vorname', 'rang']);
    const wrong = await world.call('POST', `${path}/start`, { body: { mapping: { Nachname: 'last_name' } } });
    expect(wrong.body.errors).toMatchObject([{ field: 'mapping.Nachname' }]);
    expect((await world.call('POST', `${path}/start`, { body: {}, key: world.other.key })).status).toBe(404);
    const started = await world.call('POST', `${path}/start`, { body: { mapping: { 'E-mail': 'email' } } });
    expect(started.status).toBe(202);
    expect((await world.call('POST', `${path}/start`, { body: {} })).status).toBe(409);
    const cancelled = await world.call('POST', `${path}/cancel`, { body: {} });
    expect(cancelled.body.status).toBe('cancelled');
    expect((await world.call('GET', '/api/imports?limit=1')).body.items[0].id).toBe(stored.body.id);
  });

  it('[CON-1] refuses what is no list, and leaves nothing behind', async () => {
    const before = (await world.call('GET', '/api/imports')).body.items.length;
    const refused = async (file: string | Buffer | null, fields: Record<string, string> = {}) => {
      const { status, body } = await upload('/api/contacts/import', file, { after: fields });
      return `${status} ${body.code} ${body.errors?.[0]?.field ?? ''}`.trim();
    };
    expect(await refused('')).toBe('422 import_unreadable');
    expect(await refused('a@example.com,x\nb@example.com,y\n')).toBe('422 import_unreadable');
    expect(await refused(Buffer.from('504b0304140000000800', 'hex'))).toBe('422 import_unreadable');
    expect(await refused(null)).toBe('400 invalid_request file');
    expect(await refused(csv, { mapping: '{' })).toBe('400 invalid_request mapping');
    expect(await refused(csv, { identity: 'name' })).toBe('400 invalid_request identity');
    expect(await refused(csv, { mapping: '{"Vorname":"first_name"}' })).toBe('400 invalid_request mapping');
    expect(await refused(csv, { colour: 'red' })).toBe('400 invalid_request colour');
    const json = await world.call('POST', '/api/contacts/import', { body: {} });
    expect(json.status).toBe(415);
    expect((await world.call('GET', '/api/imports')).body.items.length).toBe(before);
  });
});

describe('/api/suppressions', () => {
  it('[CON-6] adds, lists, exports, imports and removes', async () => {
    const body = { kind: 'phone', address: '+49 30 901820', reason: 'do_not_call' };
    const added = await world.call('POST', '/api/suppressions', { body });
    expect(added.status).toBe(201);
    expect(added.body).toMatchObject({ address: '+4930901820', reason: 'do_not_call' });
    const file = await world.call('GET', '/api/suppressions/export');
    expect(file.text).toContain(`phone,'+4930901820,do_not_call,`);
    const key = world.other.key;
    const taken = await upload('/api/suppressions/import', file.text, { key });
    expect(taken.body.added).toBeGreaterThan(0);
    const theirs = await world.call('GET', '/api/suppressions?kind=phone', { key });
    expect(theirs.body.items).toMatchObject([{ address: '+4930901820' }]);
    const remove = (more: object) =>
      world.call('POST', '/api/suppressions/remove', {
        body: { kind: 'phone', address: '+4930901820', ...more },
      });
    expect((await remove({})).body.errors).toMatchObject([{ field: 'why' }]);
    expect((await remove({ why: 'asked us to call' })).status).toBe(204);
    expect((await remove({})).status).toBe(404);
  });
});
