/** The sequences of an organization: two to four steps without delays, over one channel or several, for workers and people. */
import type { Opening } from './checker/evidence.ts';
import { windowOf } from './day.ts';
import type { Random } from './random.ts';
import type { SenderName } from './senders.ts';

type Step = 'email' | 'sms' | 'whatsapp' | 'human email' | 'human sms' | 'human whatsapp' | 'call' | 'task';

interface SequencePlan {
  senders: readonly SenderName[];
  /** Two to four of them are drawn; or all of `steps`, as they stand. */
  of?: readonly Step[];
  steps?: readonly Step[];
  window?: 'opens' | 'closes';
}

const MAIL = ['email'] as const;
const ALL = ['email', 'sms', 'whatsapp'] as const;

const PLANS: readonly SequencePlan[] = [
  { senders: ['mail-K'], of: MAIL },
  { senders: ['mail-N'], of: MAIL },
  { senders: ['mail-K-forgets'], of: MAIL },
  { senders: ['mail-K', 'mail-L', 'mail-N', 'mail-K-forgets', 'mail-L-limited'], of: MAIL },
  { senders: ['sms-K', 'sms-L', 'sms-N'], of: ['sms'] },
  { senders: ['whatsapp-K', 'whatsapp-L', 'whatsapp-N'], of: ['whatsapp'] },
  { senders: ['mail-L', 'sms-K', 'whatsapp-N'], of: ALL },
  { senders: ['mail-N', 'sms-L', 'whatsapp-K'], of: ALL },
  { senders: ['mail-K', 'sms-N', 'whatsapp-L'], of: ALL },
  { senders: ['mail-K', 'sms-L', 'whatsapp-N'], steps: ['human email', 'sms', 'human whatsapp', 'call'] },
  { senders: ['mail-L', 'sms-K', 'whatsapp-K'], steps: ['human sms', 'task', 'human whatsapp', 'email'] },
  { senders: ['mail-N', 'sms-N', 'whatsapp-L'], steps: ['call', 'human email', 'human sms'] },
  { senders: ['sms-K-paced', 'mail-L-paced'], steps: ['sms', 'email', 'human sms'] },
  { senders: ['whatsapp-K-paced', 'mail-L-paced'], steps: ['human email', 'whatsapp', 'email'] },
  { senders: ['mail-K', 'sms-L'], steps: ['email', 'sms', 'email'], window: 'closes' },
  { senders: ['mail-L', 'whatsapp-K'], steps: ['whatsapp', 'human email', 'whatsapp'], window: 'opens' },
  { senders: ['sms-L-closes'], steps: ['sms', 'human sms', 'sms'] },
];

export interface PlannedSequence {
  /** For people, some of it. */
  human: boolean;
  opening: Opening;
  /** For the API, as new as one wants it. */
  definition(name: string, senders: ReadonlyMap<SenderName, string>, draw: Random): Record<string, unknown>;
}

export function plannedSequences(zone: string, turn: number): PlannedSequence[] {
  return PLANS.map((plan) => {
    const day = plan.window ? windowOf(plan.window, zone, turn) : null;
    return {
      human: plan.steps?.some((step) => !ALL.includes(step as (typeof ALL)[number])) ?? false,
      opening: day?.opening ?? { opens: null, closes: null },
      definition: (name, senders, draw) => ({
        name,
        sender_ids: plan.senders.map((sender) => senders.get(sender)!),
        reenroll: { policy: 'if_ended' },
        ...(day ? { window: day.window } : {}),
        steps: (plan.steps ?? Array.from({ length: 2 + draw.below(3) }, () => draw.pick(plan.of!))).map(
          stepOf,
        ),
      }),
    };
  });
}

function stepOf(step: Step, n: number) {
  const [last, human] = [step.split(' ').at(-1)!, step.startsWith('human ')];
  return {
    channel: last,
    delay: { amount: 0, unit: 'minutes' },
    ...(human ? { mode: 'human' } : {}),
    ...contentOf(last, human, n),
  };
}

function contentOf(channel: string, human: boolean, n: number) {
  const body_text = `Hello {{ contact.first_name }}, this is step ${n}.`;
  if (channel === 'email')
    return {
      subject: `Step ${n} for {{ contact.first_name }}`,
      body_text: `${body_text} {{ unsubscribe_url }}`,
    };
  if (channel === 'sms') return { body_text: `${body_text} {{ unsubscribe_url }}` };
  // Free text is for people; a worker sends what the provider has approved.
  if (channel === 'whatsapp' && !human)
    return { template: { name: 'hello', language: 'en', body: ['{{ contact.first_name }}', `${n}`] } };
  return { body_text };
}
