/** `secrets rewrap`: the middle step of rotating the master secret. */
import { rewrapHookSecrets } from '../../inbound/hooks.ts';
import { rewrapSenderSecrets } from '../../senders/rewrap.ts';
import type { Command } from '../command.ts';
import { allOrganizations, withInstallation } from '../installation.ts';
import { counted } from '../plural.ts';

export const secretsRewrap: Command = {
  about:
    'Rotation: docs/configuration.md. Afterwards nothing needs the older master secrets but answers kept under an Idempotency-Key, for 24 hours.',
  async run(call) {
    const rewrapped = await withInstallation(call.config, async (installation) => {
      let count = 0;
      const { db, secrets } = installation;
      for (const { id } of await allOrganizations(installation))
        count += (await rewrapSenderSecrets(db, secrets, id)) + (await rewrapHookSecrets(db, secrets, id));
      return count;
    });
    call.result(
      { rewrapped },
      `Under the newest master secret now: ${counted(rewrapped, 'secret')} that ${rewrapped === 1 ? 'was' : 'were'} not.`,
    );
    return undefined;
  },
};
