/**
 * The sequences of an organization: steps without delays, over one channel or several, for workers and people; some wait
 * and decide, try texts against each other, end by what is told of a contact, begin by it, exclude each other, or take in
 * only so many a day.
 */
import type { Opening } from './checker/evidence.ts';
import { windowOf } from './day.ts';
import type { Random } from './random.ts';
import type { SenderName } from './senders.ts';

type Step =
  | 'email'
  | 'sms'
  | 'whatsapp'
  | 'human email'
  | 'human sms'
  | 'human whatsapp'
  | 'call'
  | 'task'
  | 'wait';
/** With more fields than its content. */
type Detailed = [Step, Record<string, unknown>];

interface SequencePlan {
  senders: readonly SenderName[];
  /** Two to four of them are drawn; or all of `steps`, as they stand. */
  of?: readonly Step[];
  steps?: readonly (Step | Detailed)[];
  window?: 'opens' | 'closes';
  /** Goals, exits, triggers, groups: of the sequence, as the API has them. */
  settings?: Record<string, unknown>;
}

/** What clients tell of contacts, and what it does. */
export const EVENTS = {
  reply: 'message_received',
  news: 'news.read',
  won: 'deal.won',
  left: 'churned',
  asked: 'demo.asked',
} as const;
const ENDS = { goals: [{ event: EVENTS.won }], exits: [{ event: EVENTS.left }] };
const NEWS = { event: EVENTS.news };
const ARMS = {
  variants: [
    { key: 'short', subject: 'Short' },
    { key: 'long', subject: 'Long, for {{ contact.first_name }}', weight: 2 },
  ],
};
const INTAKE = 25;
const GROUP = 'one at a time';

const MAIL = ['email'] as const;
const ALL = ['email', 'sms', 'whatsapp'] as const;

const PLANS: readonly SequencePlan[] = [
  { senders: ['mail-K'], of: MAIL, settings: { ...ENDS, exclusive_group: GROUP } },
  {
    senders: ['mail-N'],
    of: MAIL,
    settings: { exclusive_group: GROUP, enroll_on: [{ event: EVENTS.asked }] },
  },
  { senders: ['mail-K-forgets'], of: MAIL },
  { senders: ['mail-K', 'mail-L', 'mail-N', 'mail-K-forgets', 'mail-L-limited'], of: MAIL },
  { senders: ['sms-K', 'sms-L', 'sms-N'], of: ['sms'], settings: { intake: { per_day: INTAKE } } },
  { senders: ['whatsapp-K', 'whatsapp-L', 'whatsapp-N'], of: ['whatsapp'] },
  { senders: ['mail-L', 'sms-K', 'whatsapp-N'], of: ALL },
  { senders: ['mail-N', 'sms-L', 'whatsapp-K'], of: ALL, settings: { ...ENDS, on_reply: 'exit' } },
  { senders: ['mail-K', 'sms-N', 'whatsapp-L'], of: ALL, settings: { ...ENDS, on_reply: 'pause' } },
  { senders: ['mail-K', 'sms-L', 'whatsapp-N'], steps: ['human email', 'sms', 'human whatsapp', 'call'] },
  { senders: ['mail-L', 'sms-K', 'whatsapp-K'], steps: ['human sms', 'task', 'human whatsapp', 'email'] },
  { senders: ['mail-N', 'sms-N', 'whatsapp-L'], steps: ['call', 'human email', 'human sms'] },
  { senders: ['sms-K-paced', 'mail-L-paced'], steps: ['sms', 'email', 'human sms'] },
  { senders: ['whatsapp-K-paced', 'mail-L-paced'], steps: ['human email', 'whatsapp', 'email'] },
  { senders: ['mail-K', 'sms-L'], steps: ['email', 'sms', 'email'], window: 'closes' },
  { senders: ['mail-L', 'whatsapp-K'], steps: ['whatsapp', 'human email', 'whatsapp'], window: 'opens' },
  { senders: ['sms-L-closes'], steps: ['sms', 'human sms', 'sms'] },
  {
    senders: ['mail-K', 'sms-K', 'whatsapp-N'],
    settings: { ...ENDS, enroll_on: [{ event: EVENTS.asked }] },
    steps: [
      ['email', ARMS],
      ['wait', { until: NEWS, at_most: { amount: 1, unit: 'minutes' } }],
      [
        'wait',
        {
          branches: [
            { when: NEWS, go_to: 'good' },
            { when: { tag: 'north' }, go_to: 'text' },
          ],
        },
      ],
      ['email', { ...ARMS, next: 'end' }],
      ['sms', { key: 'text', next: 'last' }],
      ['whatsapp', { key: 'good' }],
      ['human email', { key: 'last' }],
    ],
  },
  {
    senders: ['mail-L', 'sms-N', 'whatsapp-K'],
    settings: { on_reply: 'exit' },
    steps: [
      ['wait', { branches: [{ when: { tag: 'east' }, go_to: 'chat' }], otherwise: 'text' }],
      ['sms', { key: 'text', when: { not: { tag: 'south' } } }],
      ['whatsapp', { key: 'chat' }],
      ['email', ARMS],
    ],
  },
];

export interface PlannedSequence {
  /** For people, some of it. */
  human: boolean;
  opening: Opening;
  /** Some steps try texts against each other. */
  arms: boolean;
  /** Events that end whoever is on the way through it. */
  ends_on: string[];
  /** For the API, as new as one wants it. */
  definition(name: string, senders: ReadonlyMap<SenderName, string>, draw: Random): Record<string, unknown>;
}

export function plannedSequences(zone: string, turn: number): PlannedSequence[] {
  return PLANS.map((plan) => {
    const day = plan.window ? windowOf(plan.window, zone, turn) : null;
    return {
      human: plan.steps?.some((step) => isHuman(nameOf(step))) ?? false,
      arms: plan.steps?.some((step) => typeof step !== 'string' && 'variants' in step[1]) ?? false,
      ends_on: plan.settings && 'goals' in plan.settings ? [EVENTS.won, EVENTS.left] : [],
      opening: day?.opening ?? { opens: null, closes: null },
      definition: (name, senders, draw) => ({
        name,
        sender_ids: plan.senders.map((sender) => senders.get(sender)!),
        reenroll: { policy: 'if_ended' },
        ...plan.settings,
        ...(day ? { window: day.window } : {}),
        steps: (plan.steps ?? Array.from({ length: 2 + draw.below(3) }, () => draw.pick(plan.of!))).map(
          stepOf,
        ),
      }),
    };
  });
}

const nameOf = (step: Step | Detailed) => (typeof step === 'string' ? step : step[0]);
const isHuman = (step: Step) => step.startsWith('human ') || step === 'call' || step === 'task';

function stepOf(step: Step | Detailed, n: number) {
  const name = nameOf(step);
  const [last, human] = [name.split(' ').at(-1)!, name.startsWith('human ')];
  return {
    channel: last,
    delay: { amount: 0, unit: 'minutes' },
    ...(human ? { mode: 'human' } : {}),
    ...contentOf(last, human, n),
    ...(typeof step === 'string' ? {} : step[1]),
  };
}

function contentOf(channel: string, human: boolean, n: number) {
  if (channel === 'wait') return {};
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
