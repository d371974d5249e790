/**
 * A dry run of the draft for one contact [TEN-4]: what each step would send, when and from whom, computed by the code
 * that plans and composes the real thing. Reads only; the unsubscribe link in it opens nothing.
 */
import { type Place, placeOf } from '../../contacts/place.ts';
import { opensThread } from '../../content/compose-email.ts';
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Channel, Mode } from '../../kernel/channels.ts';
import { newId, touchId, type Uuid } from '../../kernel/ids.ts';
import { notFound } from '../../kernel/problem.ts';
import { reasonInWords } from '../../ledger/reasons.ts';
import { readLastMessages } from '../../records/last-messages.ts';
import { type Cost, estimatedCost, type Price } from '../../senders/price.ts';
import { readPrices } from '../../senders/read-prices.ts';
import { templateStates } from '../../senders/templates.ts';
import type { Context } from '../../tenancy/context.ts';
import { foresee } from '../forecast/forecast.ts';
import type { ForecastStep } from '../forecast/tally.ts';
import { readPlanning } from './calendar.ts';
import type { Definition, Step } from './definition.ts';
import { flowOf } from './flow.ts';
import { freeTextRefusal, mayBeFreeText, type Wrote } from './free-text.ts';
import { type Intake, readIntake } from './intake.ts';
import type { Postponement } from './later.ts';
import { type Opening, opening, reopening } from './next.ts';
import { type WayStep, wayThrough } from './preview-way.ts';
import { needsOf, type Unreachable, whyUnreachable } from './reach.ts';
import {
  type KnownRecipient,
  NO_CONTENT,
  type RenderScene,
  readRecipient,
  renderStep,
  type StepContent,
  withoutContent,
} from './render-step.ts';
import { Rotation } from './rotation.ts';
import { type SendersByChannel, sendersByChannel, stepThrough, type Through } from './step-sender.ts';
import { addressFor, type StepInput } from './steps/step-kind.ts';
import { byTemplate, namedBy, type TemplateStates, templateRefusal } from './template-state.ts';
import { type ArmedStep, armedStep } from './variants/arm.ts';
import { requireVariant } from './variants/variant-check.ts';
import { winnersOf } from './variants/winners.ts';
import type { VersionCache } from './versions.ts';

export interface PreviewStep extends WayStep, StepContent {
  step_id: Uuid;
  step_no: number;
  key: string | null;
  channel: Channel;
  mode: Mode;
  /** The arm that is shown: the one asked for, else what the contact would get; null: the step has none. */
  variant: string | null;
  /**
   * When it would go, behind all who wait for the same senders, if every step before it goes at its time, on the contact's way, and for a step beside it on the
   * first way of the list that leads there; null when that cannot be said.
   */
  at: Date | null;
  /** What keeps it back until then beyond its delay; null: nothing does. */
  limit: Postponement | null;
  /** Until when its window stays open. */
  until: Date | null;
  to: string | null;
  /** Null: people do it, or there is none. */
  sender: PreviewSender | null;
  /** Which of the sequence's senders for the channel: the contact's id chooses. Null: people do it, or there is none. */
  rotation: { position: number; of: number } | null;
  /** Of an SMS: how a carrier cuts it up, and what that costs by the sender's price. */
  sms: PreviewSms | null;
}

export interface PreviewSms {
  segments: number;
  encoding: 'gsm7' | 'ucs2';
  /** Null: the sender has no price. */
  estimated_cost: Cost | null;
}

export interface PreviewSender {
  id: Uuid;
  name: string;
  from: { name: string | null; address: string };
}

export interface Preview {
  contact_id: Uuid;
  /** Why the contact would not be enrolled at all. */
  refused: Unreachable | null;
  /** Of the first step. */
  to: string | null;
  sender: PreviewSender | null;
  /** Limits of the organization that these times do not know of. */
  not_counted: string[];
  steps: PreviewStep[];
}

interface Scene extends RenderScene {
  definition: Definition;
  prices: ReadonlyMap<Uuid, Price>;
  senders: SendersByChannel;
  /** Those that it would keep, enrolled now. */
  kept: readonly Uuid[];
  place: Place;
  /** When it begins, enrolled now: now, or on the first day with a place. Unix milliseconds. */
  begins: number;
  contact: KnownRecipient;
  refused: Unreachable | null;
  winners: ReadonlyMap<Uuid, string>;
  way: WayStep[];
  /** What its conditions find, by position. */
  verdicts: ReadonlyMap<number, number>;
  /** When the contact last wrote; null where no step is free text over WhatsApp. */
  wrote: Wrote | null;
  /** Whether its WhatsApp templates are approved; null where no step names one. */
  templates: TemplateStates | null;
}

interface PreviewInput {
  contact_id: Uuid;
  unsubscribe_url: string;
  now?: Date | undefined;
  /** The arm to show, of every step that has one of this key. */
  variant?: string | undefined;
}

/** What is known on the way from step to step. */
interface Walk {
  foreseen: ReadonlyMap<number, ForecastStep>;
  /** When somebody comes to each step: the contact's own way first. */
  arrivals: (number | null | undefined)[];
  thread: StepInput['thread'];
}

/** @throws Problem not_found for the sequence or the contact, invalid_request (no step has such a variant) */
export async function previewSequence(
  db: Database,
  versions: VersionCache,
  ctx: Pick<Context, 'org'>,
  id: Uuid,
  input: PreviewInput,
): Promise<Preview> {
  const read = await readScene(db, ctx.org, id, input);
  const free = read.definition.steps.some(mayBeFreeText);
  const wrote = free ? await readLastMessages(db, ctx.org, [read.contact.id]) : null;
  const named = namedBy(read.definition, read.planning.senders.values());
  const templates = named.length > 0 ? byTemplate(await templateStates(db, ctx.org, named)) : null;
  const scene: Scene = { ...read, wrote, templates };
  if (input.variant !== undefined) requireVariant(scene.definition, input.variant);
  const { contact, definition } = scene;
  const foreseen = await times(db, versions, scene);
  const walk: Walk = {
    foreseen: new Map(foreseen.steps.map((step) => [step.step_no, step])),
    arrivals: [scene.begins],
    thread: null,
  };
  const steps: PreviewStep[] = [];
  for (const [stepNo, written] of definition.steps.entries()) {
    const chosen = { sent: input.variant ?? null, winner: scene.winners.get(written.id) };
    steps.push(await stepAt(scene, walk, stepNo, armedStep(written, contact.id, chosen)));
  }
  const [first] = steps;
  return {
    contact_id: contact.id,
    refused: scene.refused,
    to: first?.to ?? null,
    sender: first?.sender ?? null,
    not_counted: foreseen.not_counted,
    steps,
  };
}

async function stepAt(scene: Scene, walk: Walk, stepNo: number, armed: ArmedStep): Promise<PreviewStep> {
  const { step, variant } = armed;
  const { channel, mode } = step;
  const way = scene.way[stepNo]!;
  const found = stepThrough(scene.planning, scene.senders, channel, scene.contact.id, scene.kept);
  const { open, limit } = openingAt(scene, walk, stepNo, step, found);
  for (const next of way.may_lead_to)
    if (walk.arrivals[next] === undefined || (way.on_way && next === way.leads_to))
      walk.arrivals[next] = leaves(step, way, open);
  const content = await contentAt(scene, walk, armed, found);
  const late = open && !open.ok ? { code: 'bad_schedule', detail: open.detail } : null;
  return {
    step_id: step.id,
    step_no: stepNo,
    key: step.key ?? null,
    ...way,
    channel,
    mode,
    variant,
    at: dateOf(open?.ok ? open.not_before : null),
    until: dateOf(open?.ok ? open.not_after : null),
    limit,
    to: addressFor(channel, scene.contact),
    sender: senderOf(scene, found?.sender_id ?? null),
    rotation: rotationOf(scene, channel, found?.sender_id ?? null),
    ...content,
    sms: smsOf(scene, content.message, found?.sender_id ?? null),
    problem: content.problem ?? late ?? barredNow(scene, step, found, open),
  };
}

/** Only of what would go now: before a later step its contact may still write, and its template be approved. */
function barredNow(
  { planning, contact, wrote, templates }: Scene,
  step: Step,
  found: Through | null,
  open: Opening | null,
): PreviewStep['problem'] {
  const sender = planning.senders.get(found?.sender_id ?? '');
  if (!sender || !open?.ok || open.not_before > planning.now) return null;
  const code =
    freeTextRefusal({ step, contact_id: contact.id }, sender, wrote, planning.now) ??
    templateRefusal(step, sender.id, templates);
  return code === null ? null : { code, detail: reasonInWords(code) ?? code };
}

function openingAt(
  { definition, way, place }: Scene,
  walk: Walk,
  stepNo: number,
  { channel }: Step,
  found: Through | null,
): { open: Opening | null; limit: PreviewStep['limit'] } {
  const { foreseen } = walk;
  const arrival = walk.arrivals[stepNo] ?? null;
  const seen = way[stepNo]!.on_way ? foreseen.get(stepNo) : undefined;
  const limit = seen?.limit ?? null;
  if (arrival === null || !found) return { open: null, limit };
  const { calendar } = found;
  if (channel !== 'wait' && seen?.at)
    return { open: reopening(definition, channel, seen.at.getTime(), calendar, place), limit };
  return { open: opening(definition, stepNo, arrival, calendar, place), limit };
}

async function contentAt(
  scene: Scene,
  walk: Walk,
  armed: ArmedStep,
  found: Through | null,
): Promise<StepContent> {
  const { channel, id } = armed.step;
  if (channel === 'wait') return NO_CONTENT;
  if (!found) return withoutContent('no_sender', `The sequence names no sender for ${channel} that exists`);
  const touch = { id: touchId(scene.sequence.id, `preview.${id}`), key_n: 1 };
  const content = await renderStep(scene, armed, found.sender_id, touch, walk.thread);
  const { message } = content;
  if (message?.kind === 'email') {
    const answered = opensThread(message) ? null : walk.thread;
    walk.thread = {
      subject: answered?.subject ?? message.subject,
      sent: [...(answered?.sent ?? []), `${touch.id}.${touch.key_n}`],
    };
  }
  return content;
}

/** As if it were enrolled now, by the forecast. Those too far off to be seen are counted without limits. */
function times(
  db: Database,
  versions: VersionCache,
  { org, sequence, definition, senders, planning, contact, kept, place, begins, verdicts }: Scene,
): ReturnType<typeof foresee> {
  if (definition.steps.length === 0) return Promise.resolve({ steps: [], not_counted: [] });
  const version = {
    id: newId(),
    sequence_id: sequence.id,
    sequence_name: sequence.name,
    number: 0,
    varied: definition.steps.flatMap((step) => (step.variants ? [step.id] : [])),
    definition,
    senders,
  };
  const who = { contact_id: contact.id, kept, place, now: planning.now, begins, verdicts };
  return foresee(db, versions, org, version, who);
}

function rotationOf({ senders }: Scene, channel: Channel, sender: Uuid | null): PreviewStep['rotation'] {
  const list = senders.get(channel) ?? [];
  return sender === null ? null : { position: list.indexOf(sender) + 1, of: list.length };
}

function smsOf({ prices }: Scene, message: StepContent['message'], sender: Uuid | null): PreviewSms | null {
  if (message === null || !('kind' in message) || message.kind !== 'sms') return null;
  const { segments, encoding, to } = message;
  const price = prices.get(sender ?? '') ?? null;
  return { segments, encoding, estimated_cost: price && estimatedCost(price, to, segments) };
}

/** When whoever comes to a step leaves it. */
function leaves(step: Step, way: WayStep, open: Opening | null): number | null {
  if (!open?.ok) return null;
  return step.until !== undefined && way.holds !== true
    ? (open.not_after ?? open.not_before)
    : open.not_before;
}

function senderOf({ planning }: Scene, id: Uuid | null): PreviewSender | null {
  const sender = id === null ? undefined : planning.senders.get(id);
  if (!sender) return null;
  return { id: sender.id, name: sender.name, from: { name: sender.from_name, address: sender.from_address } };
}

async function readScene(
  db: Database,
  org: Uuid,
  id: Uuid,
  input: PreviewInput,
): Promise<Omit<Scene, 'wrote' | 'templates'>> {
  return db.inOrg(org, async (tx) => {
    const row = await tx.maybe<{ name: string; draft: Definition }>(
      sql`SELECT name, draft FROM sequences WHERE org_id = ${org} AND id = ${id}`,
    );
    if (!row) throw notFound('sequence', id);
    const definition = row.draft;
    const contact = await readRecipient(tx, org, input.contact_id);
    const planning = await readPlanning(tx, org, definition.sender_ids, input.now ?? null);
    const senders = sendersByChannel(definition, (sender) => planning.senders.get(sender)?.channel);
    const phone = contact.phone ?? contact.whatsapp;
    const place = placeOf({ time_zone: contact.time_zone, phone }, planning.organization.time_zone);
    const kept = new Rotation(senders, planning.senders).of(contact.id);
    const intake = await readIntake(tx, org, { sequence_id: id, definition }, planning);
    const channels = flowOf(definition).certain_channels;
    const needs = needsOf(channels, planning.organization.consent_required);
    return {
      org,
      sequence: { id, name: row.name },
      definition,
      planning,
      prices: await readPrices(tx, org, definition.sender_ids),
      senders,
      kept,
      place,
      begins: beginning(intake, { definition, planning, senders, contact, kept, place }),
      contact,
      refused: await whyUnreachable(tx, org, contact.id, needs),
      unsubscribe_url: input.unsubscribe_url,
      winners: await winnersOf(
        tx,
        org,
        definition.steps.flatMap((step) => (step.variants ? [step.id] : [])),
      ),
      ...(await wayThrough(tx, org, definition, contact.id, input.now ?? null)),
    };
  });
}

/** Enrolled now: on the first day on which its sequence takes in one more. */
function beginning(
  intake: Intake | null,
  scene: Pick<Scene, 'definition' | 'planning' | 'senders' | 'contact' | 'kept' | 'place'>,
): number {
  const { definition, planning, senders, contact, kept, place } = scene;
  const [first] = definition.steps;
  const found = first && stepThrough(planning, senders, first.channel, contact.id, kept);
  if (!intake || !found) return planning.now;
  const openAt = (from: number) => opening(definition, 0, from, found.calendar, place);
  return intake.take(contact.id, openAt)?.from ?? planning.now;
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
