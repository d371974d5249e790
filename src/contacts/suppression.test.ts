import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ContactsWorld, contactsWorld } from '../../test/support/contacts.ts';
import type { Problem } from '../kernel/problem.ts';
import {
  addSuppression,
  listSuppressions,
  removeSuppression,
  SUPPRESSION_REASONS,
  suppress,
} from './suppression.ts';
import { exportSuppressions, importSuppressions } from './suppression-csv.ts';

let world: ContactsWorld;
beforeAll(async () => {
  world = await contactsWorld();
});
afterAll(() => world.close());

async function exported(ctx: ContactsWorld['ours']): Promise<string> {
  let csv = '';
  for await (const part of exportSuppressions(world.db, ctx)) csv += part;
  return csv;
}

const withoutTimes = (csv: string) => csv.replace(/,\d{4}-[^,\r]*Z/g, ',time');

describe('[CON-6] the suppression list', () => {
  it('[CON-6] keeps the strongest reason of an address', async () => {
    const ctx = await world.newOrg();
    const address = 'a@example.com';
    for (const reason of SUPPRESSION_REASONS) {
      await addSuppression(world.db, ctx, { kind: 'email', address, reason });
      for (const weaker of SUPPRESSION_REASONS.slice(0, SUPPRESSION_REASONS.indexOf(reason)))
        expect((await addSuppression(world.db, ctx, { kind: 'email', address, reason: weaker })).reason).toBe(
          reason,
        );
    }
    const together = await world.db.inOrg(ctx.org, (tx) =>
      suppress(tx, ctx, [
        { kind: 'email', address: 'b@example.com', reason: 'unsubscribe', source: 'x' },
        { kind: 'email', address: 'b@example.com', reason: 'manual', source: 'x' },
      ]),
    );
    expect(together).toBe(1);
    expect((await listSuppressions(world.db, ctx, { q: 'b@' }, { limit: 5 })).items[0]?.reason).toBe(
      'unsubscribe',
    );
  });

  it('[CON-6] is listed in pages, by kind and address', async () => {
    const ctx = await world.newOrg();
    const add = (kind: 'email' | 'phone', address: string) =>
      addSuppression(world.db, ctx, { kind, address });
    await add('phone', '+49 30 901820');
    await add('email', ' B@example.com');
    await add('email', 'a@example.com');
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listSuppressions(world.db, ctx, {}, { limit: 1, cursor });
      seen.push(...page.items.map(({ kind, address }) => `${kind} ${address}`));
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(['email a@example.com', 'email b@example.com', 'phone +4930901820']);
    expect((await listSuppressions(world.db, ctx, { kind: 'phone' }, { limit: 5 })).items).toHaveLength(1);
    expect((await listSuppressions(world.db, world.theirs, {}, { limit: 5 })).items).toHaveLength(0);
  });

  it('[CON-6] gives up what was added by hand, and the rest only with a reason', async () => {
    const ctx = await world.newOrg();
    const remove = async (address: string, why?: string) =>
      removeSuppression(world.db, ctx, { kind: 'email', address, why }).then(
        () => 'removed',
        (error: Problem) => error.code,
      );
    await addSuppression(world.db, ctx, { kind: 'email', address: 'm@example.com' });
    await addSuppression(world.db, ctx, { kind: 'email', address: 'h@example.com', reason: 'hard_bounce' });
    await addSuppression(world.db, ctx, { kind: 'email', address: 'u@example.com', reason: 'unsubscribe' });
    expect(await remove('M@example.com')).toBe('removed');
    expect(await remove('m@example.com')).toBe('not_found');
    expect(await remove('h@example.com')).toBe('invalid_request');
    expect(await remove('h@example.com', 'the mailbox is back')).toBe('removed');
    expect(await remove('u@example.com', 'we would like to')).toBe('conflict');
  });

  it('[CON-6] goes out as CSV that no spreadsheet runs, and comes back as it was', async () => {
    const ctx = await world.newOrg();
    await addSuppression(world.db, ctx, { kind: 'phone', address: '+49 30 901820', reason: 'do_not_call' });
    await addSuppression(world.db, ctx, {
      kind: 'email',
      address: '=cmd@example.com',
      source: '=HYPERLINK("x")',
    });
    await addSuppression(world.db, ctx, { kind: 'telegram', address: '@someone', source: 'a, "b"' });
    const csv = await exported(ctx);
    expect(withoutTimes(csv)).toBe(
      'kind,address,reason,source,created_at\r\n' +
        `email,'=cmd@example.com,manual,"'=HYPERLINK(""x"")",time\r\n` +
        `phone,'+4930901820,do_not_call,api_key:test,time\r\n` +
        `telegram,'@someone,manual,"a, ""b""",time\r\n`,
    );
    const other = await world.newOrg();
    const done = await importSuppressions(world.db, other, Buffer.from(csv));
    expect(done).toMatchObject({ rows: 3, added: 3, already: 0, refused_rows: 0 });
    expect(withoutTimes(await exported(other))).toBe(withoutTimes(csv));
    expect(await importSuppressions(world.db, other, Buffer.from(csv))).toMatchObject({
      added: 0,
      already: 3,
    });
  });

  it("[CON-6] takes other tools' files, and says which rows it cannot read", async () => {
    const ctx = await world.newOrg();
    const file = Buffer.from('Email;Reason\nA@example.com;Complaint\nnobody;x\n\nb@example.com;\n');
    const done = await importSuppressions(world.db, ctx, file, { reason: 'unsubscribe' });
    expect(done).toMatchObject({
      rows: 3,
      added: 2,
      refused_rows: 1,
      refused: [{ row: 3, value: 'nobody;x' }],
    });
    const { items } = await listSuppressions(world.db, ctx, {}, { limit: 5 });
    expect(items.map(({ address, reason }) => [address, reason])).toEqual([
      ['a@example.com', 'complaint'],
      ['b@example.com', 'unsubscribe'],
    ]);
    const headless = importSuppressions(world.db, ctx, Buffer.from('a@example.com\nb@example.com\n'));
    await expect(headless).rejects.toMatchObject({ code: 'import_unreadable' });
  });
});
