/**
 * What a channel is to a sequence: how its step is checked before it is published, and what it becomes for a contact.
 * One file a channel in this folder, chosen by the table in step-kinds.ts: publishing, previewing and dispatching alike.
 */
import { checkTemplate, type TemplateKind } from '../../../content/check-template.ts';
import { fixedText } from '../../../content/fixed-text.ts';
import type { Composition, Refused } from '../../../content/render.ts';
import type { TrialPart } from '../../../content/trial.ts';
import type { TemplateVars } from '../../../content/variables.ts';
import type { WhatsappTemplate } from '../../../content/whatsapp-template.ts';
import { type AddressKind, CHANNELS, type Channel } from '../../../kernel/channels.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import type { Message } from '../../../kernel/message.ts';
import type { SenderSettings } from '../../../senders/senders.ts';
import type { Step } from '../definition.ts';
import type { DraftText } from './draft.ts';

export interface Recipient {
  first_name: string | null;
  last_name: string | null;
  email: string | null;
  phone: string | null;
  whatsapp: string | null;
  telegram: string | null;
  linkedin: string | null;
  company: string | null;
  title: string | null;
  attributes: Record<string, unknown> | null;
}

export type StepSenderFacts = Pick<SenderSettings, 'name' | 'from_name' | 'from_address' | 'reply_to'>;

export interface StepInput {
  org: Uuid;
  sequence: { id: Uuid; name: string };
  /** Of a step with arms: as its arm has it. */
  step: Step;
  variant: string | null;
  touch: { id: Uuid; key_n: number };
  contact_id: Uuid;
  recipient: Recipient;
  /** Null where the channel is people's. */
  sender: StepSenderFacts | null;
  organization: { name: string; postal_address: string | null };
  /** Null where nobody can opt out. */
  unsubscribe_url: string | null;
  /** E-mail: the subject that opened the thread, and each e-mail sent in it as `touch.key number`, oldest first. */
  thread: { subject: string; sent: readonly string[] } | null;
}

/** What a person is to do: no provider gets it. */
export interface Note {
  kind: 'note';
  /** Null: it is about nobody's address. */
  to: string | null;
  text: string;
}

export interface StepCheck {
  /** The first step of its channel in the sequence. */
  is_first: boolean;
  /** Keys of the custom attributes that the organization knows. */
  attributes: readonly string[];
  /** `field`: within the step. */
  report(field: string, code: string, message: string): void;
  /** What the senders' accounts have against a template; absent: nobody knows them. */
  approved?(template: WhatsappTemplate): { field: string; code: string; message: string }[];
  /** In words why a URL may not be called from this installation, or null. */
  forbidden(url: string): string | null;
  /** A template in which nothing was found: it can be rendered to try it out. `arm`: of which of the step's variants. */
  sound(part: TrialPart, arm?: number): void;
}

export interface StepKind<M extends Message | Note = Message | Note> {
  check(step: Step, where: StepCheck): void;
  /** In the order of the batch. Never rejects for what a template does. */
  compose(batch: readonly StepInput[]): Promise<Composition<M>[]>;
  /** What a person reads and changes before it goes; absent: the text of what it becomes. */
  draft?(batch: readonly StepInput[]): Promise<(({ ok: true } & DraftText) | Refused)[]>;
  /** The same under another key number; absent: it does not show in the message. */
  rekeyed?(message: M, input: StepInput, keyN: number): M;
}

/** Where a step of this channel reaches them; null: nowhere, or the channel writes to no address. */
export function addressFor(channel: Channel, recipient: Pick<Recipient, AddressKind>): string | null {
  const kind = CHANNELS[channel].writes_to;
  return kind === null ? null : recipient[kind];
}

/** The variables of a template. */
export function varsOf(input: StepInput): TemplateVars {
  const { organization, recipient, sender, step } = input;
  return {
    contact: recipient,
    sender: sender
      ? {
          name: sender.from_name ?? sender.name,
          address: sender.from_address,
          email: step.channel === 'email' ? sender.from_address : null,
        }
      : {},
    organization: { name: organization.name, postal_address: organization.postal_address },
    sequence: { name: input.sequence.name },
    unsubscribe_url: input.unsubscribe_url,
  };
}

/** What is made from a step, once: steps of a published version never change. */
export function perStep<T>(make: (step: Step) => T): (step: Step) => T {
  const made = new WeakMap<Step, T>();
  return (step) => {
    let value = made.get(step);
    if (value === undefined) {
      value = make(step);
      made.set(step, value);
    }
    return value;
  };
}

/** Reports what is wrong with a template of this step; is it sound? `fits`: as in `TrialPart`. */
export function checkSource(
  channel: Channel,
  { attributes, report, sound }: StepCheck,
  part: { field: string; source: string; kind?: TemplateKind; fits?: TrialPart['fits'] },
): boolean {
  const { field, source, kind = 'text' } = part;
  const found = checkTemplate(source, kind, { attributes, without: absentVariables(channel) });
  if (found.ok) {
    // What no value can shorten is told by sight; the rest when it is rendered for somebody.
    const tooLong = part.fits?.(fixedText(source));
    if (tooLong) report(field, 'too_long', `Without any value ${tooLong}`);
    else sound({ ...part, kind });
    return !tooLong;
  }
  for (const { code, line, message } of found.problems) report(field, code, `Line ${line}: ${message}`);
  return false;
}

/** Variables that have no value in a step of this channel. */
function absentVariables(channel: Channel): string[] {
  const { by, consent } = CHANNELS[channel];
  return [
    ...(channel === 'email' ? [] : ['sender.email']),
    ...(by === 'program' ? [] : ['sender.name', 'sender.address', 'unsubscribe_url']),
    ...(consent === null && by === 'program' ? ['unsubscribe_url'] : []),
  ];
}

/** Of a body that is not sent, whoever it is for. */
export const PRINTS_NOTHING = 'It prints nothing, whatever the values are: an empty message is not sent';

export function isBlank(text: string | undefined): boolean {
  return text === undefined || text.trim() === '';
}
