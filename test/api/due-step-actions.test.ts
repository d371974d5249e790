/** What people do with the steps that wait for them, over HTTP: through the same gate as a worker, and once. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import type { EmailMessage, Message } from '../../src/kernel/message.ts';
import { CALL, DUE, type DueWorld, dueWorld, EMAIL, FOLLOW_UP, LINKEDIN, TASK } from '../support/due.ts';

let world: DueWorld;
beforeAll(async () => {
  world = await dueWorld();
});
afterAll(() => world?.close());
beforeEach(() => {
  world.provider.calls.length = 0;
  world.provider.answer = () => ({ kind: 'accepted' });
});

const does = (id: Uuid, action: string, body: unknown = {}) => world.post(`${DUE}/${id}/${action}`, body);
const act = (enrollment: Uuid, action: string) =>
  world.call('PATCH', `/api/outreach/enrollments/${enrollment}`, { body: { action } });
const read = async (id: Uuid) => (await world.call('GET', `${DUE}/${id}`)).body;
const sentTo = () => world.provider.calls.map((call) => call.message as EmailMessage);
const events = async (touch: Uuid) =>
  world.db.inOrg(world.org.id, (tx) =>
    tx.rows<{ type: string; actor: string; reason: string | null }>(
      sql`SELECT type, actor, reason FROM events WHERE org_id = ${world.org.id} AND touch_id = ${touch} AND type <> 'enrolled' ORDER BY at`,
    ),
  );
const audited = async (touch: Uuid) => {
  const { body } = await world.call('GET', `/api/audit?subject_type=touch&subject_id=${touch}`);
  return body.items.map((item: { action: string }) => item.action);
};

/** Waits in the provider's call until it is let go. */
function slow(): { inCall: Promise<void>; letGo(): void } {
  let reached = () => {};
  let letGo = () => {};
  const inCall = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  world.provider.answer = async () => {
    reached();
    await gate;
    return { kind: 'accepted' };
  };
  return { inCall, letGo: () => letGo() };
}

describe('[DUE-2] executing a message', () => {
  test('sends what was written, with the footer, and the enrollment goes on by itself', async () => {
    const { touch, enrollment } = await world.waiting([EMAIL, FOLLOW_UP]);
    const done = await does(touch, 'execute', {
      content: { subject: 'Dear {{ Ada }}', text: 'Mine, with {{ contact.nothing }} and {% if %}.' },
    });
    expect(done).toMatchObject({
      status: 200,
      body: {
        result: 'sent',
        repeated: false,
        due_step: { state: 'sent', draft: { source: 'person', subject: 'Dear {{ Ada }}' } },
        enrollment: { id: enrollment, status: 'active', step_no: 1, touch_state: 'planned' },
      },
    });
    const [message] = sentTo();
    expect(message!.subject).toBe('Dear {{ Ada }}');
    expect(message!.text).toContain('Mine, with {{ contact.nothing }} and {% if %}.');
    expect(message!.text).toContain(`https://example.com/u/${touch}`);
    expect(message!.html).toContain('Mine, with {{ contact.nothing }}');
    expect(message!.headers['List-Unsubscribe']).toContain(touch);
    const told = await events(touch);
    expect(told.map((event) => event.type)).toEqual(['drafted', 'sent']);
    expect(new Set(told.map((event) => event.actor.split(':')[0]))).toEqual(new Set(['api_key']));
    expect(await audited(touch)).toEqual(['due_step.execute', 'due_step.draft']);
    await world.work();
    expect(sentTo().map((one) => one.subject)).toEqual(['Dear {{ Ada }}', 'Once more']);
    expect(await world.enrollment(enrollment)).toMatchObject({ status: 'completed' });
  });

  test('sends the template where nothing was written, also by the enrollment', async () => {
    const { enrollment } = await world.waiting([EMAIL]);
    const done = await world.post(`/api/outreach/enrollments/${enrollment}/execute`);
    expect(done.body).toMatchObject({ result: 'sent', enrollment: { status: 'completed' } });
    expect(sentTo()[0]!.text).toContain('You work at Analytical Engines.');
  });

  test('a second time sends nothing and tells what became of it', async () => {
    const { touch } = await world.waiting([EMAIL, FOLLOW_UP]);
    await does(touch, 'execute');
    expect((await does(touch, 'execute', { content: { text: 'Other' } })).body).toMatchObject({
      result: 'sent',
      repeated: true,
    });
    expect(sentTo()).toHaveLength(1);
  });

  test('twenty at once are one send', async () => {
    const { touch } = await world.waiting([EMAIL, FOLLOW_UP]);
    const all = await Promise.all(Array.from({ length: 20 }, () => does(touch, 'execute')));
    expect(all.map((one) => one.status)).toEqual(all.map(() => 200));
    expect(all.filter((one) => !one.body.repeated)).toHaveLength(1);
    expect(new Set(all.map((one) => one.body.result))).toEqual(new Set(['sent']));
    expect(sentTo()).toHaveLength(1);
  });

  test('[EXE-3] paused meanwhile: 409 with the reason, nothing sent, the text kept, and there again after the resume', async () => {
    const { touch, enrollment } = await world.waiting([EMAIL]);
    await act(enrollment, 'pause');
    const refused = await does(touch, 'execute', { content: { text: 'A minute’s work' } });
    expect(refused).toMatchObject({
      status: 409,
      body: { code: 'step_refused', reason: 'source_ended', enrollment_status: 'paused' },
    });
    expect(refused.body.detail).toContain('its enrollment is paused');
    expect(sentTo()).toEqual([]);
    expect((await read(touch)).draft).toMatchObject({ text: 'A minute’s work', source: 'person' });
    await act(enrollment, 'resume');
    const again = (await world.enrollment(enrollment)).live_touch as Uuid;
    expect(again).not.toBe(touch);
    expect((await read(again)).draft).toMatchObject({ text: 'A minute’s work', source: 'person' });
    expect((await does(again, 'execute')).body.result).toBe('sent');
    expect(sentTo()[0]!.text).toContain('A minute’s work');
  });

  test.each([
    ['paused', 'pause'],
    ['unenrolled', 'unenroll'],
  ])('[EXE-3] %s between composing and the gate: nothing is sent', async (status, action) => {
    const { touch, enrollment } = await world.waiting([EMAIL]);
    const { engine } = world.deps;
    engine.failpoint = async (name) => {
      if (name === 'before_gate') await act(enrollment, action);
    };
    try {
      const refused = await does(touch, 'execute', { content: { text: 'Mine' } });
      expect(refused).toMatchObject({ status: 409, body: { enrollment_status: status } });
    } finally {
      delete engine.failpoint;
    }
    expect(sentTo()).toEqual([]);
    expect((await read(touch)).draft.text).toBe('Mine');
  });

  test.each([
    [
      'the sequence',
      ({ sequence }: { sequence: Uuid }) => `/api/outreach/sequences/${sequence}`,
      'sequence_paused',
    ],
    ['the sender', () => `/api/senders/${world.sender}`, 'sender_paused'],
  ])(
    '[EXE-15] %s is switched off: refused, and it goes when it is on again',
    async (_what, pathOf, reason) => {
      const waiting = await world.waiting([EMAIL]);
      const path = pathOf(waiting);
      await world.post(`${path}/pause`);
      expect(await does(waiting.touch, 'execute')).toMatchObject({ status: 409, body: { reason } });
      expect(sentTo()).toEqual([]);
      await world.post(`${path}/resume`);
      expect((await does(waiting.touch, 'execute')).body.result).toBe('sent');
    },
  );

  test('[SEQ-13] [CON-4] whoever opted out is not written to, and the enrollment ends as a worker would end it', async () => {
    const { touch, contact, enrollment } = await world.waiting([EMAIL]);
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(sql`
        INSERT INTO suppressions (org_id, kind, address, reason, source)
        SELECT ${world.org.id}, 'email', email, 'manual', 'test' FROM contacts WHERE org_id = ${world.org.id} AND id = ${contact}`),
    );
    expect(await does(touch, 'execute')).toMatchObject({ status: 409, body: { reason: 'suppressed' } });
    expect(sentTo()).toEqual([]);
    expect(await world.enrollment(enrollment)).toMatchObject({ status: 'unsubscribed' });
  });

  test('a text that cannot be made ends nothing: it is corrected, and goes', async () => {
    const { touch, enrollment } = await world.waiting([
      { ...EMAIL, body_text: '{{ contact.attributes.gone }}!' },
    ]);
    expect(await does(touch, 'execute')).toMatchObject({ status: 409, body: { reason: 'missing_variable' } });
    expect(await world.enrollment(enrollment)).toMatchObject({ status: 'active' });
    expect((await does(touch, 'execute', { content: { text: 'Corrected' } })).body.result).toBe('sent');
  });

  test('[CON-7] at night it is refused with the time when it may go; overdue or early, it goes in the day', async () => {
    const night = await world.waiting([EMAIL], {
      window: {
        days: [['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][(new Date().getUTCDay() + 3) % 7]],
        from: '09:00',
        to: '10:00',
      },
    });
    const refused = await does(night.touch, 'execute');
    expect(refused).toMatchObject({ status: 409, body: { reason: 'window_closed' } });
    expect(Date.parse(refused.body.opens_at)).toBeGreaterThan(Date.now());
    for (const days of [-40, -1, 3]) {
      const { touch } = await world.waiting([EMAIL]);
      const until = new Date(Date.now() + days * 86_400_000);
      await world.dueAt(touch, until);
      await world.db.inOrg(world.org.id, (tx) =>
        tx.run(
          sql`UPDATE touches SET not_after = ${new Date(until.getTime() + 1_000)} WHERE org_id = ${world.org.id} AND id = ${touch}`,
        ),
      );
      expect((await does(touch, 'execute')).body.result, `${days} days`).toBe('sent');
    }
  });

  test('[EXE-7] uses the sender’s day like a worker’s send, and is refused when it is used up', async () => {
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(sql`
        UPDATE senders SET daily_limit = 1 + (SELECT coalesce(sum(used), 0) FROM sender_usage WHERE org_id = ${world.org.id} AND sender_id = ${world.sender}),
               version = version + 1 WHERE org_id = ${world.org.id} AND id = ${world.sender}`),
    );
    const [one, two] = [await world.waiting([EMAIL]), await world.waiting([EMAIL])];
    expect((await does(one.touch, 'execute')).body.result).toBe('sent');
    expect(await does(two.touch, 'execute')).toMatchObject({ status: 409, body: { reason: 'quota_day' } });
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(
        sql`UPDATE senders SET daily_limit = NULL, version = version + 1 WHERE org_id = ${world.org.id} AND id = ${world.sender}`,
      ),
    );
    expect((await does(two.touch, 'execute')).body.result).toBe('sent');
  });

  test('refused for now: 409, it waits again with its text; refused for good: failed; no answer: unknown', async () => {
    const now = await world.waiting([EMAIL]);
    world.provider.answer = () => ({ kind: 'refused', permanence: 'transient', reason: 'greylisted' });
    expect(await does(now.touch, 'execute', { content: { text: 'Mine' } })).toMatchObject({
      status: 409,
      body: { reason: 'greylisted' },
    });
    expect(await read(now.touch)).toMatchObject({ state: 'planned', draft: { text: 'Mine' } });
    await world.work();
    expect(world.provider.calls.filter((call) => call.touch_id === now.touch)).toHaveLength(1);
    const never = await world.waiting([EMAIL]);
    world.provider.answer = () => ({ kind: 'refused', permanence: 'permanent', reason: 'content_rejected' });
    expect((await does(never.touch, 'execute')).body).toMatchObject({
      result: 'failed',
      enrollment: { status: 'failed' },
    });
    const lost = await world.waiting([EMAIL, FOLLOW_UP]);
    world.provider.answer = () => ({ kind: 'ambiguous', reason: 'timeout' });
    expect((await does(lost.touch, 'execute')).body.result).toBe('unknown');
    expect((await does(lost.touch, 'execute')).body).toMatchObject({ result: 'unknown', repeated: true });
    expect(world.provider.calls.filter((call) => call.touch_id === lost.touch)).toHaveLength(1);
  });

  test('once let go, the text stands; a pause lists it as in flight', async () => {
    const { touch, enrollment } = await world.waiting([EMAIL, FOLLOW_UP]);
    const { inCall, letGo } = slow();
    const going = does(touch, 'execute', { content: { text: 'First' } });
    await inCall;
    expect(await does(touch, 'draft', { content: { text: 'Second' } })).toMatchObject({
      status: 409,
      body: { reason: 'illegal_state', state: 'sending' },
    });
    const paused = await act(enrollment, 'pause');
    expect(paused.body.receipt.in_flight.map((one: { touch: Uuid }) => one.touch)).toEqual([touch]);
    letGo();
    expect((await going).body).toMatchObject({ result: 'sent', enrollment: { status: 'paused' } });
    expect(sentTo()[0]!.text).toContain('First');
    await world.work();
    expect(sentTo()).toHaveLength(1);
  });

  test('[EXE-4] a class K provider gets the same edited bytes again under the same key', async () => {
    const k = await dueWorld({ providerClass: 'K' });
    try {
      const { touch } = await k.waiting([EMAIL]);
      k.provider.answer = () => ({ kind: 'ambiguous', reason: 'timeout' });
      await k.post(`${DUE}/${touch}/execute`, { content: { subject: 'My own', text: 'Mine' } });
      k.provider.answer = () => ({ kind: 'accepted' });
      await k.work();
      const [first, second] = k.provider.calls;
      expect(second).toEqual(first);
      expect((second!.message as Message & { subject: string }).subject).toBe('My own');
      expect(await k.touch(touch)).toMatchObject({ state: 'sent' });
    } finally {
      await k.close();
    }
  });
});

describe('[DUE-2] what people do themselves', () => {
  test.each([
    ['a call', CALL, 'voicemail'],
    ['a LinkedIn message', LINKEDIN, 'message_sent'],
    ['a task', TASK, 'done'],
  ])(
    '%s is started, then completed with its outcome, and the enrollment goes on',
    async (_what, step, outcome) => {
      const { touch, enrollment } = await world.waiting([step, FOLLOW_UP]);
      expect((await does(touch, 'start')).body).toMatchObject({ state: 'sending', done_at: null });
      expect((await does(touch, 'start')).status).toBe(200);
      const done = await does(touch, 'complete', { outcome, note: 'Said so' });
      expect(done.body).toMatchObject({ state: 'sent', outcome, note: 'Said so' });
      expect((await does(touch, 'complete')).body).toMatchObject({ outcome });
      const told = await events(touch);
      expect(told.map((event) => event.type).filter((type) => type !== 'postponed')).toEqual([
        'started',
        'sent',
        'done',
      ]);
      expect(new Set(await audited(touch))).toEqual(new Set(['due_step.start', 'due_step.complete']));
      expect(await world.enrollment(enrollment)).toMatchObject({ status: 'active', step_no: 1 });
      await world.work();
      expect(await world.enrollment(enrollment)).toMatchObject({ status: 'completed' });
    },
  );

  test('executing records it as done in one go; an outcome of another channel is refused', async () => {
    const { touch } = await world.waiting([CALL]);
    expect(await does(touch, 'execute', { outcome: 'connection_requested' })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'outcome' }] },
    });
    expect((await does(touch, 'execute', { outcome: 'connected' })).body).toMatchObject({
      result: 'done',
      enrollment: { status: 'completed' },
    });
    expect((await does(touch, 'execute')).body).toMatchObject({ result: 'done', repeated: true });
  });

  test.each(['complete', 'execute'])(
    '[DUE-1] %s a second time with another outcome or note is refused, and keeps the first; the same again is no error',
    async (again) => {
      const { touch } = await world.waiting([CALL]);
      const first = { outcome: 'connected', note: 'Call in May' };
      expect((await does(touch, again, first)).status).toBe(200);
      for (const same of [first, { outcome: 'connected' }, { note: ' Call in May ' }, {}])
        expect((await does(touch, again, same)).status).toBe(200);
      for (const other of [{ ...first, note: 'Call in June' }, { outcome: 'voicemail' }, { note: 'x' }])
        expect(await does(touch, again, other)).toMatchObject({
          status: 409,
          body: { code: 'step_refused', reason: 'already_completed', ...first },
        });
      expect(await read(touch)).toMatchObject(first);
    },
  );

  test('[DUE-1] an outcome or a note of what a program sends is refused by name, and nothing is sent', async () => {
    const { touch } = await world.waiting([EMAIL]);
    const told = await does(touch, 'execute', { outcome: 'done', note: 'Sent it' });
    expect(told).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ field: 'outcome' }, { field: 'note' }] },
    });
    expect(await does(touch, 'execute', { note: 'x' })).toMatchObject({
      body: { errors: [{ field: 'note' }] },
    });
    expect(sentTo()).toEqual([]);
    expect((await does(touch, 'execute')).body).toMatchObject({ result: 'sent' });
  });

  test('[EXE-3] a paused one cannot be started; one that was started is told as it was, and advances nothing', async () => {
    const stopped = await world.waiting([CALL, FOLLOW_UP]);
    await act(stopped.enrollment, 'pause');
    expect(await does(stopped.touch, 'start')).toMatchObject({ status: 409, body: { code: 'step_refused' } });
    expect(await does(stopped.touch, 'complete')).toMatchObject({ status: 409 });
    const begun = await world.waiting([CALL, FOLLOW_UP]);
    await does(begun.touch, 'start');
    const paused = await act(begun.enrollment, 'pause');
    expect(paused.body.receipt.in_flight).toHaveLength(1);
    expect((await does(begun.touch, 'complete', { outcome: 'connected' })).body.state).toBe('sent');
    expect(await world.enrollment(begun.enrollment)).toMatchObject({ status: 'paused', step_no: 0 });
  });

  test('a number that is suppressed is not called', async () => {
    const { touch, contact } = await world.waiting([CALL]);
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(sql`
        INSERT INTO suppressions (org_id, kind, address, reason, source)
        SELECT ${world.org.id}, 'phone', phone, 'manual', 'test' FROM contacts WHERE org_id = ${world.org.id} AND id = ${contact}`),
    );
    expect(await does(touch, 'start')).toMatchObject({ status: 409, body: { reason: 'suppressed' } });
  });

  test('one that nobody completed is no message of unknown fate: it is completed later', async () => {
    const { touch, enrollment } = await world.waiting([CALL, FOLLOW_UP]);
    await does(touch, 'start');
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(
        sql`UPDATE gates SET lease_until = now() - interval '1 second' WHERE org_id = ${world.org.id} AND ${touch} = ANY (touches)`,
      ),
    );
    await world.db.call(sql`SELECT gate_expire(${world.org.id}::uuid, 'worker:test', 1000)`);
    await world.work();
    expect(await world.touch(touch)).toMatchObject({ state: 'unknown', needs_review: true });
    expect((await does(touch, 'complete', { outcome: 'connected' })).body.state).toBe('sent');
    expect(await world.enrollment(enrollment)).toMatchObject({ step_no: 1 });
  });

  test('a message is not completed by hand, and a call is not left to a worker', async () => {
    const mail = await world.waiting([EMAIL]);
    expect(await does(mail.touch, 'complete')).toMatchObject({
      status: 409,
      body: { reason: 'sent_by_program' },
    });
    const automatic = await world.waiting([FOLLOW_UP]);
    expect((await does(automatic.touch, 'execute')).status).toBe(404);
  });
});

describe('[DUE-1] [DUE-2] not now, or not I', () => {
  test('skipping goes on with the next step, once', async () => {
    const { touch, enrollment } = await world.waiting([CALL, LINKEDIN]);
    expect((await does(touch, 'skip', { reason: 'On holiday' })).body.state).toBe('skipped');
    expect((await does(touch, 'skip')).status).toBe(200);
    const row = await world.enrollment(enrollment);
    expect(row).toMatchObject({ status: 'active', step_no: 1 });
    expect(await audited(touch)).toEqual(['due_step.skip']);
    expect((await does(row.live_touch as Uuid, 'skip')).status).toBe(200);
    expect(await world.enrollment(enrollment)).toMatchObject({
      status: 'completed',
      status_reason: 'skipped_by_person',
    });
  });

  test('skipping an e-mail skips none of the later ones, also after a move to another version', async () => {
    const { touch, enrollment } = await world.waiting([EMAIL, FOLLOW_UP]);
    await world.db.inOrg(world.org.id, (tx) =>
      tx.run(
        sql`UPDATE enrollments SET had_steps = '{}' WHERE org_id = ${world.org.id} AND id = ${enrollment}`,
      ),
    );
    await does(touch, 'skip');
    expect(await world.enrollment(enrollment)).toMatchObject({ status: 'active', step_no: 1 });
  });

  test('snoozing moves its time and so its bucket; what is over cannot be the time', async () => {
    const { touch } = await world.waiting([CALL]);
    const until = new Date(Date.now() + 3 * 86_400_000);
    expect((await does(touch, 'snooze', { until: until.toISOString() })).body).toMatchObject({
      bucket: 'upcoming',
      due_at: until.toISOString(),
      state: 'planned',
    });
    expect((await events(touch)).at(-1)).toMatchObject({ type: 'postponed', reason: 'snoozed' });
    expect((await does(touch, 'snooze', { until: '2020-01-01T00:00:00Z' })).status).toBe(400);
    expect(await world.touch(touch)).toMatchObject({ wake_at: until });
  });

  test('what was started is given back by a snooze or a skip', async () => {
    const { touch } = await world.waiting([CALL]);
    await does(touch, 'start');
    const until = new Date(Date.now() + 86_400_000).toISOString();
    expect((await does(touch, 'snooze', { until })).body).toMatchObject({ state: 'planned', due_at: until });
    await does(touch, 'start');
    expect((await does(touch, 'skip')).body.state).toBe('skipped');
  });

  test('reassigning gives it and the later steps of its enrollment to a member', async () => {
    const email = `m${newId()}@example.org`;
    const member = (await world.post('/api/members', { email, name: 'Bea', role: 'member' })).body.id;
    const { touch, enrollment } = await world.waiting([CALL, LINKEDIN]);
    expect((await does(touch, 'reassign', { member_id: member })).body.assignee_id).toBe(member);
    await does(touch, 'complete');
    const next = (await world.enrollment(enrollment)).live_touch as Uuid;
    expect((await read(next)).assignee_id).toBe(member);
    expect((await does(next, 'reassign', { member_id: null })).body.assignee_id).toBeNull();
    expect((await does(next, 'reassign', { member_id: newId() })).status).toBe(404);
    await world.call('PATCH', `/api/members/${member}`, { body: { disabled: true } });
    expect(await does(next, 'reassign', { member_id: member })).toMatchObject({ status: 409 });
    expect((await events(touch)).map((event) => event.type)).toContain('assigned');
  });

  test('a draft is written, kept, refused where nothing may be written, and taken back', async () => {
    const { touch } = await world.waiting([EMAIL]);
    await does(touch, 'draft', { content: { text: 'Mine' } });
    expect((await read(touch)).draft).toMatchObject({
      subject: 'Hello Ada',
      text: 'Mine',
      html: null,
      source: 'person',
    });
    expect((await does(touch, 'draft', { content: {} })).body.draft).toMatchObject({
      text: 'You work at Analytical Engines.',
      source: 'template',
    });
    const call = await world.waiting([CALL]);
    expect(await does(call.touch, 'draft', { content: { subject: 'No' } })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'content.subject', code: 'not_editable' }] },
    });
  });

  test('[TEN-1] is nobody else’s', async () => {
    const { touch } = await world.waiting([EMAIL]);
    for (const [action, body] of [
      ['execute', {}],
      ['skip', {}],
      ['draft', { content: {} }],
      ['reassign', { member_id: null }],
    ]) {
      const reply = await world.call('POST', `${DUE}/${touch}/${action}`, { key: world.other.key, body });
      expect(reply.status, String(action)).toBe(404);
    }
    expect(await world.touch(touch)).toMatchObject({ state: 'planned' });
  });
});
