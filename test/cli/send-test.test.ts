/** `keys create --member` and `sequences test`: a step to oneself, through a real mail server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sandbox as adapter } from '../../src/channels/sandbox/adapter.ts';
import { runSandbox, type Sandbox } from '../../src/channels/sandbox/run.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { setup, type World } from '../api/world.ts';
import { commandLine } from '../support/command-line.ts';

let world: World;
const { dir, cadenza } = commandLine(() => world);
let sandbox: Sandbox;
let sender: Uuid;
let sequence: Uuid;

beforeAll(async () => {
  world = await setup({ adapters: [adapter as never] });
  sandbox = await runSandbox(dir, () => undefined);
  const from = { address: 'sender@example.com' };
  const made = await world.call('POST', '/api/senders', {
    body: { channel: 'email', provider: 'sandbox', name: 'Box', from, config: sandbox.config },
  });
  sender = made.body.id;
  const steps = [
    { key: 'hello', channel: 'email', delay: { amount: 0, unit: 'minutes' }, subject: 'Hi', body_text: 'T' },
  ];
  const body = { name: 'One', sender_ids: [sender], steps };
  sequence = (await world.call('POST', '/api/outreach/sequences', { body })).body.id;
});
afterAll(async () => {
  await world?.close();
  await sandbox?.stop();
});

const inbox = () => sandbox.sink.list({ limit: 100 });

describe('[TEN-4] a test to oneself from the command line', () => {
  test('goes to the member’s own verified address alone; several members have to be told apart', async () => {
    for (const name of ['ada', 'bea'])
      await world.call('POST', '/api/members', {
        body: { name, email: `${name}@own.example`, role: 'member' },
      });
    const make = ['keys', 'create', '--name', 'mine', '--role', 'member', '--member', 'Ada@own.example'];
    const key = (await cadenza(...make)).out;
    expect((await world.call('GET', '/api/me', { key })).body.member).toMatchObject({
      email: 'ada@own.example',
    });
    const words = ['sequences', 'test', sequence, '--step', 'hello'];
    const unsure = await cadenza(...words);
    expect([unsure.code, unsure.err]).toEqual([2, expect.stringContaining('--member')]);
    const asAda = [...words, '--member', 'ada@own.example'];
    const early = await cadenza(...asAda);
    expect([early.code, early.err]).toEqual([3, expect.stringContaining('/api/me/addresses')]);

    const body = { kind: 'email', address: 'ada.private@example.org', sender_id: sender };
    const added = await world.call('POST', '/api/me/addresses', { key, body });
    expect(added.body.code.outcome).toBe('sent');
    const code = /^\d{6}/.exec((await inbox())[0]!.subject)![0];
    const verify = `/api/me/addresses/${added.body.address.id}/verify`;
    expect((await world.call('POST', verify, { key, body: { code } })).status).toBe(200);

    const sent = await cadenza(...asAda, '--json');
    expect(sent).toMatchObject({ code: 0 });
    expect(JSON.parse(sent.out)).toMatchObject({
      outcome: 'sent',
      to: 'ada.private@example.org',
      subject: '[Test] Hi',
    });
    expect((await cadenza(...words, '--member', 'bea@own.example')).code).toBe(3);
    const got = (await inbox()).filter((entry) => entry.subject === '[Test] Hi');
    expect(got.map((entry) => entry.envelope.to)).toEqual([['ada.private@example.org']]);
  });
});
