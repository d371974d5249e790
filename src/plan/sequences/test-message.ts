/**
 * One step of a sequence as it would be for a contact, marked as a test [TEN-4]. In: which step, of the draft or of what is
 * published. Out: the message and the sender it goes through, with nobody's address in it that anything is sent to. Reads
 * only; no touch, enrollment or contact knows of it.
 */
import { typesOfAttributes } from '../../contacts/attribute-definition.ts';
import { sizeOfSms } from '../../content/sms-segments.ts';
import type { Database, Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { isSenderChannel } from '../../kernel/channels.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import type {
  EmailMessage,
  SmsMessage,
  WhatsappTemplateMessage,
  WhatsappTextMessage,
} from '../../kernel/message.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import type { SenderSettings } from '../../senders/senders.ts';
import type { Context } from '../../tenancy/context.ts';
import { readPlanning } from './calendar.ts';
import type { Definition, Step } from './definition.ts';
import { openerBefore } from './opening-subject.ts';
import { sampleContact } from './publish-trial.ts';
import { type RenderScene, readRecipient, renderStep } from './render-step.ts';
import { senderIdFor, sendersByChannel } from './step-sender.ts';
import type { StepInput } from './steps/step-kind.ts';
import { type ArmedStep, armedStep } from './variants/arm.ts';
import { winnersOf } from './variants/winners.ts';

export const TEST_MARK = '[Test] ';

export interface TestWanted {
  /** The key or the id of the step. */
  step: string;
  /** Absent: somebody made up, of whom everything is known. */
  contact_id?: Uuid | undefined;
  /** Absent: the one that the contact would get. */
  sender_id?: Uuid | undefined;
  /** Absent: the arm that the contact would get. */
  variant?: string | undefined;
  /** Absent: the draft. */
  version?: 'draft' | 'published' | undefined;
}

export interface TestMessage {
  step: Step;
  step_no: number;
  variant: string | null;
  sender: SenderSettings;
  message: EmailMessage | SmsMessage | WhatsappTemplateMessage | WhatsappTextMessage;
}

interface Scene extends RenderScene {
  definition: Definition;
  winners: ReadonlyMap<Uuid, string>;
}

/**
 * `id` names the message, and nothing else.
 * @throws Problem not_found (sequence, contact, sender), sequence_not_published, invalid_request, step_not_testable
 */
export async function testMessage(
  db: Database,
  ctx: Context,
  sequence: Uuid,
  wanted: TestWanted,
  { id, unsubscribe_url }: { id: Uuid; unsubscribe_url: string },
): Promise<TestMessage> {
  const scene = await db.inOrg(ctx.org, (tx) => readScene(tx, ctx, sequence, wanted, unsubscribe_url));
  const step_no = scene.definition.steps.findIndex(
    ({ id, key }) => id === wanted.step || key === wanted.step,
  );
  const written = scene.definition.steps[step_no];
  if (!written) throw invalid('step', 'unknown_step', 'The sequence has no step of this key or id');
  requireTestable(written);
  const armed = arm(scene, written, wanted.variant);
  const sender = senderOf(scene, written, wanted.sender_id);
  const thread = await threadOf(scene, armed.step, step_no, sender.id);
  const { message, problem } = await renderStep(scene, armed, sender.id, { id, key_n: 1 }, thread);
  if (problem) throw notTestable(problem.code, problem.detail);
  return {
    step: written,
    step_no,
    variant: armed.variant,
    sender,
    message: marked(message as TestMessage['message']),
  };
}

async function readScene(
  tx: Tx,
  ctx: Context,
  id: Uuid,
  wanted: TestWanted,
  unsubscribe_url: string,
): Promise<Scene> {
  const { org } = ctx;
  const row = await tx.maybe<{ name: string; draft: Definition; published: Definition | null }>(sql`
    SELECT s.name, s.draft, v.definition AS published FROM sequences s
      LEFT JOIN sequence_versions v ON v.org_id = s.org_id AND v.id = s.published_version_id
     WHERE s.org_id = ${org} AND s.id = ${id}`);
  if (!row) throw notFound('sequence', id);
  const definition = wanted.version === 'published' ? row.published : row.draft;
  if (!definition) throw new Problem('sequence_not_published', 'It was never published; test the draft');
  const named = wanted.sender_id === undefined ? [] : [wanted.sender_id];
  const planning = await readPlanning(tx, org, [...definition.sender_ids, ...named]);
  const varied = definition.steps.flatMap((step) => (step.variants ? [step.id] : []));
  return {
    org,
    sequence: { id, name: row.name },
    definition,
    planning,
    contact:
      wanted.contact_id === undefined
        ? await madeUp(tx, ctx)
        : await readRecipient(tx, org, wanted.contact_id),
    unsubscribe_url,
    winners: await winnersOf(tx, org, varied),
  };
}

async function madeUp(tx: Tx, ctx: Context): Promise<RenderScene['contact']> {
  const sample = sampleContact(await typesOfAttributes(tx, ctx));
  return { id: newId(), ...sample, whatsapp: sample.phone, telegram: null };
}

/** @throws Problem step_not_testable */
function requireTestable({ channel, mode }: Step): void {
  if (channel === 'wait') throw notTestable('wait', 'A wait sends nothing');
  if (channel === 'webhook') throw notTestable('webhook', 'A webhook writes to a system and to no member');
  if (channel === 'telegram')
    throw notTestable('telegram', 'Members have no Telegram address that is verified');
  if (!isSenderChannel(channel)) throw notTestable('done_by_people', `People do ${channel} steps themselves`);
  if (mode === 'human')
    throw notTestable('done_by_people', 'A person writes and sends this step; its text is in the preview');
}

function arm({ contact, winners }: Scene, step: Step, variant: string | undefined): ArmedStep {
  if (variant !== undefined && !step.variants?.some(({ key }) => key === variant))
    throw invalid('variant', 'unknown_variant', 'The step has no variant of this key');
  return armedStep(step, contact.id, { sent: variant ?? null, winner: winners.get(step.id) });
}

function senderOf(
  { definition, planning, contact }: Scene,
  { channel }: Step,
  wanted?: Uuid,
): SenderSettings {
  if (wanted !== undefined) {
    const named = planning.senders.get(wanted);
    if (!named) throw notFound('sender', wanted);
    if (named.channel !== channel)
      throw invalid(
        'sender_id',
        'other_channel',
        `The sender is one for ${named.channel}; the step is ${channel}`,
      );
    return named;
  }
  const listed = sendersByChannel(definition, (id) => planning.senders.get(id)?.channel);
  const sender = planning.senders.get(senderIdFor(listed, channel, contact.id, []) ?? '');
  if (!sender) throw notTestable('no_sender', `The sequence names no sender for ${channel}; give sender_id`);
  return sender;
}

/** A follow-up without a subject of its own has that of its thread; there is no message that it could answer. */
async function threadOf(
  scene: Scene,
  step: Step,
  stepNo: number,
  sender: Uuid,
): Promise<StepInput['thread']> {
  if (step.channel !== 'email' || step.subject?.trim()) return null;
  const opener = openerBefore(scene.definition, stepNo, (before) => arm(scene, before, undefined).step);
  if (opener === undefined) return null;
  const touch = { id: newId(), key_n: 1 };
  const { subject } = await renderStep(scene, { step: opener, variant: null }, sender, touch, null);
  return subject === null ? null : { subject, sent: [] };
}

/** An approved template goes as it was approved. */
function marked(message: TestMessage['message']): TestMessage['message'] {
  switch (message.kind) {
    case 'email':
      return { ...message, subject: TEST_MARK + message.subject };
    case 'sms': {
      const text = TEST_MARK + message.text;
      const { encoding, segments } = sizeOfSms(text);
      return { ...message, text, encoding, segments };
    }
    case 'whatsapp_text':
      return { ...message, text: TEST_MARK + message.text };
    case 'whatsapp_template':
      return message;
  }
}

function notTestable(reason: string, detail: string): Problem {
  return new Problem('step_not_testable', detail, { extra: { reason } });
}

function invalid(field: string, code: string, message: string): Problem {
  return new Problem('invalid_request', message, { errors: [{ field, code, message }] });
}
