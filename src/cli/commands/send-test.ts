/**
 * `sequences test`: a step to oneself [TEN-4]. Whoever reaches the database says which member they are; it goes where that
 * member has shown to read, and no option names another address.
 */
import { pino } from 'pino';
import { openApp } from '../../app.ts';
import { sendTest, type TestSent } from '../../dispatch/send-test.ts';
import { PAGE_LIMIT } from '../../kernel/page.ts';
import { findMember, listMembers, type Member } from '../../tenancy/members.ts';
import type { Caller } from '../../tenancy/roles.ts';
import { type Call, type Command, EXIT, textOption, UsageError } from '../command.ts';
import { idArgument } from '../input.ts';
import { chooseOrganization, type Installation, ORG_OPTION, withInstallation } from '../installation.ts';
import { idOption, oneOf } from '../listing.ts';
import { publicUrlElsewhere } from '../public-url.ts';

const TEST_PATH = '/u/test';

/** @throws UsageError, Problem not_found */
async function chooseMember(call: Call, { db }: Installation, caller: Caller): Promise<Member> {
  const named = textOption(call, 'member');
  if (named !== undefined) return findMember(db, caller, named);
  const { items } = await listMembers(db, caller, { limit: PAGE_LIMIT.max });
  const [only, ...others] = items.filter((member) => member.disabled_at === null);
  if (!only || others.length > 0) throw new UsageError('Say which member you are with --member ID_OR_EMAIL.');
  return only;
}

function text({ outcome, to, reason, detail }: TestSent): string {
  const why = [reason, detail].filter(Boolean).join(': ');
  if (outcome === 'sent') return `Sent to ${to}.`;
  if (outcome === 'unknown') return `It may have gone to ${to}; the provider did not say so (${why}).`;
  return `Not sent to ${to}: ${why}.`;
}

export const sequencesTest: Command = {
  takes: ['ID'],
  options: {
    step: { value: 'KEY', about: 'The key or the id of the step', required: true },
    contact: { value: 'ID', about: 'With the values of this contact; default one that is made up' },
    sender: { value: 'ID', about: 'Through this sender; default the one the contact would get' },
    variant: { value: 'KEY', about: 'This arm of the step' },
    version: { value: 'WHICH', about: 'draft or published; default draft' },
    member: { value: 'ID_OR_EMAIL', about: 'Who you are; needed when there are several members' },
    ...ORG_OPTION,
  },
  about:
    'It goes to the verified address of the member, which POST /api/me/addresses adds, and nowhere else.',
  async run(call) {
    const id = idArgument(call, 'sequences list');
    const wanted = {
      step: textOption(call, 'step') ?? '',
      contact_id: idOption(call, 'contact'),
      sender_id: idOption(call, 'sender'),
      variant: textOption(call, 'variant'),
      version: oneOf(call, 'version', ['draft', 'published'] as const),
    };
    const { config } = call;
    const url = publicUrlElsewhere(config);
    const sent = await withInstallation(config, async (installation) => {
      const caller = await chooseOrganization(call, installation);
      const member = await chooseMember(call, installation, caller);
      const app = await openApp(config, {
        appUrl: installation.db.url,
        connections: 2,
        publicUrl: () => url,
        logger: pino({ level: 'silent' }),
        name: 'cadenza cli',
      });
      try {
        const as = { ...caller, member_id: member.id };
        return await sendTest(app.engine, as, id, wanted, url + TEST_PATH);
      } finally {
        await app.close();
      }
    });
    call.result(sent, text(sent));
    return sent.outcome === 'sent' ? undefined : EXIT.failed;
  },
};
