/** Text messages: a plain text, and what a carrier makes of it. */
import type { SmsMessage } from '../kernel/message.ts';
import { composeTexts, type TextJob } from './compose-text.ts';
import type { Composition, Renderer } from './render.ts';
import { sizeOfSms } from './sms-segments.ts';

/** More no provider takes in one message (Twilio 1,600 characters, Telnyx 10 parts). */
export const MAX_SMS_CHARS = 1_600;
export const MAX_SMS_SEGMENTS = 10;

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
    const { encoding, segments } = sizeOfSms(text);
    if (segments > MAX_SMS_SEGMENTS) {
      const detail = `${segments} segments in ${encoding}; at most ${MAX_SMS_SEGMENTS}`;
      return { ok: false, reason: 'output_too_large', detail };
    }
    const { from, to } = batch[i]!;
    return { ...result, message: { kind: 'sms', from, to, text, encoding, segments } };
  });
}
