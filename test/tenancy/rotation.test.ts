import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { Database } from '../../src/db/database.ts';
import { createSender } from '../../src/senders/create.ts';
import { decryptedConfig } from '../../src/senders/credentials.ts';
import { senderSettings } from '../../src/senders/senders.ts';
import { ensureAppLogin } from '../../src/tenancy/app-login.ts';
import { createOrganization } from '../../src/tenancy/organizations.ts';
import { createSecrets } from '../../src/tenancy/secrets.ts';
import { quietSmtp } from '../api/fuzz/world.ts';
import { createDatabase } from '../support/database.ts';

const [OLD, NEW] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')];
const actor = { type: 'system', id: 'test', name: 'test' } as const;

test('[TEN-8] after a rotation every stored secret opens without the old master secret', async () => {
  const database = await createDatabase();
  const dir = mkdtempSync(join(tmpdir(), 'cadenza-rotation-'));
  const db = new Database({ url: await ensureAppLogin(database.ownerUrl, OLD), max: 2 });
  const providers = new Map([['smtp', quietSmtp]]);
  const made: { org: string; id: string; password: string }[] = [];
  for (const name of ['A', 'B', 'C']) {
    const { id: org } = await createOrganization(db, actor, { name });
    const password = randomBytes(9).toString('hex');
    const { id } = await createSender(
      db,
      createSecrets([OLD]),
      providers,
      { org, actor },
      {
        channel: 'email',
        provider: 'smtp',
        name,
        from: { address: 'a@example.org' },
        config: { host: '127.0.0.1', port: 2525, username: 'u', password },
      },
    );
    made.push({ org, id, password });
  }

  const rewrap = async (secrets: string) => {
    const out: string[] = [];
    const env = { DATABASE_URL: database.ownerUrl, CADENZA_SECRET: secrets, CADENZA_DATA: dir };
    const code = await main(['secrets', 'rewrap', '--json'], env, {
      out: (text) => void out.push(text),
      err: () => undefined,
    });
    return { code, ...JSON.parse(out.at(-1)!) };
  };
  expect(await rewrap(`${NEW},${OLD}`)).toEqual({ code: 0, rewrapped: 3 });
  expect(await rewrap(`${NEW},${OLD}`)).toEqual({ code: 0, rewrapped: 0 });

  // The login's password follows the newest master secret.
  const after = new Database({ url: await ensureAppLogin(database.ownerUrl, [NEW, OLD]), max: 1 });
  for (const { org, id, password } of made) {
    const sender = (await senderSettings(after, org, id))!;
    expect(decryptedConfig(createSecrets([NEW]), org, sender)).toMatchObject({ username: 'u', password });
    expect(() => decryptedConfig(createSecrets([OLD]), org, sender)).toThrow('not known here');
    expect(sender.version).toBe(1);
  }
  expect(await rewrap(OLD)).toMatchObject({ code: 1 });

  await Promise.all([db.close(), after.close()]);
  await database.drop();
  rmSync(dir, { recursive: true });
});
