import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ContactsWorld, contactsWorld } from '../../test/support/contacts.ts';
import { sql } from '../db/sql.ts';
import { newId } from '../kernel/ids.ts';
import { Problem } from '../kernel/problem.ts';
import { defineAttribute } from './attribute-definition.ts';
import { changeTags, listTags } from './change-tags.ts';
import { getContact } from './contact.ts';
import { createContact, updateContact } from './save-contact.ts';

let world: ContactsWorld;
beforeAll(async () => {
  world = await contactsWorld();
});
afterAll(() => world.close());

async function problemOf(work: Promise<unknown>): Promise<Problem> {
  const thrown = await work.then(
    () => null,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(Problem);
  return thrown as Problem;
}

const fieldsOf = (problem: Problem) => problem.errors.map(({ field, code }) => `${field}: ${code}`);

describe('[CON-1] contacts', () => {
  it('[CON-1] are kept in one canonical form', async () => {
    const contact = await createContact(world.db, world.ours, {
      email: '\u00a0Ada@EXAMPLE.com ',
      first_name: ' Ada ',
      last_name: '',
      phone: '03-555 0001',
      default_country: 'il',
      linkedin: 'https://www.linkedin.com/in/ada',
      tags: ['vip', ' vip ', 'new  lead'],
      addresses: [{ kind: 'email', address: 'Ada@Home.example', label: 'private' }],
    });
    expect(contact).toMatchObject({
      version: 1,
      email: 'ada@example.com',
      first_name: 'Ada',
      last_name: null,
      phone: '+97235550001',
      time_zone: 'Asia/Jerusalem',
      time_zone_from: 'phone',
      tags: ['new lead', 'vip'],
      addresses: [{ kind: 'email', address: 'ada@home.example', label: 'private' }],
      consent: {},
      suppressed: [],
    });
  });

  it('[CON-1] name every wrong field at once', async () => {
    const problem = await problemOf(
      createContact(world.db, world.ours, {
        email: 'two@@example.com',
        phone: 'call me',
        time_zone: 'Mars/Base',
        company: 'x'.repeat(256),
        attributes: { undefined_one: 'x' },
        tags: ['', 'ok'],
        addresses: [{ kind: 'phone', address: 'none' }],
      }),
    );
    expect(problem.code).toBe('invalid_request');
    expect(fieldsOf(problem)).toEqual([
      'company: too_long',
      'email: invalid_email',
      'phone: invalid_phone',
      'time_zone: invalid_time_zone',
      'attributes.undefined_one: unknown_attribute',
      'tags[0]: invalid_tag',
      'addresses[0].address: invalid_phone',
    ]);
  });

  it('[CON-1] may be as long as each field says, in any script', async () => {
    // Characters of four bytes that no compression shortens: an index takes 2,704 bytes.
    const wide = (length: number, salt: number) =>
      Array.from({ length: length / 2 }, (_, i) =>
        String.fromCodePoint(0x20000 + ((i * 7919 + salt) % 40_000)),
      ).join('');
    const made = await createContact(world.db, world.ours, {
      external_id: wide(254, 1),
      first_name: wide(200, 2),
      last_name: wide(200, 3),
      company: wide(254, 4),
      addresses: [{ kind: 'linkedin', address: wide(500, 5) }],
      tags: [wide(100, 6)],
    });
    expect(made.last_name).toHaveLength(200);
  });

  it('[CON-1] with an address or external id of another contact are refused, naming it', async () => {
    const first = await createContact(world.db, world.ours, { email: 'twin@example.com', external_id: 'X1' });
    const byEmail = await problemOf(createContact(world.db, world.ours, { email: 'TWIN@example.com' }));
    expect(byEmail).toMatchObject({ code: 'duplicate_contact', extra: { contact_id: first.id } });
    const other = await createContact(world.db, world.ours, { email: 'other@example.com' });
    const byId = await problemOf(updateContact(world.db, world.ours, other.id, { external_id: ' X1' }));
    expect(byId).toMatchObject({ code: 'duplicate_contact', extra: { contact_id: first.id } });
    // Another organization may have the same person.
    await expect(createContact(world.db, world.theirs, { email: 'twin@example.com' })).resolves.toBeDefined();
  });

  it('[CON-1] get a new version with each real change, and only then', async () => {
    const { id } = await createContact(world.db, world.ours, {
      email: 'versions@example.com',
      company: 'Acme',
    });
    const change = (input: Parameters<typeof updateContact>[3]) =>
      updateContact(world.db, world.ours, id, input);
    expect((await change({ company: ' Acme ' })).version).toBe(1);
    expect((await change({ company: 'Acme Ltd' })).version).toBe(2);
    expect((await change({ tags: ['a'] })).version).toBe(2);
    expect((await change({ company: null })).company).toBeNull();
    const { rows } = await audited(id);
    expect(rows).toEqual(['contact.create', 'contact.update', 'contact.update', 'contact.update']);
  });

  it('[CON-1] lose a zone that came from a phone with that phone, and keep one that was given', async () => {
    const { id } = await createContact(world.db, world.ours, { phone: '+4930901820' });
    const change = (input: Parameters<typeof updateContact>[3]) =>
      updateContact(world.db, world.ours, id, input);
    expect(await change({ phone: '+12025550103' })).toMatchObject({ time_zone: null, time_zone_from: null });
    expect(await change({ time_zone: 'America/Chicago' })).toMatchObject({ time_zone_from: 'given' });
    expect(await change({ phone: '+4930901820' })).toMatchObject({ time_zone: 'America/Chicago' });
    expect(await change({ time_zone: null })).toMatchObject({
      time_zone: 'Europe/Berlin',
      time_zone_from: 'phone',
    });
  });

  it('[CON-1] are known by something: nobody at all is refused', async () => {
    for (const nobody of [{}, { tags: ['a'] }, { first_name: '', email: null }])
      expect(await problemOf(createContact(world.db, world.ours, nobody))).toMatchObject({
        code: 'invalid_request',
        errors: [{ field: 'email', code: 'required' }],
      });
  });

  it('[CON-1] have custom attributes of a type', async () => {
    const ctx = await world.newOrg();
    await defineAttribute(world.db, ctx, { key: 'seats', type: 'number', label: 'Seats' });
    await defineAttribute(world.db, ctx, { key: 'renewal', type: 'date', label: 'Renewal' });
    await defineAttribute(world.db, ctx, { key: 'trial', type: 'boolean', label: 'Trial' });
    const { id, attributes } = await createContact(world.db, ctx, {
      first_name: 'Ada',
      attributes: { seats: '12', renewal: '2027-02-28', trial: 'yes' },
    });
    expect(attributes).toEqual({ seats: 12, renewal: '2027-02-28', trial: true });
    const after = await updateContact(world.db, ctx, id, { attributes: { seats: 13, trial: null } });
    expect(after.attributes).toEqual({ seats: 13, renewal: '2027-02-28' });
    expect(after.version).toBe(2);
    const problem = await problemOf(
      updateContact(world.db, ctx, id, { attributes: { seats: 'many', renewal: '2027-02-30', trial: 7 } }),
    );
    expect(fieldsOf(problem)).toEqual([
      'attributes.seats: invalid_number',
      'attributes.renewal: invalid_date',
      'attributes.trial: invalid_boolean',
    ]);
    expect(
      (await problemOf(defineAttribute(world.db, ctx, { key: 'seats', type: 'text', label: 'x' }))).code,
    ).toBe('conflict');
  });

  it('[TEN-3] of another organization are not there', async () => {
    const { id } = await createContact(world.db, world.theirs, { email: 'hidden@example.com' });
    for (const work of [
      () => getContact(world.db, world.ours, id),
      () => updateContact(world.db, world.ours, id, { company: 'x' }),
      () => changeTags(world.db, world.ours, { contact_ids: [id], add: ['x'] }),
    ]) {
      const problem = await problemOf(work());
      expect(problem.code).toBe('not_found');
      expect(problem.unknown).toEqual([{ type: 'contact', id }]);
    }
  });

  it('[CON-1] get and lose tags in bulk, all or none', async () => {
    const ctx = await world.newOrg();
    const ids = await Promise.all(
      [1, 2, 3].map(async (n) => (await createContact(world.db, ctx, { email: `t${n}@example.com` })).id),
    );
    expect(await changeTags(world.db, ctx, { contact_ids: ids, add: ['a', 'b'] })).toEqual({
      added: 6,
      removed: 0,
    });
    expect(await changeTags(world.db, ctx, { contact_ids: ids.slice(1), add: ['a'], remove: ['b'] })).toEqual(
      {
        added: 0,
        removed: 2,
      },
    );
    expect(await listTags(world.db, ctx)).toEqual([
      { tag: 'a', contacts: 3 },
      { tag: 'b', contacts: 1 },
    ]);
    const problem = await problemOf(
      changeTags(world.db, ctx, { contact_ids: [...ids, newId()], add: ['c'] }),
    );
    expect(problem.code).toBe('not_found');
    expect((await listTags(world.db, ctx)).length).toBe(2);
  });
});

async function audited(id: string): Promise<{ rows: string[] }> {
  const rows = await world.db.inOrg(world.ours.org, (tx) =>
    tx.rows(
      sql`SELECT action FROM audit_log WHERE org_id = ${world.ours.org} AND subject_id = ${id} ORDER BY id`,
    ),
  );
  return { rows: rows.map(({ action }) => action) };
}
