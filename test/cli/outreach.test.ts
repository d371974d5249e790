import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type Relay, startRelay } from '../support/relay.ts';

const PASSWORD = `pw-${randomBytes(18).toString('base64url')}`;

let database: TestDatabase;
let relay: Relay;
let home: string;
beforeAll(async () => {
  database = await createDatabase();
  relay = await startRelay(PASSWORD);
  home = mkdtempSync(join(tmpdir(), 'cadenza-cli-'));
  await cadenza('orgs', 'create', '--name', 'Ours');
});
afterAll(async () => {
  await relay?.close();
  await database?.drop();
  if (home) rmSync(home, { recursive: true });
});

async function cadenza(...words: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const env = { DATABASE_URL: database.ownerUrl, CADENZA_DATA: home };
  const code = await main([...words, '--json'], env, {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
  });
  const text = out.join('\n');
  return { code, text: text + err.join('\n'), err: err.join('\n'), body: JSON.parse(text || 'null') };
}

function file(name: string, content: unknown): string {
  const path = join(home, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('cadenza senders and sequences', () => {
  test('[TEN-8] a sender is made, verified and listed, and its password is nowhere to be read', async () => {
    const password = file('password', `${PASSWORD}\n`);
    const account = [
      '--host',
      '127.0.0.1',
      '--port',
      String(relay.port),
      '--username',
      'ann',
      '--password-file',
      password,
    ];
    const made = await cadenza(
      'senders',
      'create',
      '--from',
      'ann@example.com',
      '--daily-limit',
      '50',
      ...account,
    );
    expect([made.code, made.body.has_secret, made.body.daily_limit]).toEqual([0, true, 50]);
    const verified = await cadenza('senders', 'verify', made.body.id);
    expect([verified.code, verified.body.checks.length]).toEqual([0, 4]);
    expect(relay.logins).toEqual([{ username: 'ann', password: PASSWORD }]);
    const listed = await cadenza('senders', 'list');
    expect(listed.body.items).toMatchObject([
      { id: made.body.id, usage: { used_today: 0, daily_limit: 50 } },
    ]);
    expect([made.text, verified.text, listed.text].filter((text) => text.includes(PASSWORD))).toEqual([]);

    const wrong = file('sender.json', {
      channel: 'email',
      provider: 'smtp',
      name: 'Wrong',
      from: { address: 'ann@example.com' },
      config: { host: '127.0.0.1', port: relay.port, username: 'ann', password: `${PASSWORD}x` },
    });
    const second = await cadenza('senders', 'create', wrong);
    const refused = await cadenza('senders', 'verify', second.body.id);
    expect([refused.code, refused.body.error.code]).toEqual([3, 'sender_verification_failed']);
    expect(refused.err).toContain('FAIL  sign_in');
    expect(refused.text).not.toContain(PASSWORD);
  });

  test('[SEQ-1] [EXE-15] a sequence is made from a file, published, paused and resumed', async () => {
    const [{ id: sender }] = (await cadenza('senders', 'list')).body.items;
    const steps = [{ channel: 'email', subject: 'Hi', body_text: 'One' }];
    const draft = await cadenza('sequences', 'create', file('sequence.json', { name: 'Spring', steps }));
    expect([draft.code, draft.body.status]).toEqual([0, 'draft']);
    const refused = await cadenza('sequences', 'publish', draft.body.id);
    expect([refused.code, refused.body.error.errors]).toMatchObject([
      3,
      [{ field: 'sender_ids', code: 'no_sender' }],
    ]);

    const ready = file('ready.json', { name: 'Summer', sender_ids: [sender], steps });
    const made = await cadenza('sequences', 'create', ready, '--publish');
    expect(made.body).toMatchObject({ status: 'active', published_version: 1 });
    const again = await cadenza('sequences', 'publish', made.body.id);
    expect(again.body).toMatchObject({ changed: false, version: { number: 1 } });
    const paused = await cadenza('sequences', 'pause', made.body.id, '--wait', '5s', '--reason', 'typo');
    expect(paused.body).toMatchObject({ sequence: { status: 'paused' }, receipt: { drained: true } });
    const resumed = await cadenza('sequences', 'resume', made.body.id);
    expect(resumed.body.sequence.status).toBe('active');
    const listed = await cadenza('sequences', 'list');
    expect(listed.body.items.map((item: { name: string }) => item.name)).toEqual(['Summer', 'Spring']);
  });

  test('[SEQ-1] what is wrong with a file or an id is said, with its exit code', async () => {
    expect((await cadenza('sequences', 'create', join(home, 'nowhere.json'))).code).toBe(2);
    expect((await cadenza('sequences', 'create', file('broken.json', '{'))).code).toBe(2);
    const strange = await cadenza('sequences', 'create', file('strange.json', { name: 'X', stepz: [] }));
    expect([strange.code, strange.body.error.errors]).toMatchObject([
      3,
      [{ field: 'stepz', code: 'unknown_field' }],
    ]);
    expect((await cadenza('sequences', 'publish', 'Spring')).code).toBe(2);
    expect((await cadenza('sequences', 'publish', crypto.randomUUID())).body.error.code).toBe('not_found');
    expect((await cadenza('senders', 'create', '--from', 'ann@example.com')).code).toBe(2);
  });
});
