/**
 * The one way a message goes to a member and not to a contact: the code that proves an address, and a test [TEN-4]. It is
 * no touch, and yet asks what the gate asks of organization, channel, sender and quota (member-mail.sql). In: a message
 * without an address. Out: what became of it; it goes to the address that the database names, and to no other. Nothing is
 * tried again, and no transaction is open while the provider is called (I11).
 */
import { performance } from 'node:perf_hooks';
import type { SendOutcome } from '../channels/channel.ts';
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { SenderChannel } from '../kernel/channels.ts';
import type { Uuid } from '../kernel/ids.ts';
import type {
  EmailMessage,
  SmsMessage,
  WhatsappTemplateMessage,
  WhatsappTextMessage,
} from '../kernel/message.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { REFUSALS } from '../ledger/reasons.ts';
import { readPlanning } from '../plan/sequences/calendar.ts';
import { type QuotaPeriod, quotaPeriod } from '../senders/periods.ts';
import type { SenderSettings } from '../senders/senders.ts';
import { auditEntry } from '../tenancy/audit.ts';
import {
  CODE_LIFE_MS,
  type MemberAddressKind,
  maskedAddress,
  requireMember,
} from '../tenancy/member-addresses.ts';
import type { Caller } from '../tenancy/roles.ts';
import type { Engine } from './engine.ts';
import { send } from './send.ts';

/** In an hour: messages to all members of an organization, and codes to one of them. */
const MAIL_PER_HOUR = 20;
const CODES_PER_HOUR = 5;
const HOUR_S = 3_600;

export type MailEngine = Pick<Engine, 'db' | 'connect' | 'limits' | 'log' | 'failpoint'>;

/** What can be sent to a member; its address is put in below. */
export type MemberMessage = EmailMessage | SmsMessage | WhatsappTemplateMessage | WhatsappTextMessage;
type WithoutTo<M> = M extends unknown ? Omit<M, 'to'> : never;
export type Unaddressed = WithoutTo<MemberMessage>;

/** Which of a member's addresses a channel writes to; the others reach no member. */
export const MEMBER_KINDS: { readonly [C in SenderChannel]?: MemberAddressKind } = {
  email: 'email',
  sms: 'phone',
  whatsapp: 'phone',
  whatsapp_lite: 'phone',
};

export interface MemberMail {
  /** Drawn by the caller: the message's Message-ID and its key at the provider come from it. */
  id: Uuid;
  kind: MemberAddressKind;
  sender: SenderSettings;
  message: Unaddressed;
  /** Absent: a test, to the address of the kind that was verified last. */
  code?: {
    hash: Buffer;
    /** Gives the address that the code shall prove, in the transaction that lets it go. */
    enter(tx: Tx): Promise<Uuid>;
  };
  /** For the audit record. */
  about: Record<string, unknown>;
}

export const MAIL_OUTCOMES = ['sent', 'failed', 'unknown'] as const;

/** `unknown`: the provider's answer is missing; it may have gone. */
export interface MemberMailResult {
  id: Uuid;
  outcome: (typeof MAIL_OUTCOMES)[number];
  /** Why it failed or is unknown, in a word, and in the provider's own. */
  reason: string | null;
  detail: string | null;
  to: string;
  sender_id: Uuid;
  channel: SenderChannel;
}

interface Let {
  verdict: string;
  address: string | null;
}

/** The sender with its quota's calendar. @throws Problem not_found */
export async function mailSender(
  { db }: Pick<MailEngine, 'db'>,
  org: Uuid,
  id: Uuid,
): Promise<SenderSettings & { organization: string }> {
  const { senders, organization } = await readPlanning(db, org, [id]);
  const sender = senders.get(id);
  if (!sender) throw notFound('sender', id);
  return { ...sender, organization: organization.name };
}

/** @throws Problem no_member, no_verified_address, member_mail_refused, rate_limited */
export async function sendToMember(
  engine: MailEngine,
  caller: Caller,
  mail: MemberMail,
): Promise<MemberMailResult> {
  const member = requireMember(caller);
  const { id, sender } = mail;
  const channel = sender.channel;
  const connection = engine.connect(caller.org, sender);
  const { now, organization } = await readPlanning(engine.db, caller.org, []);
  const period = quotaPeriod(sender, organization.time_zone, now);
  if (!connection || !period)
    throw new Problem('member_mail_refused', 'Nothing was sent: the sender cannot be connected', {
      extra: { reason: 'no_sender' },
    });
  const deadline = performance.now() + engine.limits.budget_ms;
  await engine.failpoint?.('before_gate');
  const to = await engine.db.inOrg(caller.org, async (tx) => {
    const address = mail.code ? await mail.code.enter(tx) : null;
    const answer = await begin(engine, tx, caller.org, member, { mail, period, address });
    if (answer.verdict !== 'go') throw refusal(answer.verdict);
    return answer.address!;
  });
  await engine.failpoint?.('after_gate');
  const outgoing = {
    touch_id: id,
    idempotency_key: `${id}.1`,
    message: addressed(mail.message, to),
    connection,
  };
  const told = resultOf(await send(engine, outgoing, deadline));
  await end(engine, caller, member, { mail, to, ...told });
  return { id, ...told, to, sender_id: sender.id, channel };
}

interface Beginning {
  mail: MemberMail;
  period: QuotaPeriod;
  address: Uuid | null;
}

async function begin(
  { limits }: MailEngine,
  tx: Tx,
  org: Uuid,
  member: Uuid,
  { mail, period, address }: Beginning,
): Promise<Let> {
  const { id, kind, sender, code } = mail;
  return tx.one<Let>(sql`
    SELECT verdict, address FROM member_mail_begin(${org}::uuid, ${id}::uuid, ${member}::uuid, ${code ? 'code' : 'test'}, ${kind},
      ${address}::uuid, ${code?.hash ?? null}::bytea, ${CODE_LIFE_MS}, ${sender.channel}, ${sender.id}::uuid, ${sender.version},
      ${period.day}, ${period.hour}, ${period.gapped}, ${period.from}::timestamptz, ${period.until}::timestamptz, ${limits.budget_ms},
      ${MAIL_PER_HOUR}, ${CODES_PER_HOUR})`);
}

async function end(
  { db }: MailEngine,
  caller: Caller,
  member: Uuid,
  { mail, to, outcome, reason, provider_id }: { mail: MemberMail; to: string } & Told,
): Promise<void> {
  const { id, kind, sender, code, about } = mail;
  const entry = auditEntry(caller, {
    action: code ? 'member_address.send_code' : 'sequence.send_test',
    subject_type: 'member',
    subject_id: member,
    data: { ...about, mail_id: id, kind, to: maskedAddress(to), sender_id: sender.id, outcome, reason },
  });
  await db.call(sql`
    SELECT member_mail_end(${caller.org}::uuid, ${id}::uuid, ${outcome}, ${reason}, ${provider_id}, ${entry}::jsonb)`);
}

interface Told extends Pick<MemberMailResult, 'outcome' | 'reason' | 'detail'> {
  provider_id: string | null;
}

function resultOf(outcome: SendOutcome): Told {
  const detail = 'response' in outcome ? (outcome.response ?? null) : null;
  switch (outcome.kind) {
    case 'accepted':
      return { outcome: 'sent', reason: null, detail, provider_id: outcome.provider_id ?? null };
    case 'ambiguous':
      return { outcome: 'unknown', reason: outcome.reason, detail, provider_id: null };
    case 'refused':
    case 'not_started':
      return { outcome: 'failed', reason: outcome.reason, detail, provider_id: null };
  }
}

function addressed(message: Unaddressed, to: string): MemberMessage {
  return message.kind === 'email' ? { ...message, to: { address: to } } : { ...message, to };
}

const RATES: Record<string, string> = {
  member_mail_rate: `An organization sends its members at most ${MAIL_PER_HOUR} messages an hour`,
  code_rate: `A member gets at most ${CODES_PER_HOUR} codes an hour`,
};

function refusal(verdict: string): Problem {
  const rate = RATES[verdict];
  if (rate !== undefined)
    return new Problem('rate_limited', rate, { extra: { reason: verdict, retry_after_s: HOUR_S } });
  if (verdict === 'no_verified_address')
    return new Problem('no_verified_address', 'You have no verified address that this channel writes to');
  const says = (REFUSALS as Record<string, { says: string }>)[verdict]?.says ?? verdict;
  return new Problem('member_mail_refused', `Nothing was sent: ${says}`, { extra: { reason: verdict } });
}
