/**
 * Composes due touches: from published content and the contact's values to a message, under limits. Writes nothing.
 * Out: those that may ask the gate, and settlements for those that cannot be composed (a typed skip, never a blank).
 */
import type { Connection } from '../channels/channel.ts';
import { opensThread } from '../content/compose-email.ts';
import type { Composition, Content } from '../content/render.ts';
import { byGroup } from '../kernel/batch.ts';
import { CHANNELS, isSenderChannel } from '../kernel/channels.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Message } from '../kernel/message.ts';
import type { Settlement } from '../ledger/settle.ts';
import type { Step } from '../plan/sequences/definition.ts';
import { freeTextRefusal } from '../plan/sequences/free-text.ts';
import { withOpeningSubject } from '../plan/sequences/opening-subject.ts';
import { withDraft } from '../plan/sequences/steps/draft.ts';
import { addressFor, type StepInput, type StepKind } from '../plan/sequences/steps/step-kind.ts';
import { STEP_KINDS } from '../plan/sequences/steps/step-kinds.ts';
import { templateRefusal } from '../plan/sequences/template-state.ts';
import { type ArmedStep, armedStep } from '../plan/sequences/variants/arm.ts';
import type { Version } from '../plan/sequences/versions.ts';
import type { SenderSettings } from '../senders/senders.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import { lookAtTime } from './look-at-time.ts';
import { settlementOfRefusal } from './outcomes.ts';
import type { Postponed } from './postpone.ts';
import type { Situation } from './situation.ts';

/** Beside the values composed in: whoever learns later that an e-mail was sent which opens a thread needs its subject. */
const SUBJECT = '$subject';

/** Of an e-mail that opens a thread; null: it answers in one, or is none. */
function subjectOpening(message: Message): string | null {
  return message.kind === 'email' && opensThread(message) ? message.subject : null;
}

function contentsOf({ message, used }: Content<Message>): string {
  const subject = subjectOpening(message);
  if (subject !== null) used[SUBJECT] = subject;
  return JSON.stringify(used);
}

/** The subject with which it opened a thread; null when it did not, or was composed before subjects were kept. */
export function firstSubject(touch: Pick<DueTouch, 'contents'>): string | null {
  if (touch.contents === null) return null;
  const subject: unknown = JSON.parse(touch.contents)[SUBJECT];
  return typeof subject === 'string' ? subject : null;
}

/** A composed touch, ready to ask the gate. */
export interface Composed {
  touch: DueTouch;
  version: Version;
  sender_id: Uuid;
  sender_version: number;
  connection: Connection;
  hash: string;
  /** JSON of the values composed in. */
  contents: string;
  /** The arm of its step; null when it has none. */
  variant: string | null;
  /** Of an e-mail that opens a thread. */
  subject: string | null;
  /** The message under the key number that the gate gave. */
  message(keyN: number): Message;
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
  kind: StepKind<Message>;
  input: StepInput;
}

/** `ready` comes in the order of the touches. */
export async function compose(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  touches: readonly DueTouch[],
): Promise<ComposeResult> {
  const refused: Settlement[] = [];
  const later: Postponed[] = [];
  const refuse = (touch: DueTouch, reason: Parameters<typeof settlementOfRefusal>[1], detail?: string) => {
    const settlement = settlementOfRefusal(touch, reason, situation.planning.now, detail);
    if (settlement) refused.push(settlement);
  };
  const prepared: Prepared[] = [];
  for (const touch of touches) {
    const item = prepare(engine, org, situation, touch);
    if ('refusal' in item) refuse(touch, item.refusal, item.detail);
    else if ('reason' in item) later.push(item);
    else prepared.push(item);
  }
  const contents = await composeAll(prepared);
  const ready: Composed[] = [];
  prepared.forEach((item, i) => {
    const content = contents[i]!;
    if (content.ok) ready.push(composed(item, content));
    else if (content.reason === 'template_busy')
      later.push({ touch: item.touch, version: item.version, reason: content.reason });
    else refuse(item.touch, content.reason, content.detail);
  });
  return { ready, refused, later };
}

/** Each channel's in one batch; nearly always there is one channel. */
function composeAll(prepared: readonly Prepared[]): Promise<Composition<Message>[]> {
  return byGroup(
    prepared,
    ({ kind }) => kind,
    (kind, group) => kind.compose(group.map(({ input }) => input)),
  );
}

type PrepareRefusal =
  | 'source_ended'
  | 'no_sender'
  | 'no_address'
  | 'bad_schedule'
  | NonNullable<ReturnType<typeof freeTextRefusal>>;

/** What the gate would refuse anyway is not composed; it decides again at the gate for the rest. */
function prepare(
  engine: Engine,
  org: Uuid,
  situation: Situation,
  touch: DueTouch,
): Prepared | Postponed | { refusal: PrepareRefusal; detail?: string } {
  if (touch.enrollment_status !== 'active' || !touch.is_live) return { refusal: 'source_ended' };
  const { channel } = touch;
  // A person's: no worker reads one, and none would send it.
  if (!isSenderChannel(channel) || touch.sender_id === null) return { refusal: 'no_sender' };
  if (CHANNELS[channel].writes_to !== null && addressFor(channel, touch) === null)
    return { refusal: 'no_address' };
  const version = situation.versions.get(touch.version_id);
  const sender = situation.planning.senders.get(touch.sender_id);
  const connection = sender && engine.connect(org, sender);
  if (!version || !sender || !connection || sender.channel !== channel) return { refusal: 'no_sender' };
  const time = lookAtTime(touch, version, sender.calendar, situation.planning);
  if (time !== null) return 'refusal' in time ? time : { touch, version, reason: time.reason };
  const input = inputOf(engine, org, situation, { touch, version, sender });
  const barred = freeTextRefusal(input, sender, situation.wrote, situation.planning.now);
  if (barred !== null) return { refusal: barred };
  const unapproved = templateRefusal(input.step, sender.id, situation.templates);
  if (unapproved !== null) return { touch, version, reason: unapproved };
  return { touch, version, sender, connection, kind: STEP_KINDS[channel], input };
}

/** What the contact gets of the step: of its arms the one that it went with, else the winner, else the contact's. */
export function stepOf(
  { winners }: Pick<Situation, 'winners'>,
  version: Version,
  touch: Pick<DueTouch, 'step_no' | 'contact_id' | 'variant'>,
): ArmedStep {
  const step = version.definition.steps[touch.step_no]!;
  return armedStep(step, touch.contact_id, { sent: touch.variant, winner: winners?.get(step.id) });
}

/** Of one touch; the key number, which only the gate knows for sure, is put into the message later. */
export function inputOf(
  engine: Pick<Engine, 'unsubscribeUrl'>,
  org: Uuid,
  situation: Situation,
  item: { touch: DueTouch; version: Version; sender: SenderSettings | null },
): StepInput {
  const { touch, version, sender } = item;
  const { consent } = CHANNELS[touch.channel];
  const { step, variant } = stepOf(situation, version, touch);
  const draft = situation.drafts?.get(touch.id);
  const thread =
    touch.thread === null || touch.thread_subject === null
      ? null
      : { subject: touch.thread_subject, sent: touch.thread.split(',') };
  const written = draft ? withDraft(step, draft) : step;
  return {
    org,
    sequence: { id: touch.sequence_id, name: version.sequence_name },
    step: thread ? written : opensItself(situation, version, touch, written),
    variant,
    touch,
    contact_id: touch.contact_id,
    recipient: {
      first_name: touch.first_name,
      last_name: touch.last_name,
      email: touch.email,
      phone: touch.phone,
      whatsapp: touch.whatsapp,
      telegram: touch.telegram,
      linkedin: touch.linkedin,
      company: touch.company,
      title: touch.title,
      attributes: touch.attributes === null ? null : JSON.parse(touch.attributes),
    },
    sender,
    organization: situation.planning.organization,
    unsubscribe_url:
      consent === null || sender === null
        ? null
        : engine.unsubscribeUrl(org, touch.contact_id, touch.id, consent),
    thread,
  };
}

/** Nothing went that it could answer. */
function opensItself(
  { winners }: Pick<Situation, 'winners'>,
  { definition }: Version,
  { step_no, contact_id }: Pick<DueTouch, 'step_no' | 'contact_id'>,
  step: Step,
): Step {
  return withOpeningSubject(definition, step_no, step, (before) => {
    return armedStep(before, contact_id, { sent: null, winner: winners?.get(before.id) }).step;
  });
}

function composed(item: Prepared, content: Content<Message>): Composed {
  const { touch, version, sender, connection, kind, input } = item;
  const { message } = content;
  return {
    touch,
    version,
    connection,
    sender_id: sender.id,
    sender_version: sender.version,
    hash: content.hash,
    contents: contentsOf(content),
    variant: input.variant,
    subject: subjectOpening(message),
    message: (keyN) => (keyN === touch.key_n ? message : (kind.rekeyed?.(message, input, keyN) ?? message)),
  };
}
