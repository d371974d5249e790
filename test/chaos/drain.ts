/** The end of a run: everything switched on again, then waited for until nothing moves by itself any more. */
import type { Client } from './client.ts';
import { asOwner } from './cluster.ts';
import { BUDGET_MS, DRAIN_MS } from './limits.ts';
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
  SELECT count(*) FILTER (WHERE t.state = 'sending')::int AS sending,
         count(*) FILTER (WHERE t.state = 'unknown' AND t.wake_at IS NOT NULL
           AND (e.status = 'active' AND coalesce(t.not_after > now() + interval '${BUDGET_MS} milliseconds', true)
                OR s.config ->> 'class' = 'L'))::int AS unknown,
         count(*) FILTER (WHERE t.state = 'planned' AND t.wake_at <= now() - interval '1 second')::int AS due,
         count(*) FILTER (WHERE t.held_by IS NOT NULL)::int AS held
    FROM touches t JOIN enrollments e ON e.org_id = t.org_id AND e.id = t.source_id
    JOIN senders s ON s.org_id = t.org_id AND s.id = t.sender_id
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

export type Open = Record<'sending' | 'unknown' | 'due' | 'held', number>;

/** What was still open when it was given up, or null. */
export async function settle(url: string, say: (line: string) => void): Promise<Open | null> {
  const end = performance.now() + DRAIN_MS;
  let told = performance.now();
  for (;;) {
    const open = await asOwner(url, async (client) => (await client.query<Open>(OPEN)).rows[0]!);
    if (Object.values(open).every((count) => count === 0)) return null;
    if (performance.now() > end) return open;
    if (performance.now() - told > TELL_MS) {
      told = performance.now();
      say(`waiting: ${JSON.stringify(open)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
