import { describe, expect, it } from 'vitest';
import type { RefusalReason } from '../channel.ts';
import { type ReplyStage, refusal } from './reply.ts';

type Row = [
  reply: string,
  stage: ReplyStage,
  permanence: 'permanent' | 'transient' | 'throttled',
  RefusalReason,
];

/** Replies as servers send them. */
const REPLIES: Row[] = [
  [
    '550 5.1.1 <x@y.z>: Recipient address rejected: User unknown in virtual mailbox table',
    'rcpt',
    'permanent',
    'mailbox_unknown',
  ],
  [
    '550-5.1.1 The email account that you tried to reach does not exist.\n550 5.1.1 https://support',
    'rcpt',
    'permanent',
    'mailbox_unknown',
  ],
  ['550 5.1.0 Address rejected', 'rcpt', 'permanent', 'mailbox_unknown'],
  ['550 5.1.10 RESOLVER.ADR.RecipientNotFound', 'data', 'permanent', 'mailbox_unknown'],
  ['550 5.2.1 The email account is disabled', 'rcpt', 'permanent', 'mailbox_unknown'],
  ['550 No such user here', 'rcpt', 'permanent', 'mailbox_unknown'],
  ['550 5.1.2 Bad destination system address', 'rcpt', 'permanent', 'address_rejected'],
  ['501 5.1.3 Bad recipient address syntax', 'rcpt', 'permanent', 'address_rejected'],
  ['553 Mailbox name not allowed', 'rcpt', 'permanent', 'address_rejected'],
  ['550 5.4.1 Recipient address rejected: Access denied', 'rcpt', 'permanent', 'address_rejected'],
  ['550 Requested action not taken', 'rcpt', 'permanent', 'other'],
  ['552 5.2.2 Mailbox quota exceeded', 'rcpt', 'permanent', 'mailbox_full'],
  ['452 4.2.2 The recipient is over quota', 'rcpt', 'transient', 'mailbox_full'],
  ['452 4.3.1 Insufficient system storage', 'mail', 'transient', 'unavailable'],
  [
    '550 5.7.1 Service unavailable; client host blocked using zen.spamhaus.org',
    'rcpt',
    'permanent',
    'policy',
  ],
  ['554 5.7.1 <x@y.z>: Relay access denied', 'rcpt', 'permanent', 'policy'],
  ['550 5.7.26 Unauthenticated email is not accepted', 'data', 'permanent', 'policy'],
  ['550 relay not permitted', 'rcpt', 'permanent', 'policy'],
  ['550 Blocked for spam', 'data', 'permanent', 'policy'],
  ['554 5.6.0 Message content rejected', 'data', 'permanent', 'content_rejected'],
  ['552 5.3.4 Message size exceeds fixed limit', 'mail', 'permanent', 'content_rejected'],
  ['554 Transaction failed', 'data', 'permanent', 'content_rejected'],
  ['553 5.7.1 Sender address rejected: not owned by user ada', 'mail', 'permanent', 'sender_rejected'],
  [
    '553 5.7.1 <a@b.c>: Sender address rejected: not owned by user ada',
    'rcpt',
    'permanent',
    'sender_rejected',
  ],
  ['550 5.1.0 <a@b.c>: Sender address rejected: User unknown', 'mail', 'permanent', 'sender_rejected'],
  ['550 5.1.8 <a@b.c>: Sender address rejected: Domain not found', 'rcpt', 'permanent', 'sender_rejected'],
  [
    '550 5.7.60 SMTP; Client does not have permissions to send as this sender',
    'data',
    'permanent',
    'sender_rejected',
  ],
  ['450 4.7.1 <x@y.z>: Recipient address rejected: Greylisted', 'rcpt', 'transient', 'greylisted'],
  ['451 4.7.1 Please try again later', 'rcpt', 'transient', 'greylisted'],
  ['450 4.2.0 Greylisted for 300 seconds', 'rcpt', 'transient', 'greylisted'],
  ['450 4.1.1 <x@y.z>: unverified address', 'rcpt', 'transient', 'unavailable'],
  ['451 4.3.0 Temporary lookup failure', 'rcpt', 'transient', 'unavailable'],
  ['451 Local error in processing', 'data', 'transient', 'unavailable'],
  ['450 4.7.25 Client host rejected: cannot find your hostname', 'rcpt', 'transient', 'policy'],
  ['450 4.7.1 Error: too much mail from 192.0.2.1, rate limit', 'rcpt', 'throttled', 'throttled'],
  [
    '450-4.2.1 The user you are trying to contact is receiving mail too quickly',
    'rcpt',
    'throttled',
    'throttled',
  ],
  ['451 4.7.0 Temporary server error', 'data', 'throttled', 'throttled'],
  ['454 4.7.0 Throttling failure: Maximum sending rate exceeded.', 'data', 'throttled', 'throttled'],
  ['454 Throttling failure: Daily message quota exceeded.', 'data', 'throttled', 'throttled'],
  ['452 4.5.3 Too many recipients', 'rcpt', 'throttled', 'throttled'],
  ['421 Too many connections', 'session', 'throttled', 'throttled'],
  ['421 4.7.0 Try again later', 'mail', 'throttled', 'throttled'],
  ['421-4.7.28 Our system has detected an unusual rate of mail', 'data', 'throttled', 'throttled'],
  ['421 4.3.2 System not accepting network messages', 'session', 'transient', 'unavailable'],
  ['421 4.4.2 postfix.example.test Error: timeout exceeded', 'data', 'transient', 'unavailable'],
  ['535 5.7.8 Error: authentication failed', 'auth', 'transient', 'bad_credentials'],
  ['535-5.7.8 Username and Password not accepted.', 'auth', 'transient', 'bad_credentials'],
  ['530 5.7.0 Authentication Required', 'mail', 'transient', 'bad_credentials'],
  ['534 5.7.9 Application-specific password required', 'auth', 'transient', 'bad_credentials'],
  ['454 4.7.0 Temporary authentication failure', 'auth', 'transient', 'unavailable'],
  ['454 4.7.0 TLS not available due to local problem', 'session', 'transient', 'unavailable'],
  ['554 5.7.1 No mail service for you', 'session', 'transient', 'policy'],
];

describe('what a reply means', () => {
  for (const [reply, stage, permanence, reason] of REPLIES) {
    it(`${reply.slice(0, 60)} at ${stage} is ${permanence}: ${reason}`, () => {
      expect(refusal(reply, stage)).toMatchObject({ kind: 'refused', permanence, reason });
    });
  }

  it('no refusal before MAIL FROM ends a message for good', () => {
    for (const code of [421, 450, 454, 500, 502, 530, 535, 550, 554]) {
      for (const stage of ['session', 'auth'] as const) {
        expect(refusal(`${code} 5.7.1 no`, stage)?.permanence).not.toBe('permanent');
      }
    }
  });

  it('what is no refusal proves nothing', () => {
    for (const reply of ['250 2.0.0 Ok', '354 go on', '', 'hello', '99 5.1.1 no', '5501 no', '650 no']) {
      expect(refusal(reply, 'data')).toBeNull();
    }
  });

  it('what the server says about when to come back is kept, except when it said never', () => {
    expect(refusal('450 4.7.1 Greylisted for 5 minutes', 'rcpt')?.retry_after_ms).toBe(300_000);
    expect(refusal('451 4.7.1 try again in 60 seconds', 'rcpt')?.retry_after_ms).toBe(60_000);
    expect(refusal('421 Too many, wait 1 hour', 'mail')?.retry_after_ms).toBe(3_600_000);
    expect(refusal('451 4.3.0 later', 'rcpt')).not.toHaveProperty('retry_after_ms');
    expect(refusal('550 5.1.1 gone for 5 minutes', 'rcpt')).not.toHaveProperty('retry_after_ms');
  });

  it('a reply is kept as one bounded line', () => {
    const kept = refusal(`550-5.1.1 a\r\n550 5.1.1 ${'b'.repeat(2_000)}`, 'rcpt')?.response;
    expect(kept).toMatch(/^550-5\.1\.1 a 550 5\.1\.1 b+$/);
    expect(kept?.length).toBe(500);
  });
});
