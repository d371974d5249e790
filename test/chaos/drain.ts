/** The end of a run: everything switched on again, then waited for until nothing moves by itself any more. */
import type { Client } from './client.ts';
import { asOwner } from './cluster.ts';
import { BUDGET_MS, DRAIN_MS, LOOKUP_GAP_MS } from './limits.ts';
import { wake } from './quiet.ts';
import { switchRoute } from './routes.ts';
import type { Book } from './world.ts';

const LOOK_MS = 300;
const TELL_MS = 5_000;

/**
 * What is still to come: in flight, to be asked about (a pause keeps a class K message unknown, and so does a window that
 * has closed), or due. What paced senders have before them falls due one by one, and is gone within a second. `now()` is the
 * database's, as the engine's is.
 */
const OPEN = `
  SELECT count(*) FILTER (WHERE t.state = 'sending' AND t.sender_id IS NOT NULL)::int AS sending,
         count(*) FILTER (WHERE t.state = 'unknown' AND t.wake_at < now() + interval '${2 * LOOKUP_GAP_MS} milliseconds'
           AND (e.status = 'active' AND coalesce(t.not_after > now() + interval '${BUDGET_MS} milliseconds', true)
                OR s.config ->> 'class' = 'L'))::int AS unknown,
         count(*) FILTER (WHERE t.state = 'planned' AND t.wake_at <= now() - interval '1 second')::int AS due,
         count(*) FILTER (WHERE t.held_by IS NOT NULL)::int AS held,
         (SELECT count(*)::int FROM contact_events v WHERE v.reacted_at IS NULL) AS told
    FROM touches t JOIN enrollments e ON e.org_id = t.org_id AND e.id = t.source_id
    LEFT JOIN senders s ON s.org_id = t.org_id AND s.id = t.sender_id
   WHERE t.live`;

export async function releaseAll(client: Client, books: readonly Book[]): Promise<void> {
  for (const book of books) {
    const { organization, sequences } = book;
    const { label, id, senders } = organization;
    await wake(client, book);
    const targets = [
      { kind: 'organization', target: label, of: id },
      ...(['email', 'sms', 'whatsapp'] as const).map(
        (channel) => ({ kind: 'channel', target: channel, of: channel }) as const,
      ),
      ...senders.map((sender) => ({ kind: 'sender', target: sender.id, of: sender.id }) as const),
      ...sequences.map((sequence) => ({ kind: 'sequence', target: sequence.id, of: sequence.id }) as const),
    ] as const;
    for (const { kind, target, of } of targets) {
      await client.act({
        org: label,
        act: 'release',
        target: { class: kind, id: target },
        ...switchRoute(kind, of, false),
        persist: true,
      });
    }
  }
}

type Counts = Record<'sending' | 'unknown' | 'due' | 'held' | 'told', number>;

/** And of some of them what is needed to see why. */
export interface Open extends Counts {
  rows: Record<string, unknown>[];
}

const MAX_SHOWN = 10;
/** Of each the last things that happened to it. */
const SHOWN = `
  SELECT t.id AS touch, t.state, t.reason, s.name AS sender, e.status, e.live_touch = t.id AS is_live, t.looks, t.needs_review, t.attempt,
         t.key_n, t.gated_at, t.wake_at, t.not_before, t.not_after, now() AS now,
         (SELECT json_agg(x.told) FROM (SELECT v.at || ' ' || v.type || ' ' || coalesce(v.reason, '') AS told FROM events v
            WHERE v.org_id = t.org_id AND v.touch_id = t.id ORDER BY v.at DESC LIMIT 30) x) AS events
    FROM touches t JOIN enrollments e ON e.org_id = t.org_id AND e.id = t.source_id
    LEFT JOIN senders s ON s.org_id = t.org_id AND s.id = t.sender_id
   WHERE t.live AND (t.state IN ('sending', 'unknown') AND t.wake_at IS NOT NULL AND t.sender_id IS NOT NULL OR t.held_by IS NOT NULL OR t.wake_at <= now() - interval '1 second')
   ORDER BY t.state DESC, t.wake_at LIMIT ${MAX_SHOWN}`;

/** What was still open when it was given up, or null. */
export async function settle(url: string, say: (line: string) => void): Promise<Open | null> {
  const end = performance.now() + DRAIN_MS;
  let told = performance.now();
  for (;;) {
    const open = await asOwner(url, async (client) => (await client.query<Counts>(OPEN)).rows[0]!);
    if (Object.values(open).every((count) => count === 0)) return null;
    if (performance.now() > end) {
      const { rows } = await asOwner(url, (client) => client.query<Record<string, unknown>>(SHOWN));
      return { ...open, rows };
    }
    if (performance.now() - told > TELL_MS) {
      told = performance.now();
      say(`waiting: ${JSON.stringify(open)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
