/** The shape of a due step: what waits for a person, as lists and actions show it. */
import { z } from 'zod';
import { OUTREACH_CHANNELS } from '../kernel/channels.ts';
import { DRAFT_SOURCES } from '../plan/sequences/steps/draft.ts';
import { DUE_BUCKETS, STALE_AFTER_DAYS } from '../schedule/due-buckets.ts';
import { enrollmentStatus } from './enrollment.ts';
import { id, time } from './schemas.ts';
import { touchState } from './touch.ts';

export const dueBucket = z
  .enum(DUE_BUCKETS)
  .describe(
    `By the viewer’s days: before today, today, after today; \`stale\`: more than ${STALE_AFTER_DAYS} days before today`,
  );

const text = z.string().nullable();

const draft = z
  .object({
    subject: text,
    text,
    html: text,
    source: z
      .enum(['template', ...DRAFT_SOURCES])
      .describe('Who wrote it; `template`: the step’s, with the contact’s values'),
    drafted_at: time.nullable(),
    template: z
      .object({
        name: z.string(),
        language: z.string(),
        body: z.union([z.array(z.string()), z.record(z.string(), z.string())]),
      })
      .nullable()
      .describe('WhatsApp: the approved template and what fills it'),
    problem: z
      .object({ code: z.string(), detail: z.string() })
      .nullable()
      .describe('Why it cannot go as it is'),
  })
  .describe('The text as it would go, without the footer that every e-mail gets');

export const dueStep = z
  .object({
    id: id.describe('Of its touch'),
    bucket: dueBucket,
    due_at: time,
    not_after: time.nullable(),
    state: touchState.describe('`sending`: somebody has started it, or it is being sent'),
    reason: text,
    enrollment_id: id,
    enrollment_status: enrollmentStatus,
    blocked: text.describe(
      'What stops it now, in the words of `execute`; null: nothing that is known before it is tried',
    ),
    sequence: z.object({ id, name: z.string() }),
    step: z.object({ id, no: z.number().int().describe('Position, from 0'), name: text }),
    channel: z.enum(OUTREACH_CHANNELS),
    contact: z.object({
      id,
      first_name: text,
      last_name: text,
      company: text,
      title: text,
      email: text,
      phone: text,
      linkedin: text,
      time_zones: z.array(z.string()).describe('Where they may be; every one is possible'),
    }),
    sender: z
      .object({ id, name: z.string(), from: z.string() })
      .nullable()
      .describe('null: people do it themselves'),
    to: text.describe('The address it goes to: of a call, the number'),
    assignee_id: id.nullable().describe('The member who does it; null: anybody'),
    draft,
    editable: z
      .array(z.enum(['subject', 'text', 'html']))
      .describe('The parts of the draft that may be written'),
    link: text.describe('For people to open: a LinkedIn profile, a `tel:` number'),
    copy_text: text.describe('What to paste, say or do, where no program sends it'),
    opened_by: text.describe('Who looked at it last to do it; it keeps nobody out'),
    opened_at: time.nullable(),
    started_by: text,
    started_at: time.nullable(),
    outcome: text,
    note: text,
    done_by: text,
    done_at: time.nullable(),
  })
  .meta({ id: 'DueStep' });
