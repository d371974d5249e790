/**
 * Free text over WhatsApp: over the Cloud API only within 24 hours of the contact's last message, over a gateway only to
 * people who have written before. Found before the provider is called, because it would take the one for nothing and ban a
 * number for the other. What they wrote is read only where a batch has such a text.
 */
import type { Uuid } from '../kernel/ids.ts';
import type { StepInput } from '../plan/sequences/steps/step-kind.ts';
import type { Version } from '../plan/sequences/versions.ts';
import { type LastMessages, readLastMessages } from '../records/last-messages.ts';
import type { SenderSettings } from '../senders/senders.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';

/** A minute less than WhatsApp's own: a text that is let go now arrives later. */
const REPLY_WINDOW_MS = 24 * 3_600_000 - 60_000;

export type Wrote = ReadonlyMap<Uuid, LastMessages>;

/** Null where no touch is such a text. */
export async function readWrote(
  db: Engine['db'],
  org: Uuid,
  due: readonly DueTouch[],
  versions: ReadonlyMap<Uuid, Version>,
): Promise<Wrote | null> {
  // Every batch of a worker comes here.
  const asked = due.filter((touch) => mayBeFreeText(touch, versions));
  if (asked.length === 0) return null;
  return readLastMessages(
    db,
    org,
    asked.map((touch) => touch.contact_id),
  );
}

function mayBeFreeText(touch: DueTouch, versions: ReadonlyMap<Uuid, Version>): boolean {
  if (touch.channel === 'whatsapp_lite') return true;
  if (touch.channel !== 'whatsapp') return false;
  const step = versions.get(touch.version_id)?.definition.steps[touch.step_no];
  // One arm may be a template and another a text.
  return step?.template === undefined || step.variants !== undefined;
}

/** Why it may not go to this contact; null: it may. */
export function freeTextRefusal(
  { step, contact_id }: Pick<StepInput, 'step' | 'contact_id'>,
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
