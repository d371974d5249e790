/**
 * Free text over WhatsApp: over the Cloud API only within 24 hours of the contact's last message, over a gateway only to
 * people who have written before. One rule for what sends, what shows a step that waits, and the preview.
 */
import type { Uuid } from '../../kernel/ids.ts';
import type { LastMessages } from '../../records/last-messages.ts';
import type { SenderSettings } from '../../senders/senders.ts';
import type { Step } from './definition.ts';

/** A minute less than WhatsApp's own: a text that is let go now arrives later. */
const REPLY_WINDOW_MS = 24 * 3_600_000 - 60_000;

export type Wrote = ReadonlyMap<Uuid, LastMessages>;

/** Of some contact, whatever arm it gets. */
export function mayBeFreeText(step: Pick<Step, 'channel' | 'template' | 'variants'>): boolean {
  if (step.channel === 'whatsapp_lite') return true;
  // One arm may be a template and another a text.
  return step.channel === 'whatsapp' && (step.template === undefined || step.variants !== undefined);
}

/** Why it may not go to this contact; null: it may. */
export function freeTextRefusal(
  { step, contact_id }: { step: Pick<Step, 'channel' | 'template'>; contact_id: Uuid },
  sender: Pick<SenderSettings, 'config'>,
  wrote: Wrote | null,
  now: number,
): 'reply_window_closed' | 'never_wrote' | null {
  if (step.channel === 'whatsapp' && step.template === undefined) {
    const last = wrote?.get(contact_id)?.whatsapp ?? null;
    return last !== null && now - last < REPLY_WINDOW_MS ? null : 'reply_window_closed';
  }
  if (step.channel !== 'whatsapp_lite' || sender.config.write_first === true) return null;
  return (wrote?.get(contact_id)?.any ?? null) === null ? 'never_wrote' : null;
}
