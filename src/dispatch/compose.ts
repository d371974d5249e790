/**
 * Composes due touches: from published content and the contact's values to a message, under limits. Writes nothing.
 * Out: those that may ask the gate, and settlements for those that cannot be composed (a typed skip, never a blank).
 */
import type { Connection, EmailMessage } from '../channels/channel.ts';
import { type ComposedEmail, composeEmail, type EmailJob } from '../content/compose-email.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Settlement } from '../ledger/settle.ts';
import { emailJob, messageId } from '../plan/sequences/email-job.ts';
import type { Version } from '../plan/sequences/versions.ts';
import type { SenderSettings } from '../senders/senders.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import { lookAtTime } from './look-at-time.ts';
import { settlementOfRefusal } from './outcomes.ts';
import type { Postponed } from './postpone.ts';
import type { Situation } from './situation.ts';

/** Beside the values composed in: whoever learns later that the first e-mail was sent needs its subject for the thread. */
const SUBJECT = '$subject';

function contentsOf(
  touch: DueTouch,
  result: { message: ComposedEmail; used: Record<string, string> },
): string {
  if (touch.thread === null) result.used[SUBJECT] = result.message.subject;
  return JSON.stringify(result.used);
}

/** The subject that opened its thread; null when it did not, or was composed before subjects were kept. */
export function firstSubject(touch: Pick<DueTouch, 'thread' | 'contents'>): string | null {
  if (touch.thread !== null || touch.contents === null) return null;
  const subject: unknown = JSON.parse(touch.contents)[SUBJECT];
  return typeof subject === 'string' ? subject : null;
}

/** A composed touch, ready to ask the gate. */
export interface Composed {
  touch: DueTouch;
  version: Version;
  sender_version: number;
  connection: Connection;
  hash: string;
  /** JSON of the values composed in. */
  contents: string;
  subject: string;
  /** The message under the key number that the gate gave. */
  message(keyN: number): EmailMessage;
}

export interface ComposeResult {
  ready: Composed[];
  refused: Settlement[];
  /** It is no time for them now. */
  later: Postponed[];
}

interface Prepared {
  touch: DueTouch;
  version: Version;
  sender: SenderSettings;
  connection: Connection;
  job: EmailJob;
}

export async function compose(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  touches: readonly DueTouch[],
): Promise<ComposeResult> {
  const refused: Settlement[] = [];
  const later: Postponed[] = [];
  const prepared: Prepared[] = [];
  for (const touch of touches) {
    const item = prepare(engine, org, situation, touch);
    if ('refusal' in item) {
      const settlement = settlementOfRefusal(touch, item.refusal, situation.planning.now, item.detail);
      if (settlement) refused.push(settlement);
    } else if ('reason' in item) later.push(item);
    else prepared.push(item);
  }
  const results = await composeEmail(prepared.map((item) => item.job));
  const ready: Composed[] = [];
  prepared.forEach((item, i) => {
    const result = results[i]!;
    if (result.ok) ready.push(composed(item, result));
    else {
      const settlement = settlementOfRefusal(
        item.touch,
        result.reason,
        situation.planning.now,
        result.detail,
      );
      if (settlement) refused.push(settlement);
    }
  });
  return { ready, refused, later };
}

/** What the gate would refuse anyway is not composed; it decides again at the gate for the rest. */
function prepare(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  touch: DueTouch,
):
  | Prepared
  | Postponed
  | { refusal: 'source_ended' | 'no_sender' | 'no_address' | 'bad_schedule'; detail?: string } {
  if (touch.enrollment_status !== 'active' || !touch.is_live) return { refusal: 'source_ended' };
  if (touch.email === null) return { refusal: 'no_address' };
  const version = situation.versions.get(touch.version_id);
  const sender = situation.planning.senders.get(touch.sender_id);
  const connection = sender && engine.connect(org, sender);
  if (!version || !sender || !connection) return { refusal: 'no_sender' };
  const time = lookAtTime(touch, version, sender.calendar, situation.planning);
  if (time !== null) return 'refusal' in time ? time : { touch, version, reason: time.reason };
  return {
    touch,
    version,
    sender,
    connection,
    job: jobOf(engine, org, situation, { touch, version, sender }),
  };
}

/** The job of one touch; the key number, which only the gate knows for sure, is put into the message later. */
function jobOf(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  item: { touch: DueTouch; version: Version; sender: SenderSettings },
): EmailJob {
  const { touch, version, sender } = item;
  return emailJob({
    org,
    sequence: { id: touch.sequence_id, name: version.sequence_name },
    step: version.definition.steps[touch.step_no]!,
    touch,
    recipient: {
      first_name: touch.first_name,
      last_name: touch.last_name,
      email: touch.email!,
      company: touch.company,
      title: touch.title,
      attributes: touch.attributes === null ? null : JSON.parse(touch.attributes),
    },
    sender,
    organization: situation.planning.organization,
    unsubscribe_url: engine.unsubscribeUrl(org, touch.contact_id, touch.id),
    thread:
      touch.thread === null || touch.thread_subject === null
        ? null
        : { subject: touch.thread_subject, sent: touch.thread.split(',') },
  });
}

function composed(
  item: Prepared,
  result: { message: ComposedEmail; hash: string; used: Record<string, string> },
): Composed {
  const { touch, version, sender, connection } = item;
  return {
    touch,
    version,
    connection,
    sender_version: sender.version,
    hash: result.hash,
    contents: contentsOf(touch, result),
    subject: result.message.subject,
    message: (keyN) =>
      keyN === touch.key_n
        ? result.message
        : { ...result.message, message_id: messageId(touch.id, keyN, sender.from_address) },
  };
}
