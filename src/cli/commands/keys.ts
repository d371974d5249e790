/** `keys create`, `keys list`, `keys revoke`. */
import { isUuid } from '../../kernel/ids.ts';
import { PAGE_LIMIT } from '../../kernel/page.ts';
import { type ApiKey, createApiKey, listApiKeys, revokeApiKey } from '../../tenancy/api-keys.ts';
import { ROLES, type Role } from '../../tenancy/context.ts';
import { findMember } from '../../tenancy/members.ts';
import { SCOPES, type Scope } from '../../tenancy/roles.ts';
import { type Call, type Command, textOption, UsageError } from '../command.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';

function roleOption(call: Call): Role {
  const text = textOption(call, 'role') ?? 'admin';
  const role = ROLES.find((one) => one === text);
  if (!role) throw new UsageError(`--role must be one of ${ROLES.join(', ')}.`);
  return role;
}

function scopesOption(call: Call): Scope[] {
  const words = textOption(call, 'scopes')?.split(',') ?? [];
  return words.map((word) => {
    const scope = SCOPES.find((one) => one === word.trim());
    if (!scope) throw new UsageError(`There is no scope ${word}; there are ${SCOPES.join(', ')}.`);
    return scope;
  });
}

function expiryOption(call: Call): Date | null {
  const text = textOption(call, 'expires');
  if (text === undefined) return null;
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw new UsageError('--expires must be a date, such as 2030-01-31.');
  if (at <= new Date()) throw new UsageError('--expires lies in the past: the key would open nothing.');
  return at;
}

export const keysCreate: Command = {
  options: {
    name: { value: 'NAME', about: 'What it is for', required: true },
    role: { value: 'ROLE', about: `${ROLES.join(', ')}; default admin` },
    scopes: { value: 'LIST', about: 'Narrow the role to these scopes, separated by commas' },
    member: { value: 'ID_OR_EMAIL', about: 'The member whose key it shall be' },
    expires: { value: 'DATE', about: 'When it ends, RFC 3339; default never' },
    ...ORG_OPTION,
  },
  about: 'Example: export CADENZA_KEY=$(npx --silent cadenza keys create --name laptop)',
  async run(call) {
    const wanted = {
      name: textOption(call, 'name') ?? '',
      role: roleOption(call),
      scopes: scopesOption(call),
      expires_at: expiryOption(call),
    };
    const { made, org } = await withInstallation(call.config, async (installation) => {
      const caller = await chooseOrganization(call, installation, { makeFirst: true });
      const member = textOption(call, 'member');
      const member_id = member === undefined ? null : (await findMember(installation.db, caller, member)).id;
      return { made: await createApiKey(installation.db, caller, { ...wanted, member_id }), org: caller.org };
    });
    call.result({ ...made, organization_id: org }, made.key);
    return undefined;
  },
};

function line(key: ApiKey): string {
  const state = key.revoked_at
    ? 'revoked'
    : key.expires_at && key.expires_at < new Date()
      ? 'expired'
      : 'valid';
  return [key.id, `${key.prefix}…`, key.role.padEnd(6), state.padEnd(7), key.name].join('  ');
}

export const keysList: Command = {
  options: { ...ORG_OPTION },
  async run(call) {
    const keys: ApiKey[] = [];
    await withInstallation(call.config, async (installation) => {
      const caller = await chooseOrganization(call, installation);
      let cursor: string | undefined;
      do {
        const page = await listApiKeys(installation.db, caller, { limit: PAGE_LIMIT.max, cursor });
        keys.push(...page.items);
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
    });
    call.result({ items: keys }, keys.map(line).join('\n') || 'There are no API keys.');
    return undefined;
  },
};

export const keysRevoke: Command = {
  takes: ['ID'],
  options: { ...ORG_OPTION },
  async run(call) {
    const id = call.args[0]!.toLowerCase();
    if (!isUuid(id)) throw new UsageError('ID is the id that `npx cadenza keys list` shows.');
    const key = await withInstallation(call.config, async (installation) =>
      revokeApiKey(installation.db, await chooseOrganization(call, installation), id),
    );
    call.result(key, `Revoked ${key.name} (${key.prefix}…).`);
    return undefined;
  },
};
