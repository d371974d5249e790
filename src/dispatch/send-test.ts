/** Sends one step of a sequence, marked as a test, to the caller's own verified address and nowhere else [TEN-4]. */
import { newId, type Uuid } from '../kernel/ids.ts';
import { type TestWanted, testMessage } from '../plan/sequences/test-message.ts';
import { requireMember } from '../tenancy/member-addresses.ts';
import type { Caller } from '../tenancy/roles.ts';
import { type MailEngine, MEMBER_KINDS, type MemberMailResult, sendToMember } from './member-mail.ts';

export interface TestSent extends MemberMailResult {
  step_id: Uuid;
  step_no: number;
  variant: string | null;
  /** As it went, mark and all; null: it has none. */
  subject: string | null;
}

/** @throws Problem as `testMessage` and `sendToMember` do */
export async function sendTest(
  engine: MailEngine,
  caller: Caller,
  sequence: Uuid,
  wanted: TestWanted,
  unsubscribe_url: string,
): Promise<TestSent> {
  requireMember(caller);
  const id = newId();
  const made = await testMessage(engine.db, caller, sequence, wanted, { id, unsubscribe_url });
  const { step, step_no, variant, sender } = made;
  const { to: _contact, ...message } = made.message;
  const result = await sendToMember(engine, caller, {
    id,
    kind: MEMBER_KINDS[sender.channel]!,
    sender,
    message,
    about: { sequence_id: sequence, step_id: step.id, variant },
  });
  const subject = message.kind === 'email' ? message.subject : null;
  return { ...result, step_id: step.id, step_no, variant, subject };
}
