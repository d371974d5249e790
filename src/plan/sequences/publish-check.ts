/**
 * What keeps a draft from being published [SEQ-1, SEQ-5, SEQ-16]: every problem at once, each with its field. Pure:
 * what it needs of the organization and its senders comes in. What passes here is sent without anybody looking again.
 */
import { checkTemplate, type TemplateKind } from '../../content/check-template.ts';
import { prepareTemplate } from '../../content/prepare.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { FieldError } from '../../kernel/problem.ts';
import { afterDelay } from '../../schedule/delay.ts';
import { nextOpen, windowProblem } from '../../schedule/window.ts';
import { isZone } from '../../schedule/zone.ts';
import type { Planning } from './calendar.ts';
import type { Definition, Step } from './definition.ts';
import { templateOf } from './email-job.ts';
import { sequenceZone, windows } from './time-rules.ts';

export interface PublishWorld {
  /** With the senders that the draft names, as far as they exist. */
  planning: Planning;
  /** Keys of the custom attributes the organization knows. */
  attributes: readonly string[];
}

type Report = (field: string, code: string, message: string) => void;

export function publishErrors(definition: Definition, world: PublishWorld): FieldError[] {
  const errors: FieldError[] = [];
  const report: Report = (field, code, message) => errors.push({ field, code, message });
  const calendarIsSound = checkCalendar(definition, world, report);
  checkSenders(definition, world, calendarIsSound, report);
  checkSteps(definition, world, report);
  return errors;
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
  if (definition.sender_ids.length === 0) {
    report('sender_ids', 'no_sender', 'Name at least one sender');
  }
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

function checkSteps(definition: Definition, world: PublishWorld, report: Report): void {
  const { steps } = definition;
  if (steps.length === 0) report('steps', 'no_steps', 'A sequence needs at least one step');
  const zone = sequenceZone(definition, orgCalendar(world.planning));
  const ids = new Set<Uuid>();
  const firstEmail = steps.findIndex((step) => step.channel === 'email');
  steps.forEach((step, i) => {
    const at = `steps[${i}]`;
    if (ids.has(step.id))
      report(`${at}.id`, 'duplicate_id', 'Another step has this id; leave it out for a new one');
    ids.add(step.id);
    const delayed = afterDelay(world.planning.now, step.delay, isZone(zone) ? zone : 'UTC');
    if (!delayed.ok) report(`${at}.delay`, 'delay_too_long', `${delayed.detail} is longer than ten years`);
    if (step.channel !== 'email') {
      report(
        `${at}.channel`,
        'channel_unavailable',
        `The channel ${step.channel} arrives later; only email can be sent now`,
      );
    }
    if (step.mode !== 'automatic') {
      report(`${at}.mode`, 'mode_unavailable', 'Steps that a person does arrive later; use automatic');
    }
    if (step.channel === 'email') checkEmail(step, i === firstEmail, world.attributes, at, report);
  });
}

function checkEmail(
  step: Step,
  isFirst: boolean,
  attributes: readonly string[],
  at: string,
  report: Report,
): void {
  if (isFirst && isBlank(step.subject)) {
    report(
      `${at}.subject`,
      'required',
      'The first e-mail needs a subject; later ones may answer in its thread',
    );
  }
  if (isBlank(step.body_text) && isBlank(step.body_html)) {
    report(`${at}.body_text`, 'required', 'The e-mail has no body: give body_text or body_html');
    return;
  }
  const sources = [
    ['subject', 'subject', step.subject],
    ['body_text', 'text', step.body_text],
    ['body_html', 'html', step.body_html],
  ] as const satisfies readonly (readonly [string, TemplateKind, string | undefined])[];
  let sound = true;
  for (const [field, kind, source] of sources) {
    if (source === undefined) continue;
    const check = checkTemplate(source, kind, { attributes });
    if (check.ok) continue;
    sound = false;
    for (const { code, line, message } of check.problems) {
      report(`${at}.${field}`, code, `Line ${line}: ${message}`);
    }
  }
  // Its parts are sound; with layout and footer it must be too.
  const whole = sound ? prepareTemplate(templateOf(step)) : null;
  if (whole && !whole.ok) {
    report(`${at}.${isBlank(step.body_html) ? 'body_text' : 'body_html'}`, 'template_error', whole.detail);
  }
}

function isBlank(text: string | undefined): boolean {
  return text === undefined || text.trim() === '';
}
