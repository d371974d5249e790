/** Text messages: a plain text, and what a carrier makes of it. */
import type { SmsMessage } from '../kernel/message.ts';
import { composeTexts, type TextJob } from './compose-text.ts';
import type { Composition, Renderer } from './render.ts';
import { sizeOfSms } from './sms-segments.ts';

/** More no provider takes in one message (Twilio 1,600 characters, Telnyx 10 parts). */
export const MAX_SMS_CHARS = 1_600;
export const MAX_SMS_SEGMENTS = 10;

/** In words why a text is too long for a text message; null: it is not. */
export function tooLongForSms(text: string): string | null {
  if (text.length > MAX_SMS_CHARS) return `${text.length} characters; at most ${MAX_SMS_CHARS}`;
  const { encoding, segments } = sizeOfSms(text);
  return segments > MAX_SMS_SEGMENTS
    ? `${segments} segments in ${encoding}; at most ${MAX_SMS_SEGMENTS}`
    : null;
}

export interface SmsJob extends TextJob {
  from: string;
  to: string;
}

export async function composeSms(
  batch: readonly SmsJob[],
  renderer?: Renderer,
): Promise<Composition<SmsMessage>[]> {
  const texts = await composeTexts(batch, MAX_SMS_CHARS, renderer);
  return texts.map((result, i) => {
    if (!result.ok) return result;
    const text = result.message;
    const detail = tooLongForSms(text);
    if (detail !== null) return { ok: false, reason: 'output_too_large', detail };
    const { encoding, segments } = sizeOfSms(text);
    const { from, to } = batch[i]!;
    return { ...result, message: { kind: 'sms', from, to, text, encoding, segments } };
  });
}
