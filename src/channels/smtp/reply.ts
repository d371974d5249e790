/**
 * What a server's reply means. In: the text of a reply and how far the conversation had got. Out: an outcome of
 * the port. The codes are RFC 5321 4.2 and RFC 3463; where large providers deviate, the row says who.
 *
 * A 4xx or 5xx is the server's word that it took nothing, at any stage: RFC 5321 4.2.1 binds it to that. Only a
 * missing or unreadable answer leaves doubt.
 */
import type { RefusalReason, SendOutcome } from '../channel.ts';

/** `session` is everything before MAIL FROM: nothing has been said about this message yet. */
export type ReplyStage = 'session' | 'auth' | 'mail' | 'rcpt' | 'data';

type Refused = Extract<SendOutcome, { kind: 'refused' }>;
type Permanence = Refused['permanence'];

interface Reply {
  code: number;
  /** `5.1.1`, where the server gave one. */
  enhanced: string | undefined;
  text: string;
}

const MAX_RESPONSE_CHARS = 500;

/** The parsed reply, or null when it is not one. */
function parseReply(response: string): Reply | null {
  const match = /^([2-5]\d\d)(?:[ -]|$)/.exec(response);
  if (!match) return null;
  const enhanced = /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/m.exec(response)?.[1];
  return { code: Number(match[1]), enhanced, text: response };
}

interface Rule {
  code?: RegExp;
  /** Against the enhanced status code; a reply without one does not match. */
  enhanced?: RegExp;
  text?: RegExp;
  stage?: readonly ReplyStage[];
  is: RefusalReason;
}

const UNKNOWN_USER =
  /user unknown|unknown user|no such (user|recipient|mailbox|person)|(user|recipient|mailbox|account|address) (does not exist|not found|unknown|is disabled|is inactive)|does not exist|invalid (recipient|mailbox)|no mailbox/i;
const RATE =
  /too many|too fast|too quickly|rate.?limit|\brate\b|limit exceeded|exceeded.*(limit|quota of messages)|throttl|slow down|quota.*(hour|day|daily|send)|(daily|hourly|sending).*quota/i;

/** First match wins. */
const RULES: readonly Rule[] = [
  // credentials: asked for or refused, at whatever stage the server says so
  { code: /^(530|534|535|538)$/, enhanced: /^5\.7\.(0|8|9|11)$/, is: 'bad_credentials' },
  { code: /^(530|534|535|538)$/, is: 'bad_credentials' },
  { code: /^432$/, is: 'bad_credentials' },
  { stage: ['auth'], code: /^5/, is: 'bad_credentials' },

  { code: /^454$/, text: /\btls\b/i, is: 'unavailable' }, // RFC 3207: TLS not available for now

  // slow down
  { code: /^454$/, text: /throttl|rate/i, is: 'throttled' }, // Amazon SES: 454 Throttling failure
  { code: /^421$/, text: RATE, is: 'throttled' },
  { code: /^421$/, enhanced: /^4\.[34]\./, is: 'unavailable' },
  { code: /^421$/, is: 'throttled' },
  { stage: ['auth'], code: /^45/, is: 'unavailable' },
  { code: /^45/, enhanced: /^4\.5\.3$/, is: 'throttled' },
  { code: /^45/, text: /gr[ae]y.?list/i, is: 'greylisted' },
  { code: /^45/, enhanced: /^4\.7\.(0|28)$/, is: 'throttled' }, // 4.7.28: Google, unusual rate from an address
  { code: /^4/, enhanced: /^4\.[27]\./, text: RATE, is: 'throttled' },
  { code: /^4/, enhanced: /^4\.7\.1$/, is: 'greylisted' },
  { code: /^4/, enhanced: /^4\.7\./, is: 'policy' },
  { code: /^45[01]$/, text: RATE, is: 'throttled' },

  // before MAIL FROM nothing was said about this message
  { stage: ['session', 'auth'], code: /^5/, is: 'policy' },
  { stage: ['session', 'auth'], is: 'unavailable' },

  // our own address; some servers wait with it until RCPT (Postfix: smtpd_delay_reject)
  { stage: ['mail'], enhanced: /^[45]\.(1|7)\./, is: 'sender_rejected' },
  { stage: ['mail'], code: /^55[0134]$/, is: 'sender_rejected' },
  { enhanced: /^[45]\.1\.[78]$/, is: 'sender_rejected' },
  { enhanced: /^5\.7\.60$/, is: 'sender_rejected' }, // Exchange: no right to send as this address
  {
    text: /sender (address )?(rejected|denied)|not (allowed|permitted|authorized) to send (as|from)/i,
    is: 'sender_rejected',
  },

  // the recipient
  { enhanced: /^[45]\.2\.2$/, is: 'mailbox_full' },
  { code: /^[45]52$/, text: /quota|full|over.?limit/i, is: 'mailbox_full' },
  { enhanced: /^5\.1\.(0|1|6|10)$/, is: 'mailbox_unknown' },
  { enhanced: /^5\.2\.1$/, is: 'mailbox_unknown' },
  { enhanced: /^5\.1\./, is: 'address_rejected' },
  { enhanced: /^5\.4\.(1|4)$/, is: 'address_rejected' }, // 5.4.1: Exchange Online, no such recipient
  { enhanced: /^4\.(1|2|3|4)\./, is: 'unavailable' },

  // the message
  { enhanced: /^[45]\.6\./, is: 'content_rejected' },
  { enhanced: /^5\.3\.4$/, is: 'content_rejected' },
  { enhanced: /^5\.7\./, is: 'policy' },
  { stage: ['data'], code: /^55[24]$/, is: 'content_rejected' },

  // no enhanced code, or an empty one
  { stage: ['rcpt'], code: /^55[0134]$/, text: /relay/i, is: 'policy' },
  { stage: ['rcpt'], code: /^55[0134]$/, text: UNKNOWN_USER, is: 'mailbox_unknown' },
  {
    code: /^55/,
    text: /spam|block|blacklist|black list|reputation|policy|spf|dkim|dmarc|denied/i,
    is: 'policy',
  },
  { stage: ['rcpt'], code: /^55[13]$/, is: 'address_rejected' },
  { code: /^4/, is: 'unavailable' },
  { is: 'other' },
];

function matches(rule: Rule, reply: Reply, stage: ReplyStage): boolean {
  if (rule.stage && !rule.stage.includes(stage)) return false;
  if (rule.code && !rule.code.test(String(reply.code))) return false;
  if (rule.enhanced && !rule.enhanced.test(reply.enhanced ?? '')) return false;
  return !rule.text || rule.text.test(reply.text);
}

function permanenceOf(reason: RefusalReason, reply: Reply, stage: ReplyStage): Permanence {
  if (reason === 'throttled') return 'throttled';
  // A server that refuses our session or our password has said nothing about this message: it must not end it.
  if (reason === 'bad_credentials' || stage === 'session' || stage === 'auth') return 'transient';
  return reply.code >= 500 ? 'permanent' : 'transient';
}

/** `try again in 5 minutes`, `greylisted for 300 seconds`: what the server asked for, in milliseconds. */
function retryAfter(text: string): number | undefined {
  const match = /\b(?:in|for|after|wait)\s+(\d{1,5})\s*(s|sec|second|m|min|minute|h|hour)s?\b/i.exec(text);
  if (!match) return undefined;
  const unit = match[2]!.toLowerCase()[0];
  const factor = unit === 'h' ? 3_600_000 : unit === 'm' ? 60_000 : 1_000;
  return Math.min(Number(match[1]) * factor, 24 * 3_600_000);
}

/** A 4xx or 5xx as an outcome; null when the reply is neither, so that it proves nothing. */
export function refusal(response: string, stage: ReplyStage): Refused | null {
  const reply = parseReply(response);
  if (!reply || reply.code < 400) return null;
  const reason = RULES.find((rule) => matches(rule, reply, stage))!.is;
  const permanence = permanenceOf(reason, reply, stage);
  const wait = permanence === 'permanent' ? undefined : retryAfter(reply.text);
  return {
    kind: 'refused',
    permanence,
    reason,
    response: clip(response),
    ...(wait === undefined ? {} : { retry_after_ms: wait }),
  };
}

/** A reply as kept in events: one line, bounded, no control characters. */
export function clip(response: string): string {
  return response
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, MAX_RESPONSE_CHARS);
}
