/**
 * The e-mail adapter `smtp`: any relay that speaks SMTP submission. Class N: SMTP has no key and no look-up, so
 * a connection lost after the final dot stays unknown. In: a configuration and composed e-mails. Out: one
 * outcome of the port for each, never an exception for what a server does.
 */
import type { EmailMessage } from '../../kernel/message.ts';
import type { Adapter, Connection, Network, SendOutcome, SendRequest } from '../channel.ts';
import { compose } from './compose.ts';
import { SMTP_SECRET_FIELDS, type SmtpConfig, SmtpConfigSchema } from './config.ts';
import { Pool } from './pool.ts';
import { clip } from './reply.ts';
import { aside, type Session } from './session.ts';
import { type Transferred, transfer } from './transfer.ts';
import { verifySmtp } from './verify.ts';

export const smtp: Adapter<EmailMessage> = {
  channel: 'email',
  provider: 'smtp',
  provider_class: 'N',
  config: SmtpConfigSchema,
  secret_fields: SMTP_SECRET_FIELDS,
  connect: (config, network) => openSmtp(SmtpConfigSchema.parse(config), network),
  verify: (config, options) => verifySmtp(SmtpConfigSchema.parse(config), options),
};

/** A connection of the port over a pool of SMTP sessions. */
export function openSmtp(config: SmtpConfig, network?: Network): Connection<EmailMessage> {
  const pool = new Pool(config, network);
  return {
    provider_class: 'N',
    capacity: () => pool.capacity(),
    close: () => pool.close(),
    async send(request) {
      const deadline = Date.now() + request.timeout_ms;
      if (!pool.take()) return { kind: 'not_started', reason: 'no free connection, or the rate is used up' };
      try {
        return await deliver(pool, config, request, deadline);
      } finally {
        pool.give();
      }
    },
  };
}

async function deliver(
  pool: Pool,
  config: SmtpConfig,
  request: SendRequest<EmailMessage>,
  deadline: number,
): Promise<SendOutcome> {
  const message = await composeOrExplain(request, config);
  if (!message.ok) return message.outcome;

  const first = await pool.session(deadline);
  if (!first.ok) return first.outcome;
  const reused = first.session.used > 0;
  const sent = await sendOver(pool, first.session, message.composed, deadline);
  if (!reused || !sent.lost_early || Date.now() >= deadline) return sent.outcome;

  // A kept connection may be closed by the server in the moment we use it. That says nothing about the message
  // and nothing of it was sent, so a new connection is tried once.
  const second = await pool.session(deadline, true);
  if (!second.ok) return second.outcome;
  return (await sendOver(pool, second.session, message.composed, deadline)).outcome;
}

type Composing =
  | { ok: true; composed: Extract<Awaited<ReturnType<typeof compose>>, { ok: true }> }
  | { ok: false; outcome: SendOutcome };

async function composeOrExplain(request: SendRequest<EmailMessage>, config: SmtpConfig): Promise<Composing> {
  try {
    const composed = await compose(request, config.dkim);
    if (composed.ok) return { ok: true, composed };
    const { reason, detail } = composed;
    return { ok: false, outcome: { kind: 'refused', permanence: 'permanent', reason, response: detail } };
  } catch (error) {
    return { ok: false, outcome: { kind: 'not_started', reason: clip(String(error)) } };
  }
}

async function sendOver(
  pool: Pool,
  session: Session,
  message: Extract<Composing, { ok: true }>['composed'],
  deadline: number,
): Promise<Transferred> {
  const { from, to } = message.envelope;
  if ((from.needs_smtputf8 || to.needs_smtputf8) && !(await takesUtf8(session))) {
    pool.keep(session);
    const response = 'The server takes only ASCII before the @ (no SMTPUTF8).';
    const reason = from.needs_smtputf8 ? 'sender_rejected' : 'other';
    return { outcome: { kind: 'refused', permanence: 'permanent', reason, response }, lost_early: false };
  }
  const transferred = await transfer(session, message, deadline);
  pool.keep(session);
  return transferred;
}

async function takesUtf8(session: Session): Promise<boolean> {
  return aside(session, async ({ extensions }) => extensions.includes('SMTPUTF8'));
}
