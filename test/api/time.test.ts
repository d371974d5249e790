/** Quiet hours and holidays as settings, over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_QUIET_HOURS } from '../../src/schedule/quiet-hours.ts';
import { makeContacts, makeSender, makeSequence, oneStep } from '../support/outreach.ts';
import { type Reply, setup, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await setup();
});
afterAll(() => world?.close());

const organization = async () => (await world.call('GET', '/api/organization')).body;
const change = (body: object) => world.call('PATCH', '/api/organization', { body });
const set = (country: string | null, ...dates: string[]) =>
  world.call('PUT', '/api/holidays', {
    body: { country, holidays: dates.map((date) => ({ date, name: `Day ${date}` })) },
  });
const list = async (query = ''): Promise<string[]> => {
  const { body } = await world.call('GET', `/api/holidays?limit=200${query}`);
  return body.items.map(
    ({ country, date }: { country: string | null; date: string }) => `${country} ${date}`,
  );
};

async function upload(
  text: string | Uint8Array<ArrayBuffer>,
  fields: Record<string, string> = {},
): Promise<Reply> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', new Blob([text]), 'holidays.ics');
  const response = await fetch(`${world.url}/api/holidays/import`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.org.key}` },
    body: form,
  });
  const answer = await response.text();
  return { status: response.status, headers: response.headers, text: answer, body: JSON.parse(answer) };
}

const ics = (...events: string[]) =>
  [
    'BEGIN:VCALENDAR',
    ...events.map((event) => `BEGIN:VEVENT\r\n${event}\r\nEND:VEVENT`),
    'END:VCALENDAR',
    '',
  ].join('\r\n');
const YEAR = new Date().getUTCFullYear() + 1;
const CHRISTMAS = `SUMMARY:Christmas\r\nDTSTART;VALUE=DATE:${YEAR}1225\r\nDTEND;VALUE=DATE:${YEAR}1227`;

describe('[CON-7] quiet hours', () => {
  it('[CON-7] are there from the start for what rings and buzzes, and not for e-mail', async () => {
    const { quiet_hours } = await organization();
    expect(quiet_hours).toEqual(DEFAULT_QUIET_HOURS);
    expect(quiet_hours.channels).not.toContain('email');
  });

  it('[CON-7] are changed, taken away and set again; each change is a new policy', async () => {
    const before = (await organization()).policy_version;
    const night = { from: '20:00', to: '09:00', channels: ['email', 'sms'] };
    expect((await change({ quiet_hours: night })).body).toMatchObject({
      quiet_hours: night,
      policy_version: before + 1,
    });
    expect((await change({ quiet_hours: night })).body.policy_version).toBe(before + 1);
    expect((await change({ quiet_hours: null })).body).toMatchObject({
      quiet_hours: null,
      policy_version: before + 2,
    });
    expect((await change({ quiet_hours: { from: '22:00', to: '07:00' } })).body.quiet_hours).toEqual({
      from: '22:00',
      to: '07:00',
      channels: DEFAULT_QUIET_HOURS.channels,
    });
  });

  it.each([
    { from: '00:00', to: '24:00' },
    { from: '08:00', to: '08:00' },
    { from: '8:00', to: '21:00' },
    { from: '25:00', to: '08:00' },
    { from: '21:00' },
    { from: '21:00', to: '08:00', channels: ['pigeon'] },
    { from: '21:00', to: '08:00', channels: [] },
  ])('[CON-7] %j is refused by its field', async (quiet_hours) => {
    const { status, body } = await change({ quiet_hours });
    expect(status).toBe(400);
    expect(body.errors[0].field).toMatch(/^quiet_hours/);
  });

  it('[CON-7] show in a touch that explains itself', async () => {
    const { db, org } = world;
    await change({ quiet_hours: { from: '21:00', to: '08:00', channels: ['email'] } });
    const sequence = await makeSequence(db, org.id, await makeSender(db, org.id), oneStep());
    const [contact] = await makeContacts(db, org.id, 1);
    await world.call('PATCH', `/api/contacts/${contact}`, { body: { phone: '+18505550123' } });
    const made = await world.call('POST', '/api/outreach/enrollments', {
      body: { sequence_id: sequence, contact_id: contact },
    });
    const told = await world.call('GET', `/api/touches/${made.body.enrollment.live_touch}`);
    expect(told.body.recipient).toEqual({
      time_zones: ['America/New_York', 'America/Chicago'],
      known_by: 'phone',
      quiet_hours: [{ from: '21:00', to: '08:00', source: 'organization' }],
      policy_version: (await organization()).policy_version,
    });
  });
});

describe('[CON-7] /api/holidays', () => {
  it('[CON-7] are set a country at a time, or for the organization itself, each list whole', async () => {
    const before = (await organization()).policy_version;
    expect((await set('DE', '2026-10-03', '2026-12-25')).body).toEqual({
      country: 'DE',
      count: 2,
      changed: true,
    });
    await set(null, '2026-12-24');
    expect(await list()).toEqual(['null 2026-12-24', 'DE 2026-10-03', 'DE 2026-12-25']);
    expect(await list('&country=own')).toEqual(['null 2026-12-24']);
    expect(await list('&country=DE&from=2026-11-01&until=2026-12-31')).toEqual(['DE 2026-12-25']);
    expect((await organization()).policy_version).toBe(before + 2);
    expect((await set('DE', '2026-12-25', '2026-10-03')).body.changed).toBe(false);
    expect((await organization()).policy_version).toBe(before + 2);
    await set('DE');
    expect(await list()).toEqual(['null 2026-12-24']);
    const audited = await world.call(
      'GET',
      `/api/audit?subject_type=organization&subject_id=${world.org.id}`,
    );
    expect(audited.body.items[0]).toMatchObject({
      action: 'holidays.replace',
      data: { country: 'DE', before: 2, after: 0 },
    });
  });

  it('[CON-7] are read page by page', async () => {
    await set('FR', ...Array.from({ length: 7 }, (_, i) => `2026-05-0${i + 1}`));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body }: Reply = await world.call(
        'GET',
        `/api/holidays?country=FR&limit=3${cursor && `&cursor=${cursor}`}`,
      );
      seen.push(...body.items.map(({ date }: { date: string }) => date));
      cursor = body.next_cursor;
    }
    expect(seen).toEqual(Array.from({ length: 7 }, (_, i) => `2026-05-0${i + 1}`));
  });

  it('[CON-7] refuses a date that is none, one that is there twice, and a country that is none', async () => {
    for (const [country, dates] of [
      ['DE', ['2026-02-30']],
      ['DE', ['2026-05-01', '2026-05-01']],
      ['Germany', ['2026-05-01']],
      ['de', ['2026-05-01']],
    ] as const) {
      expect((await set(country, ...dates)).status).toBe(400);
    }
  });

  it('[TEN-3] are those of the caller’s organization alone', async () => {
    await set('DE', '2026-10-03');
    const theirs = await world.call('GET', '/api/holidays', { key: world.other.key });
    expect(theirs.body.items).toEqual([]);
  });

  it('[CON-7] come from an .ics file, shown before anything is written', async () => {
    await set('IT', '2026-06-02');
    const stand_up = `SUMMARY:Stand-up\r\nDTSTART:${YEAR}0501T090000Z`;
    const shown = await upload(ics(CHRISTMAS, stand_up), { country: 'IT', preview: 'true' });
    expect(shown.status).toBe(200);
    expect(shown.body).toEqual({
      country: 'IT',
      written: false,
      holidays: [
        { date: `${YEAR}-12-25`, name: 'Christmas' },
        { date: `${YEAR}-12-26`, name: 'Christmas' },
      ],
      left_out: [{ line: 7, name: 'Stand-up', reason: 'It is not an all-day event' }],
      unreadable: [],
    });
    expect(await list('&country=IT')).toEqual(['IT 2026-06-02']);
    const written = await upload(ics(CHRISTMAS, stand_up), { country: 'IT' });
    expect(written.body).toEqual({ ...shown.body, written: true });
    expect(await list('&country=IT')).toEqual([`IT ${YEAR}-12-25`, `IT ${YEAR}-12-26`]);
  });

  it('[CON-7] of every year are written out for ten years', async () => {
    await upload(ics('SUMMARY:New Year\r\nDTSTART;VALUE=DATE:20000101\r\nRRULE:FREQ=YEARLY'), {
      country: 'ES',
    });
    const found = await list('&country=ES');
    expect(found.length).toBeGreaterThanOrEqual(10);
    expect(found.at(-1)).toBe(`ES ${YEAR + 9}-01-01`);
  });

  it('[CON-7] of a file that cannot be read are not written, and the lines are named', async () => {
    await set('PT', '2026-06-10');
    const wrong = ics(CHRISTMAS, 'SUMMARY:Weekly\r\nDTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=WEEKLY');
    const refused = await upload(wrong, { country: 'PT' });
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({
      code: 'calendar_unreadable',
      errors: [{ field: 'line 7', message: 'Weekly: Only yearly recurrence is supported, not WEEKLY' }],
    });
    for (const text of ['', 'Date;Name\n2026-01-01;New Year', ics(), new Uint8Array([0x42, 0xff, 0xfe])])
      expect((await upload(text, { country: 'PT' })).status).toBe(422);
    expect((await upload('x'.repeat(1_000_001), { country: 'PT' })).status).toBe(413);
    expect(await list('&country=PT')).toEqual(['PT 2026-06-10']);
    const skipped = await upload(wrong, { country: 'PT', skip_unreadable: 'true' });
    expect(skipped.body).toMatchObject({ written: true, unreadable: [{ line: 7, name: 'Weekly' }] });
    expect(await list('&country=PT')).toHaveLength(2);
  });

  it('[TEN-5] a viewer reads them and changes nothing', async () => {
    const { key } = await world.newKey(world.org, 'viewer');
    expect((await world.call('GET', '/api/holidays', { key })).status).toBe(200);
    expect(
      (await world.call('PUT', '/api/holidays', { key, body: { country: null, holidays: [] } })).status,
    ).toBe(403);
  });
});
