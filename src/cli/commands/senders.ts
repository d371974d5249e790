/** `senders create`, `senders list`, `senders verify`. The adapters of all providers are loaded where one is needed. */
import { PAGE_LIMIT } from '../../kernel/page.ts';
import { Problem } from '../../kernel/problem.ts';
import type { Providers, Verification } from '../../senders/provider.ts';
import { listSenders, type Sender } from '../../senders/show.ts';
import { type Call, type Command, textOption, UsageError } from '../command.ts';
import { fitting, idArgument, readJson, readText } from '../input.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';

async function providers(): Promise<Providers> {
  const { ADAPTERS } = await import('../../app.ts');
  return new Map(ADAPTERS.map((adapter) => [adapter.provider, adapter]));
}

function numberOption(call: Call, name: string): number | undefined {
  const text = textOption(call, name);
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${name} must be a whole number.`);
  return Number(text);
}

/** An SMTP account from options; a password never stands on the command line, where others can see it. */
function fromOptions(call: Call): unknown {
  const address = textOption(call, 'from');
  const host = textOption(call, 'host');
  if (!address || !host) throw new UsageError('senders create needs FILE, or --from and --host.');
  const passwordFile = textOption(call, 'password-file');
  const fromName = textOption(call, 'from-name');
  const config = {
    host,
    port: numberOption(call, 'port'),
    secure: call.options.secure === true ? true : undefined,
    username: textOption(call, 'username'),
    password: passwordFile === undefined ? undefined : readText(passwordFile).replace(/\r?\n$/, ''),
  };
  return {
    channel: 'email',
    provider: 'smtp',
    name: textOption(call, 'name') ?? address,
    from: fromName === undefined ? { address } : { address, name: fromName },
    config: Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined)),
    daily_limit: numberOption(call, 'daily-limit'),
    time_zone: textOption(call, 'time-zone'),
  };
}

export const sendersCreate: Command = {
  takes: ['[FILE]'],
  options: {
    from: { value: 'ADDRESS', about: 'The address it sends from' },
    'from-name': { value: 'NAME', about: 'The name beside it' },
    name: { value: 'NAME', about: 'What to call it here; default the address' },
    host: { value: 'HOST', about: 'The SMTP server' },
    port: { value: 'PORT', about: 'Its port; default 587' },
    secure: { about: 'TLS from the first byte (port 465)' },
    username: { value: 'NAME', about: 'To sign in with' },
    'password-file': { value: 'FILE', about: 'A file with the password; - reads it from standard input' },
    'daily-limit': { value: 'N', about: 'Messages a day at most' },
    'time-zone': { value: 'ZONE', about: 'Whose days are counted; default the organization' },
    ...ORG_OPTION,
  },
  about: 'FILE holds JSON as POST /api/senders takes it, for any provider; - is standard input.',
  async run(call) {
    const file = call.args[0];
    const { newSender } = await import('../../api/resources/senders.ts');
    const { createSender } = await import('../../senders/create.ts');
    const wanted = fitting(newSender, file === undefined ? fromOptions(call) : readJson(file));
    const made = await withInstallation(call.config, async (installation) => {
      const caller = await chooseOrganization(call, installation);
      return createSender(installation.db, installation.secrets, await providers(), caller, wanted);
    });
    call.result(made, `Made ${made.name} (${made.id}). Try it: npx cadenza senders verify ${made.id}`);
    return undefined;
  },
};

function line(sender: Sender): string {
  const { usage } = sender;
  const used = usage ? `${usage.used_today}/${usage.daily_limit ?? '∞'} today` : 'no day';
  const state = sender.verified_at ? sender.status : `${sender.status}, unverified`;
  return [sender.id, state.padEnd(18), used.padEnd(14), `${sender.name} <${sender.from.address}>`].join('  ');
}

export const sendersList: Command = {
  options: { ...ORG_OPTION },
  async run(call) {
    const items: Sender[] = [];
    await withInstallation(call.config, async (installation) => {
      const caller = await chooseOrganization(call, installation);
      let cursor: string | undefined;
      do {
        const page = await listSenders(installation.db, caller, { limit: PAGE_LIMIT.max, cursor });
        items.push(...page.items);
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
    });
    call.result({ items }, items.map(line).join('\n') || 'There are no senders.');
    return undefined;
  },
};

function checklist(checks: Verification['checks']): string {
  return checks.map((check) => `${check.ok ? 'ok  ' : 'FAIL'}  ${check.name}: ${check.detail}`).join('\n');
}

export const sendersVerify: Command = {
  takes: ['ID'],
  options: { ...ORG_OPTION },
  about: 'Exit code 3 when a check fails.',
  async run(call) {
    const id = idArgument(call, 'senders list');
    const { verifySender } = await import('../../senders/verify.ts');
    try {
      const verified = await withInstallation(call.config, async (installation) => {
        const caller = await chooseOrganization(call, installation);
        return verifySender(installation.db, installation.secrets, await providers(), caller, id);
      });
      call.result(verified, `${checklist(verified.checks)}\n${verified.detail}`);
    } catch (error) {
      const checks = error instanceof Problem ? error.extra.checks : undefined;
      if (checks !== undefined) call.note(checklist(checks as Verification['checks']));
      throw error;
    }
    return undefined;
  },
};
