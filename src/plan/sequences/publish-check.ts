/**
 * What keeps a draft from being published [SEQ-1, SEQ-5, SEQ-16]: every problem at once, each with its field. Pure:
 * what it needs of the organization and its senders comes in. What passes here is sent without anybody looking again.
 */

import type { AttributeType } from '../../contacts/attribute-value.ts';
import { checkCondition, type Known } from '../../contacts/segments/check-condition.ts';
import type { TrialPart } from '../../content/trial.ts';
import { CHANNEL_NAMES, CHANNELS, type Channel, isSenderChannel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { FieldError } from '../../kernel/problem.ts';
import { afterDelay } from '../../schedule/delay.ts';
import { nextOpen, windowProblem } from '../../schedule/window.ts';
import { isZone } from '../../schedule/zone.ts';
import type { Planning } from './calendar.ts';
import type { Definition, Step } from './definition.ts';
import { checkFlow } from './flow-check.ts';
import { checkRules } from './rule-check.ts';
import type { StepCheck } from './steps/step-kind.ts';
import { type KnownTemplates, templateProblems } from './template-check.ts';
import { sequenceZone, windows } from './time-rules.ts';
import { checkContent } from './variants/variant-check.ts';

export interface PublishWorld {
  /** With the senders that the draft names, as far as they exist. */
  planning: Planning;
  /** The custom attributes the organization knows, and their types. */
  attributes: ReadonlyMap<string, AttributeType>;
  /** Of the senders that fetched theirs. */
  templates: KnownTemplates;
  /** In words why a URL may not be called from this installation, as far as can be told beforehand; or null. */
  forbidden(url: string): string | null;
}

type Report = (field: string, code: string, message: string) => void;

export interface PublishCheck {
  errors: FieldError[];
  /** By message (a step, or an arm of it), the templates in which nothing was found: what they do is seen when they are rendered. */
  sound: TrialPart[][];
}

export function publishCheck(definition: Definition, world: PublishWorld): PublishCheck {
  const errors: FieldError[] = [];
  const report: Report = (field, code, message) => errors.push({ field, code, message });
  const calendarIsSound = checkCalendar(definition, world, report);
  checkSenders(definition, world, calendarIsSound, report);
  checkChannels(definition, world, report);
  const sound = checkSteps(definition, world, report);
  checkFlow(definition, report);
  checkRules(definition, report);
  return { sound, errors };
}

/** True when the sequence's own zone and window can be read. */
function checkCalendar(definition: Definition, { planning }: PublishWorld, report: Report): boolean {
  const zones = [
    ['time_zone', definition.time_zone],
    ['window.time_zone', definition.window?.time_zone],
  ] as const;
  let sound = true;
  for (const [field, zone] of zones) {
    if (zone === undefined || isZone(zone)) continue;
    report(field, 'bad_zone', `There is no time zone "${zone}"; use an IANA name such as Europe/Berlin`);
    sound = false;
  }
  const zone = sequenceZone(definition, orgCalendar(planning));
  if (sound && !isZone(zone)) {
    report(
      'time_zone',
      'bad_zone',
      `The organization's time zone "${zone}" does not exist; give the sequence one`,
    );
    sound = false;
  }
  const { window } = definition;
  if (!window) return sound;
  if (window.from === window.to) {
    report(
      'window.to',
      'empty_window',
      'The window closes at the time it opens; for the whole day use 00:00 to 24:00',
    );
    return false;
  }
  const problem = windowProblem({ ...window, time_zone: 'UTC' });
  if (problem) report('window', problem.error, `The window cannot be read: ${problem.detail}`);
  return sound && problem === null;
}

function orgCalendar(planning: Planning) {
  return { organization_zone: planning.organization.time_zone };
}

function checkSenders(
  definition: Definition,
  { planning }: PublishWorld,
  calendarIsSound: boolean,
  report: Report,
): void {
  const { sender_ids, steps } = definition;
  // Of a sequence without steps nobody knows yet what it needs.
  const wants = steps.length === 0 || steps.some((step) => isSenderChannel(step.channel));
  if (sender_ids.length === 0 && wants) report('sender_ids', 'no_sender', 'Name at least one sender');
  const seen = new Set<Uuid>();
  definition.sender_ids.forEach((id, i) => {
    const field = `sender_ids[${i}]`;
    const sender = planning.senders.get(id);
    if (seen.has(id)) report(field, 'duplicate_sender', 'This sender is named twice');
    else if (!sender) report(field, 'unknown_sender', 'There is no sender with this id');
    else if (sender.status === 'archived')
      report(field, 'sender_archived', `The sender ${sender.name} is archived`);
    else if (calendarIsSound) {
      const open = nextOpen(planning.now, windows(definition, sender.calendar));
      if (!open.ok) {
        report(
          field,
          open.error,
          `With the window of the sender ${sender.name} it is never open: ${open.detail}`,
        );
      }
    }
    seen.add(id);
  });
}

/** Every channel of the steps has a sender, as far as the senders named are known. */
function checkChannels({ sender_ids, steps }: Definition, { planning }: PublishWorld, report: Report): void {
  if (sender_ids.length === 0 || sender_ids.some((id) => !planning.senders.has(id))) return;
  const served = new Set<Channel>(sender_ids.map((id) => planning.senders.get(id)!.channel));
  steps.forEach(({ channel }, i) => {
    if (!isSenderChannel(channel) || served.has(channel)) return;
    const message = `None of the senders in sender_ids is for ${channel}; add one`;
    report(`steps[${i}].channel`, 'no_sender', message);
  });
}

function checkSteps(definition: Definition, world: PublishWorld, report: Report): TrialPart[][] {
  const { steps } = definition;
  if (steps.length === 0) report('steps', 'no_steps', 'A sequence needs at least one step');
  const zone = sequenceZone(definition, orgCalendar(world.planning));
  const ids = new Set<Uuid>();
  // Ids and keys of the steps before the one that is looked at.
  const before = new Set<string>();
  const channels = new Set<Channel>();
  const senders = whatsappSenders(definition, world);
  const attributes = [...world.attributes.keys()];
  return steps.flatMap((step, i) => {
    const at = `steps[${i}]`;
    const sound: TrialPart[][] = [];
    if (ids.has(step.id))
      report(`${at}.id`, 'duplicate_id', 'Another step has this id; leave it out for a new one');
    checkConditions(step, at, { attributes: world.attributes, steps: before }, report);
    ids.add(step.id);
    for (const name of [step.id, step.key]) if (name !== undefined) before.add(name);
    for (const field of ['delay', 'at_most'] as const) {
      const time = step[field];
      const delayed = time && afterDelay(world.planning.now, time, isZone(zone) ? zone : 'UTC');
      if (delayed?.ok === false)
        report(`${at}.${field}`, 'delay_too_long', `${delayed.detail} is longer than ten years`);
    }
    if (step.channel === 'wait' && step.mode === 'human')
      report(`${at}.mode`, 'never_human', 'A worker looks at a wait; leave mode out or say automatic');
    if (step.mode === 'automatic' && CHANNELS[step.channel].by === 'person')
      report(
        `${at}.mode`,
        'never_automatic',
        `A ${step.channel} step is done by people, never by a program; leave mode out or say human`,
      );
    const where: StepCheck = {
      is_first: !channels.has(step.channel),
      attributes,
      report: (field, code, message) => report(`${at}.${field}`, code, message),
      forbidden: world.forbidden,
      approved: (template) => templateProblems(template, senders, world.templates),
      sound(part, arm = 0) {
        sound[arm] ??= [];
        sound[arm].push({ ...part, field: `${at}.${part.field}` });
      },
    };
    checkContent(step, where, checkForeignFields);
    channels.add(step.channel);
    return sound.filter((parts) => parts !== undefined);
  });
}

function whatsappSenders({ sender_ids }: Definition, { planning }: PublishWorld) {
  return sender_ids
    .map((id) => planning.senders.get(id))
    .filter((sender) => sender !== undefined)
    .filter(({ channel }) => channel === 'whatsapp');
}

/** A step may ask for the answers to those before it in the list. */
function checkConditions(step: Step, at: string, known: Known, report: Report): void {
  const conditions = [
    ['when', step.when],
    ['until', step.until],
    ...(step.branches ?? []).map((arm, i) => [`branches[${i}].when`, arm.when] as const),
  ] as const;
  for (const [field, condition] of conditions) {
    if (condition === undefined) continue;
    for (const error of checkCondition(condition, known, `${at}.${field}`))
      report(error.field, error.code, error.message);
  }
}

/** Channels whose steps say something in plain text. */
const TEXTUAL = CHANNEL_NAMES.filter((name) => name !== 'webhook' && name !== 'wait');

const OWN_FIELDS = {
  subject: ['email'],
  body_text: TEXTUAL,
  body_html: ['email'],
  template: ['whatsapp'],
  url: ['webhook'],
  payload: ['webhook'],
  until: ['wait'],
  at_most: ['wait'],
  branches: ['wait'],
  otherwise: ['wait'],
} as const satisfies { [F in keyof Step]?: readonly Channel[] };

/** A field that the channel does not have would silently be left out of what is sent. */
function checkForeignFields(
  step: Pick<Step, 'channel' | keyof typeof OWN_FIELDS>,
  report: StepCheck['report'],
): void {
  for (const [field, channels] of Object.entries(OWN_FIELDS)) {
    const value = step[field as keyof typeof OWN_FIELDS];
    if (value === undefined || value === '' || (channels as readonly Channel[]).includes(step.channel))
      continue;
    report(
      field,
      'not_for_channel',
      `A ${step.channel} step has no ${field}; only ${channels.join(', ')} has: leave it out`,
    );
  }
}
