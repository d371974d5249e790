import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ContactsWorld, contactsWorld, inPieces } from '../../test/support/contacts.ts';
import { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../kernel/problem.ts';
import { type ConsentInput, grantConsent, listConsents, revokeConsent } from './consent.ts';
import { getContact } from './contact.ts';
import { runImport } from './import/run.ts';
import { startImport } from './import/start.ts';
import { uploadImport } from './import/upload.ts';
import { createContact, updateContact } from './save-contact.ts';
import { addSuppression, removeSuppression, suppress } from './suppression.ts';
import { importSuppressions } from './suppression-csv.ts';

let world: ContactsWorld;
beforeAll(async () => {
  world = await contactsWorld();
});
afterAll(() => world.close());

let n = 0;
async function person(): Promise<{ id: string; email: string }> {
  const email = `person${++n}@example.com`;
  return { id: (await createContact(world.db, world.ours, { email })).id, email };
}

/** What an unsubscribe does to this room's tables. */
async function unsubscribed(): Promise<{ id: string; email: string }> {
  const { id, email } = await person();
  await grantConsent(world.db, world.ours, grant(id, { evidence: 'form 1' }));
  await world.db.inOrg(world.ours.org, async (tx) => {
    await revokeConsent(tx, world.ours, { contact_id: id, channel: 'email', source: 'link' });
    await suppress(tx, world.ours, {
      kind: 'email',
      address: email,
      reason: 'unsubscribe',
      source: 'link',
      contact_id: id,
    });
  });
  return { id, email };
}

const grant = (contact_id: string, more: Partial<ConsentInput> = {}): ConsentInput => ({
  contact_id,
  channel: 'email',
  source: 'form',
  ...more,
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Problem);
  const problem = error as Problem;
  return `${problem.code} ${problem.errors.map(({ code }) => code).join()}`.trim();
}

async function standing(id: string) {
  const { consent, suppressed } = await getContact(world.db, world.ours, id);
  return { email: consent.email, suppressed: suppressed.map(({ reason }) => reason) };
}

describe('consent', () => {
  it('[CON-2] is a ledger whose newest entry is the status', async () => {
    const { id } = await person();
    await grantConsent(world.db, world.ours, grant(id, { evidence: 'form 1' }));
    await grantConsent(world.db, world.ours, grant(id, { channel: 'sms', source: 'phone' }));
    await world.db.inOrg(world.ours.org, (tx) =>
      revokeConsent(tx, world.ours, {
        contact_id: id,
        channel: 'email',
        source: 'reply',
        evidence: 'stop please',
      }),
    );
    const { items } = await listConsents(world.db, world.ours, id, { limit: 10 });
    expect(items.map(({ channel, status, source, evidence }) => [channel, status, source, evidence])).toEqual(
      [
        ['email', 'revoked', 'reply', 'stop please'],
        ['sms', 'granted', 'phone', null],
        ['email', 'granted', 'form', 'form 1'],
      ],
    );
    expect(items[0]).toMatchObject({ actor_type: 'api_key', actor_id: 'test' });
    expect((await getContact(world.db, world.ours, id)).consent).toEqual({
      email: 'revoked',
      sms: 'granted',
    });
  });

  it('[CON-2] cannot be changed or deleted by the application', async () => {
    const { id } = await person();
    await grantConsent(world.db, world.ours, grant(id));
    for (const statement of [sql`UPDATE consents SET status = 'granted'`, sql`DELETE FROM consents`])
      await expect(world.db.inOrg(world.ours.org, (tx) => tx.run(statement))).rejects.toThrow(
        /permission denied/,
      );
  });

  it('[CON-2] is ordered by the ledger, also when the clock of a process is behind', async () => {
    const { id } = await person();
    const future = 'ffffffff-ffff-7000-8000-000000000000';
    const owner = new Database({ url: world.ownerUrl, max: 1 });
    await owner.inOrg(world.ours.org, (tx) =>
      tx.run(sql`INSERT INTO consents (org_id, contact_id, channel, id, status, source, actor_type, actor_id)
        VALUES (${world.ours.org}, ${id}, 'email', ${future.replace('ffffffff', '7fffffff')}, 'granted', 'x', 'system', 'x')`),
    );
    await owner.close();
    await world.db.inOrg(world.ours.org, (tx) =>
      revokeConsent(tx, world.ours, { contact_id: id, channel: 'email', source: 'link' }),
    );
    expect((await standing(id)).email).toBe('revoked');
  });

  it('[CON-3] after an unsubscribe needs fresh evidence, which lifts it and is logged', async () => {
    const { id, email } = await unsubscribed();
    const again = (more: Partial<ConsentInput>) =>
      codeOf(grantConsent(world.db, world.ours, grant(id, more)));
    expect(await again({})).toBe('conflict evidence_required');
    expect(await again({ evidence: '  ' })).toBe('conflict evidence_required');
    expect(await again({ evidence: 'form 1' })).toBe('conflict evidence_used');
    const hourAgo = new Date(Date.now() - 3_600_000);
    expect(await again({ evidence: 'form 2', obtained_at: hourAgo })).toBe('conflict evidence_too_old');
    const tomorrow = new Date(Date.now() + 86_400_000);
    expect(await again({ evidence: 'form 2', obtained_at: tomorrow })).toBe('invalid_request future');
    expect(await standing(id)).toEqual({ email: 'revoked', suppressed: ['unsubscribe'] });

    await grantConsent(world.db, world.ours, grant(id, { evidence: 'form 2' }));
    expect(await standing(id)).toEqual({ email: 'granted', suppressed: [] });
    const logged = await world.db.inOrg(world.ours.org, (tx) =>
      tx.rows(
        sql`SELECT data FROM audit_log WHERE org_id = ${world.ours.org} AND subject_id = ${id} AND action = 'consent.regrant'`,
      ),
    );
    expect(logged).toHaveLength(1);
    expect(logged[0]?.data).toMatchObject({ lifted: true, channel: 'email' });
    expect(email).toMatch(/@/);
  });

  it('[CON-3] re-given does not lift a bounce or a complaint', async () => {
    const { id, email } = await unsubscribed();
    await world.db.inOrg(world.ours.org, (tx) =>
      suppress(tx, world.ours, { kind: 'email', address: email, reason: 'complaint', source: 'provider' }),
    );
    // The unsubscribe is the stronger of the two, and stays.
    expect((await standing(id)).suppressed).toEqual(['unsubscribe']);
    const bounced = await person();
    await addSuppression(world.db, world.ours, {
      kind: 'email',
      address: bounced.email,
      reason: 'hard_bounce',
    });
    await grantConsent(world.db, world.ours, grant(bounced.id, { evidence: 'form 9' }));
    expect((await standing(bounced.id)).suppressed).toEqual(['hard_bounce']);
  });

  it('[CON-3] taken back is not reversed by an edit, an import, a removal or a suppression file', async () => {
    const { id, email } = await unsubscribed();
    const before = await standing(id);
    await updateContact(world.db, world.ours, id, { company: 'New', tags: ['customer'] });
    for (const existing of ['skip', 'update', 'fill_blanks'] as const) {
      const csv = `Email,Company,Opted In,Consent\n${email},Imported ${existing},true,granted\n`;
      const { id: import_id } = await uploadImport(world.db, world.ours, {
        filename: 'in.csv',
        source: inPieces(Buffer.from(csv)),
      });
      await startImport(world.db, world.ours, { import_id, existing, queue: false });
      await runImport(world.db, world.ours, import_id);
    }
    await addSuppression(world.db, world.ours, { kind: 'email', address: email });
    const weaker = `address,reason\n${email},manual\n`;
    await importSuppressions(world.db, world.ours, Buffer.from(weaker));
    expect(
      await codeOf(removeSuppression(world.db, world.ours, { kind: 'email', address: email, why: 'please' })),
    ).toBe('conflict');
    expect(await standing(id)).toEqual(before);
  });
});
