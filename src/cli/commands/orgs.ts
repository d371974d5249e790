/** `orgs create`, `orgs list`. */
import { createOrganization } from '../../tenancy/organizations.ts';
import { type Command, textOption, UsageError } from '../command.ts';
import { allOrganizations, cliActor, withInstallation } from '../installation.ts';

function timeZoneOption(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    throw new UsageError('--time-zone must be an IANA time zone such as Europe/Berlin.');
  }
}

export const orgsCreate: Command = {
  options: {
    name: { value: 'NAME', about: 'Its name', required: true },
    'time-zone': { value: 'ZONE', about: 'Its IANA time zone; default UTC' },
  },
  async run(call) {
    const name = textOption(call, 'name') ?? '';
    const time_zone = timeZoneOption(textOption(call, 'time-zone'));
    const made = await withInstallation(call.config, ({ db }) =>
      createOrganization(db, cliActor(), { name, time_zone }),
    );
    call.result(made, `Made "${made.name}" (${made.id}).`);
    return undefined;
  },
};

export const orgsList: Command = {
  async run(call) {
    const items = await withInstallation(call.config, allOrganizations);
    const text = items.map((one) => `${one.id}  ${one.name}`).join('\n');
    call.result({ items }, text || 'There are no organizations.');
    return undefined;
  },
};
