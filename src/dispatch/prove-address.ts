/** Sends a code to an address of the caller's own [TEN-4]: whoever gives it back has shown to read what comes there. */
import { normalizeEmail } from '../contacts/email-address.ts';
import { normalizePhone } from '../contacts/phone-number.ts';
import { sizeOfSms } from '../content/sms-segments.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { Problem } from '../kernel/problem.ts';
import { messageId } from '../plan/sequences/steps/email.ts';
import type { SenderSettings } from '../senders/senders.ts';
import {
  enterAddress,
  type MemberAddress,
  type MemberAddressKind,
  newCode,
  requireMember,
} from '../tenancy/member-addresses.ts';
import type { Caller } from '../tenancy/roles.ts';
import {
  type MailEngine,
  MEMBER_KINDS,
  type MemberMailResult,
  mailSender,
  sendToMember,
  type Unaddressed,
} from './member-mail.ts';

export interface NewAddress {
  kind: MemberAddressKind;
  /** As people write it. */
  address: string;
  sender_id: Uuid;
}

const LIFE = '15 minutes';

/** @throws Problem no_member, not_found, invalid_request, conflict, and what `sendToMember` throws */
export async function proveAddress(
  engine: MailEngine,
  caller: Caller,
  { kind, address: written, sender_id }: NewAddress,
): Promise<{ address: MemberAddress; code: MemberMailResult }> {
  const member = requireMember(caller);
  const address = kind === 'email' ? normalizeEmail(written) : normalizePhone(written);
  if (address === null)
    throw invalid(
      'address',
      kind === 'email' ? 'This is no e-mail address' : 'Write the number as +49 30 123456',
    );
  const sender = await mailSender(engine, caller.org, sender_id);
  if (MEMBER_KINDS[sender.channel] !== kind)
    throw invalid(
      'sender_id',
      `A sender of the channel ${sender.channel} does not write to an address of this kind`,
    );
  const { code, hash } = await newCode(member);
  const id = newId();
  let entered: MemberAddress | undefined;
  const result = await sendToMember(engine, caller, {
    id,
    kind,
    sender,
    message: codeMessage(id, sender, sender.organization, code),
    code: {
      hash,
      async enter(tx) {
        entered = await enterAddress(tx, caller, member, { kind, address });
        return entered.id;
      },
    },
    about: {},
  });
  return { address: entered!, code: result };
}

function codeMessage(id: Uuid, sender: SenderSettings, organization: string, code: string): Unaddressed {
  const says = `${code} is your code to verify this address for ${organization}. It works for ${LIFE}.`;
  const text = `${says} If you did not ask for it, you need not do anything.`;
  const from = sender.from_address;
  if (sender.channel === 'sms') return { kind: 'sms', from, text, ...sizeOfSms(text) };
  if (sender.channel !== 'email') return { kind: 'whatsapp_text', from, text };
  return {
    kind: 'email',
    from: sender.from_name === null ? { address: from } : { name: sender.from_name, address: from },
    subject: `${code} is your code`,
    text,
    message_id: messageId(id, 1, from),
    // RFC 3834: so that no answering machine answers it.
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
}

function invalid(field: string, message: string): Problem {
  return new Problem('invalid_request', message, { errors: [{ field, code: 'not_fitting', message }] });
}
