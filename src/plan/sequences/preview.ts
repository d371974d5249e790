/**
 * A dry run of the draft for one contact [TEN-4]: what each step would send, when and from whom, computed by the code
 * that plans and composes the real thing. Reads only; the unsubscribe link in it opens nothing.
 */
import { placeOf } from '../../contacts/place.ts';
import { composeEmail } from '../../content/compose-email.ts';
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { touchId, type Uuid } from '../../kernel/ids.ts';
import { notFound } from '../../kernel/problem.ts';
import type { Context } from '../../tenancy/context.ts';
import { type Planning, readPlanning, senderFor } from './calendar.ts';
import { type Refused, unreachable } from './candidates.ts';
import type { Definition } from './definition.ts';
import { type EmailJobInput, emailJob } from './email-job.ts';
import { type Opening, opening } from './next.ts';

export interface PreviewStep {
  step_id: Uuid;
  step_no: number;
  channel: string;
  mode: string;
  /** When it would go, if every step before it goes at its time; null when that cannot be said. */
  at: Date | null;
  /** Until when its window stays open. */
  until: Date | null;
  subject: string | null;
  text: string | null;
  html: string | null;
  /** Why it would not go as it is. */
  problem: { code: string; detail: string } | null;
}

export interface Preview {
  contact_id: Uuid;
  /** Why the contact would not be enrolled at all. */
  refused: Refused | null;
  to: string | null;
  sender: { id: Uuid; name: string; from: { name: string | null; address: string } } | null;
  steps: PreviewStep[];
}

interface Contact {
  id: Uuid;
  first_name: string | null;
  last_name: string | null;
  email: string | null;
  company: string | null;
  title: string | null;
  time_zone: string | null;
  phone: string | null;
  attributes: Record<string, unknown> | null;
  suppressed: boolean;
  consent: 'granted' | 'revoked' | null;
}

interface Scene {
  org: Uuid;
  sequence: { id: Uuid; name: string };
  definition: Definition;
  planning: Planning;
  contact: Contact;
  unsubscribe_url: string;
}

/** @throws Problem not_found for the sequence or the contact */
export async function previewSequence(
  db: Database,
  ctx: Pick<Context, 'org'>,
  id: Uuid,
  input: { contact_id: Uuid; unsubscribe_url: string; now?: Date | undefined },
): Promise<Preview> {
  const scene = await readScene(db, ctx.org, id, input);
  const { contact, planning, definition } = scene;
  const senderId = definition.sender_ids.length > 0 ? senderFor(definition.sender_ids, contact.id) : null;
  const sender = senderId === null ? undefined : planning.senders.get(senderId);
  const place = placeOf(contact, planning.organization.time_zone);
  const steps: PreviewStep[] = [];
  let from: number | null = planning.now;
  let thread = null as EmailJobInput['thread'];
  for (const [stepNo, step] of definition.steps.entries()) {
    const base = { step_id: step.id, step_no: stepNo, channel: step.channel, mode: step.mode };
    const open: Opening | null =
      from === null || !sender ? null : opening(definition, stepNo, from, sender.calendar, place);
    from = open?.ok ? open.not_before : null;
    const at = { at: dateOf(from), until: dateOf(open?.ok ? open.not_after : null) };
    const touch = { id: touchId(id, `preview.${step.id}`), key_n: 1 };
    const content: Content = sender ? await render(scene, stepNo, sender, touch, thread) : EMPTY;
    if (content.subject !== null) {
      thread = {
        subject: thread?.subject ?? content.subject,
        sent: [...(thread?.sent ?? []), `${touch.id}.${touch.key_n}`],
      };
    }
    const late = open && !open.ok ? { code: 'bad_schedule', detail: open.detail } : null;
    steps.push({ ...base, ...at, ...content, problem: sender ? (content.problem ?? late) : NO_SENDER });
  }
  return {
    contact_id: contact.id,
    refused: unreachable(
      { ...contact, has_address: contact.email !== null },
      planning.organization.consent_required.includes('email'),
    ),
    to: contact.email,
    sender: sender
      ? { id: sender.id, name: sender.name, from: { name: sender.from_name, address: sender.from_address } }
      : null,
    steps,
  };
}

async function readScene(
  db: Database,
  org: Uuid,
  id: Uuid,
  input: { contact_id: Uuid; unsubscribe_url: string; now?: Date | undefined },
): Promise<Scene> {
  return db.inOrg(org, async (tx) => {
    const row = await tx.maybe<{ name: string; draft: Definition }>(
      sql`SELECT name, draft FROM sequences WHERE org_id = ${org} AND id = ${id}`,
    );
    if (!row) throw notFound('sequence', id);
    const contact = await tx.maybe<Contact>(sql`
      SELECT c.id, c.first_name, c.last_name, c.email, c.company, c.title, c.time_zone, coalesce(c.phone, c.whatsapp) AS phone, c.attributes,
             EXISTS (SELECT FROM suppressions s WHERE s.org_id = ${org} AND s.kind = 'email' AND s.address = c.email) AS suppressed,
             (SELECT x.status FROM consents x WHERE x.org_id = ${org} AND x.contact_id = c.id AND x.channel = 'email'
               ORDER BY x.id DESC LIMIT 1) AS consent
        FROM contacts c WHERE c.org_id = ${org} AND c.id = ${input.contact_id}`);
    if (!contact) throw notFound('contact', input.contact_id);
    const planning = await readPlanning(tx, org, row.draft.sender_ids, input.now ?? null);
    return {
      org,
      sequence: { id, name: row.name },
      definition: row.draft,
      planning,
      contact,
      unsubscribe_url: input.unsubscribe_url,
    };
  });
}

type Content = Pick<PreviewStep, 'subject' | 'text' | 'html' | 'problem'>;

const EMPTY: Content = { subject: null, text: null, html: null, problem: null };
const NO_SENDER = { code: 'no_sender', detail: 'The sequence names no sender that exists' };

/** Each step is composed by itself: a follow-up answers what the one before it became. */
async function render(
  scene: Scene,
  stepNo: number,
  sender: EmailJobInput['sender'],
  touch: EmailJobInput['touch'],
  thread: EmailJobInput['thread'],
): Promise<Content> {
  const { contact, definition } = scene;
  const step = definition.steps[stepNo]!;
  const without = (code: string, detail: string): Content => ({ ...EMPTY, problem: { code, detail } });
  if (step.channel !== 'email')
    return without('channel_unavailable', `The channel ${step.channel} arrives later`);
  if (step.mode !== 'automatic') return without('mode_unavailable', 'Steps that a person does arrive later');
  if (contact.email === null) return without('no_address', 'The contact has no e-mail address');
  const job = emailJob({
    org: scene.org,
    sequence: scene.sequence,
    step,
    touch,
    recipient: {
      first_name: contact.first_name,
      last_name: contact.last_name,
      email: contact.email,
      company: contact.company,
      title: contact.title,
      attributes: contact.attributes,
    },
    sender,
    organization: scene.planning.organization,
    unsubscribe_url: scene.unsubscribe_url,
    thread,
  });
  const [result] = await composeEmail([job]);
  if (!result!.ok) return without(result!.reason, result!.detail);
  const { subject, text, html = null } = result!.message;
  return { subject, text, html, problem: null };
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
