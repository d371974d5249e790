/** Sequences whose steps are known by letters, published in several versions, and what became of those enrolled. */
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import {
  type MoveInput,
  type MoveResult,
  moveEnrollments,
} from '../../src/plan/sequences/move-enrollments.ts';
import type { EngineWorld } from './engine.ts';
import { publishVersion } from './outreach.ts';

type Delay = { amount: number; unit: string };
const NOW: Delay = { amount: 0, unit: 'minutes' };

export class Lettered {
  readonly #ids = new Map<string, Uuid>();
  readonly world: EngineWorld;
  sequence = '' as Uuid;

  constructor(world: EngineWorld) {
    this.world = world;
  }

  step(letter: string, more: Record<string, unknown> = {}): Record<string, unknown> {
    const id = this.#ids.get(letter) ?? newId();
    this.#ids.set(letter, id);
    return { id, channel: 'email', subject: `Step ${letter}`, body_text: letter, delay: NOW, ...more };
  }

  /** Version 1: `letters`, one step each. */
  async start(letters: string, more: Record<string, Record<string, unknown>> = {}): Promise<Uuid> {
    this.sequence = await this.world.sequence({ steps: this.#steps(letters, more) });
    return this.sequence;
  }

  /** A further version. */
  publish(
    letters: string,
    more: Record<string, Record<string, unknown>> = {},
    definition: Record<string, unknown> = {},
  ): Promise<Uuid> {
    const { db, org, sender } = this.world;
    return publishVersion(db, org, this.sequence, sender, {
      steps: this.#steps(letters, more),
      ...definition,
    });
  }

  #steps(letters: string, more: Record<string, Record<string, unknown>>): Record<string, unknown>[] {
    return [...letters].map((letter) => this.step(letter, more[letter]));
  }

  /** Contacts enrolled now; their enrollments. */
  async enroll(count = 1): Promise<Uuid[]> {
    return this.world.enroll(this.sequence, await this.world.contacts(count));
  }

  async move(enrollments: readonly Uuid[], more: Partial<MoveInput> = {}): Promise<MoveResult[]> {
    const { db, versions, ctx } = this.world;
    const input = { sequence_id: this.sequence, enrollment_ids: enrollments, ...more };
    return (await moveEnrollments(db, versions, ctx, input)).results;
  }

  letterOf(step: Uuid): string {
    return [...this.#ids].find(([, id]) => id === step)?.[0] ?? '?';
  }

  /** The touches of an enrollment in the order they were planned: `A1 v1 sent`. */
  async story(enrollment: Uuid): Promise<string[]> {
    const rows = await this.world.owner.call(sql`
      SELECT t.step_id, t.n, v.number, t.state FROM touches t JOIN sequence_versions v ON v.id = t.version_id
       WHERE t.source_id = ${enrollment}::uuid ORDER BY t.created_at, t.generation, t.live, t.step_no, t.n`);
    return rows.map((row) => `${this.letterOf(row.step_id)}${row.n} v${row.number} ${row.state}`);
  }

  /** The enrollment: status, version, letter of its step and position. */
  async place(enrollment: Uuid): Promise<string> {
    const [row] = await this.world.owner.call(sql`
      SELECT e.status, v.number, e.step_id, e.step_no FROM enrollments e JOIN sequence_versions v ON v.id = e.version_id
       WHERE e.id = ${enrollment}::uuid`);
    return `${row!.status} v${row!.number} ${this.letterOf(row!.step_id)}@${row!.step_no}`;
  }

  /** Letters sent, in order, as their provider saw them for this enrollment. */
  async sent(enrollment: Uuid): Promise<string> {
    const rows = await this.world.owner.call(sql`
      SELECT t.id, t.step_id FROM touches t WHERE t.source_id = ${enrollment}::uuid`);
    const letters = new Map(rows.map((row) => [row.id, this.letterOf(row.step_id)]));
    return this.world.provider.calls.flatMap((call) => letters.get(call.touch_id) ?? []).join('');
  }
}

/** What must hold of a sequence's enrollments at any moment (I5), and no step accepted twice in a generation. */
export async function expectSound(world: EngineWorld, sequence: Uuid): Promise<string[]> {
  const rows = await world.owner.call<{ wrong: string }>(sql`
    SELECT e.id || ' is ' || e.status || ' with ' || count(t.id) FILTER (WHERE t.live) || ' waiting touches' AS wrong
      FROM enrollments e JOIN touches t ON t.source_id = e.id
     WHERE e.sequence_id = ${sequence}::uuid
     GROUP BY e.id, e.status, e.live_touch
    HAVING count(t.id) FILTER (WHERE t.live) > 1
        OR e.status = 'active' AND count(t.id) FILTER (WHERE t.live AND t.id = e.live_touch) <> 1
    UNION ALL
    SELECT t.source_id || ' had a step twice' FROM touches t JOIN enrollments e ON e.id = t.source_id
     WHERE e.sequence_id = ${sequence}::uuid AND t.state = 'sent' GROUP BY t.source_id, t.generation, t.step_id HAVING count(*) > 1`);
  return rows.map((row) => row.wrong);
}
