/** The senders of an organization: of each channel and class, some with limits that run out within a run, some paced. */
import type { Sender } from './checker/evidence.ts';
import { windowOf } from './day.ts';
import { SHORT_KEY_LIFE_MS, TOLD_KEY_LIFE_MS } from './limits.ts';

/** Run out within a run. */
const SMALL = { daily_limit: 60, hourly_limit: 45 } as const;
/** Ending of the accounts whose keys live short. */
const FORGETFUL = '-forgets';

interface SenderPlan
  extends Partial<Pick<Sender, 'daily_limit' | 'hourly_limit' | 'min_gap_s' | 'max_gap_s'>> {
  channel: 'email' | 'sms' | 'whatsapp';
  class: Sender['class'];
  forgets?: boolean;
  /** Its window closes in the middle of the run. */
  closes?: boolean;
}

const PLANS = {
  'mail-K': { channel: 'email', class: 'K' },
  'mail-L': { channel: 'email', class: 'L' },
  'mail-N': { channel: 'email', class: 'N' },
  [`mail-K${FORGETFUL}`]: { channel: 'email', class: 'K', daily_limit: SMALL.daily_limit, forgets: true },
  'mail-L-limited': { channel: 'email', class: 'L', ...SMALL },
  'mail-L-paced': { channel: 'email', class: 'L', max_gap_s: 1 },
  'sms-K': { channel: 'sms', class: 'K' },
  'sms-L': { channel: 'sms', class: 'L', ...SMALL },
  'sms-N': { channel: 'sms', class: 'N' },
  'sms-K-paced': { channel: 'sms', class: 'K', min_gap_s: 1, max_gap_s: 2 },
  'sms-L-closes': { channel: 'sms', class: 'L', closes: true },
  'whatsapp-K': { channel: 'whatsapp', class: 'K', daily_limit: SMALL.daily_limit },
  'whatsapp-L': { channel: 'whatsapp', class: 'L' },
  'whatsapp-N': { channel: 'whatsapp', class: 'N' },
  'whatsapp-K-paced': { channel: 'whatsapp', class: 'K', min_gap_s: 0, max_gap_s: 2 },
} as const satisfies Record<string, SenderPlan>;

export type SenderName = keyof typeof PLANS;

const PROVIDERS = {
  email: 'sandbox_http',
  sms: 'sandbox_http_sms',
  whatsapp: 'sandbox_http_whatsapp',
} as const;

const accountOf = (label: string, name: string) => `${label}-${name}`;

/** What the provider has to be told of these accounts with every plan of faults. */
export function keyLives(labels: readonly string[]): Record<string, number> {
  const names = Object.keys(PLANS).filter((name) => name.endsWith(FORGETFUL));
  return Object.fromEntries(
    labels.flatMap((label) => names.map((name) => [accountOf(label, name), SHORT_KEY_LIFE_MS])),
  );
}

export interface PlannedSender {
  name: SenderName;
  /** For the API. */
  body: Record<string, unknown>;
  /** For the checker. */
  sender: Omit<Sender, 'id'>;
}

/** `turn`: when windows close. `number`: of the organization, in its telephone numbers. */
export function plannedSenders(
  { label, number, zone, turn }: { label: string; number: number; zone: string; turn: number },
  url: string,
): PlannedSender[] {
  return Object.entries(PLANS).map(([name, plan], n) => {
    const { channel, class: kind, forgets = false, closes, ...limits }: SenderPlan = plan;
    const account = accountOf(label, name);
    const address =
      channel === 'email' ? `${name.toLowerCase()}@${label}.example.com` : `+4915560${number}000${n + 10}`;
    const closing = closes ? windowOf('closes', zone, turn) : null;
    return {
      name: name as SenderName,
      body: {
        channel,
        provider: PROVIDERS[channel],
        name: account,
        from: { name: label, address },
        config: {
          url,
          account,
          class: kind,
          max_connections: 20,
          ...(forgets ? { key_life_ms: TOLD_KEY_LIFE_MS } : {}),
        },
        ...limits,
        ...(closing ? { window: closing.window } : {}),
      },
      sender: {
        ...{ account, channel, class: kind, forgets },
        ...{ daily_limit: null, hourly_limit: null, min_gap_s: null, max_gap_s: null },
        ...limits,
        ...(closing?.opening ?? { opens: null, closes: null }),
      },
    };
  });
}
