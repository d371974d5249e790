/** The built-in inbox as docs/inbox.md describes it: a sender of one's own, and faults. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sandbox as adapter } from '../../src/channels/sandbox/adapter.ts';
import { runSandbox, type Sandbox } from '../../src/channels/sandbox/run.ts';
import { setup, type World } from './world.ts';

const PAGE = readFileSync(new URL('../../docs/inbox.md', import.meta.url), 'utf8');

let world: World;
let dir: string;
let sandbox: Sandbox;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'cadenza-inbox-'));
  world = await setup({ adapters: [adapter as never] });
  sandbox = await runSandbox(dir, () => undefined);
});
afterAll(async () => {
  await world?.close();
  await sandbox?.stop();
  rmSync(dir, { recursive: true });
});

const make = (config: Record<string, unknown>) =>
  world.call('POST', '/api/senders', {
    body: { channel: 'email', provider: 'sandbox', name: 'S', from: { address: 's@example.com' }, config },
  });

test('[OPS-6] a sender for the inbox without its token is told where the token stands, and is made with it', async () => {
  const bare = await make({});
  expect(bare.status).toBe(400);
  const told = (bare.body.errors as { field: string; message: string }[]).map(
    ({ field, message }) => `${field} ${message}`,
  );
  for (const [field, stands] of [
    ['config.port', '`smtp_port`'],
    ['config.lookup_url', '`lookup_port`'],
    ['config.lookup_token', '`token`'],
  ] as const)
    expect(told).toContainEqual(expect.stringMatching(`^${field} is missing: .*${stands}.* of sandbox.json`));
  const note = JSON.parse(readFileSync(join(dir, 'sandbox.json'), 'utf8'));
  const lookup_url = `http://127.0.0.1:${note.lookup_port}`;
  const made = await make({ port: note.smtp_port, lookup_url, lookup_token: note.token });
  expect([made.status, made.text.includes(note.token)]).toEqual([201, false]);
  // What is there and wrong is told as such.
  const wrong = await make({ port: 'x', lookup_url, lookup_token: '' });
  expect(wrong.text).not.toContain('is missing');
});

test('[OPS-3] the faults that the page shows are taken, without the token nothing is', async () => {
  const shown = [...PAGE.matchAll(/-X PUT .* -d '(.*)'$/gm)].map((match) => match[1]!);
  expect(shown.length).toBeGreaterThan(2);
  const { lookup_url, lookup_token } = sandbox.config;
  const put = async (body: string, token = lookup_token) =>
    (
      await fetch(`${lookup_url}/faults`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${token}` },
        body,
      })
    ).status;
  for (const body of shown) expect(await put(body), body).toBe(200);
  expect(await put(shown[0]!, 'other')).toBe(401);
  expect(await put('{"refuse": {"code": 550, "text": "no"}, "cut": "data"}')).toBe(400);
});
