/** `secrets rewrap`: the middle step of rotating the master secret. */
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
      for (const org of await allOrganizations(installation))
        count += await rewrapSenderSecrets(installation.db, installation.secrets, org.id);
      return count;
    });
    call.result(
      { rewrapped },
      `Under the newest master secret now: ${counted(rewrapped, 'secret')} that ${rewrapped === 1 ? 'was' : 'were'} not.`,
    );
    return undefined;
  },
};
