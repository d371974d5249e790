/** Steps that are one plain text, `body_text`: SMS, Telegram, WhatsApp text, and what people say or do. */
import { printsNothing } from '../../../content/blank-body.ts';
import { composeSms, tooLongForSms } from '../../../content/compose-sms.ts';
import { composeTexts, plainText } from '../../../content/compose-text.ts';
import { keyed } from '../../../content/content-hash.ts';
import type { Composition } from '../../../content/render.ts';
import type { SmsMessage, TelegramMessage, WhatsappTextMessage } from '../../../kernel/message.ts';
import type { Step } from '../definition.ts';
import {
  addressFor,
  checkSource,
  isBlank,
  type Note,
  PRINTS_NOTHING,
  perStep,
  type StepCheck,
  type StepInput,
  type StepKind,
  varsOf,
} from './step-kind.ts';

/** What each provider takes in one message. */
const MAX_TELEGRAM_CHARS = 4_096;
const MAX_WHATSAPP_CHARS = 4_096;
const MAX_NOTE_CHARS = 20_000;

const templateOf = perStep((step) => keyed('text', step.body_text ?? ''));

type TooLong = (text: string) => string | null;

const longerThan =
  (limit: number): TooLong =>
  (text) =>
    text.length > limit ? `${text.length} characters; at most ${limit}` : null;

/** `tooLong`: of the text as it goes. */
function checkTextOf(step: Step, where: StepCheck, tooLong: TooLong): void {
  const { channel, body_text: source = '' } = step;
  if (isBlank(source)) {
    where.report('body_text', 'required', `A step of channel ${channel} needs its text in body_text`);
    return;
  }
  const fits: TooLong = (text) => {
    const problem = tooLong(plainText(text));
    return problem && `it has ${problem}: shorten it`;
  };
  const sound = checkSource(channel, where, { field: 'body_text', source, fits });
  if (sound && printsNothing({ source, html: false }))
    where.report('body_text', 'empty_body', PRINTS_NOTHING);
}

const checkWith = (tooLong: TooLong) => (step: Step, where: StepCheck) => checkTextOf(step, where, tooLong);
export const checkWhatsappText = checkWith(longerThan(MAX_WHATSAPP_CHARS));

function ends({ step, recipient, sender }: StepInput): { from: string; to: string } {
  return { from: sender?.from_address ?? '', to: addressFor(step.channel, recipient) ?? '' };
}

const jobOf = (input: StepInput) => ({ template: templateOf(input.step), vars: varsOf(input) });

async function texts<M>(
  batch: readonly StepInput[],
  limit: number,
  message: (text: string, input: StepInput) => M,
): Promise<Composition<M>[]> {
  const results = await composeTexts(batch.map(jobOf), limit);
  return results.map((result, i) =>
    result.ok ? { ...result, message: message(result.message, batch[i]!) } : result,
  );
}

export const smsStep: StepKind<SmsMessage> = {
  check: checkWith(tooLongForSms),
  compose: (batch) => composeSms(batch.map((input) => ({ ...jobOf(input), ...ends(input) }))),
};

export const telegramStep: StepKind<TelegramMessage> = {
  check: checkWith(longerThan(MAX_TELEGRAM_CHARS)),
  compose: (batch) =>
    texts(batch, MAX_TELEGRAM_CHARS, (text, input) => ({ kind: 'telegram', ...ends(input), text })),
};

export function whatsappTexts(batch: readonly StepInput[]): Promise<Composition<WhatsappTextMessage>[]> {
  return texts(batch, MAX_WHATSAPP_CHARS, (text, input) => ({ kind: 'whatsapp_text', ...ends(input), text }));
}

export const whatsappLiteStep: StepKind<WhatsappTextMessage> = {
  check: checkWhatsappText,
  compose: whatsappTexts,
};

/** Call, LinkedIn, task: never sent by a program. */
export const noteStep: StepKind<Note> = {
  check: checkWith(longerThan(MAX_NOTE_CHARS)),
  compose: (batch) =>
    texts(batch, MAX_NOTE_CHARS, (text, { step, recipient }) => ({
      kind: 'note',
      to: addressFor(step.channel, recipient),
      text,
    })),
};
