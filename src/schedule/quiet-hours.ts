/**
 * Quiet hours: the hours of the night in which a person is left alone [CON-7, I10]. In: the organization's setting,
 * the channel, where the recipient may be. Out: sending windows, one for each zone it may be in, all of which must be
 * open: of somebody who may be in several zones nothing is sent before it is day in all of them.
 */
import { WEEKDAYS, type Window, type WindowError, windowProblem } from './window.ts';

export interface QuietHours {
  /** `HH:MM`, when they begin. */
  from: string;
  /** `HH:MM`, when they end; earlier than `from` means on the next morning. */
  to: string;
  channels: readonly string[];
}

/** Channels that make a telephone ring or buzz. E-mail waits until it is looked at. */
const DISTURBING = ['sms', 'whatsapp', 'whatsapp_lite', 'call'] as const;

/** What an organization has until it says otherwise: the hours of 47 CFR 64.1200(c)(1), for everybody. */
export const DEFAULT_QUIET_HOURS: QuietHours = { from: '21:00', to: '08:00', channels: DISTURBING };

export interface LegalQuietHours extends QuietHours {
  countries: readonly string[];
  source: string;
}

/**
 * Hours that hold whatever an organization sets. United States, with its territories: no telephone solicitation
 * before 08:00 or after 21:00 at the called party's location. Whether a text is one is disputed; it is treated so.
 */
export const LEGAL_QUIET_HOURS: readonly LegalQuietHours[] = [
  {
    countries: ['US', 'PR', 'VI', 'GU', 'MP', 'AS'],
    from: '21:00',
    to: '08:00',
    channels: DISTURBING,
    source: '47 CFR 64.1200(c)(1)',
  },
];

/** Hours that hold for one touch, and why. */
export interface QuietRule {
  from: string;
  to: string;
  /** `organization`, or where the law says so. */
  source: string;
}

/** Does any rule speak of this channel? If not, nobody needs to know where the recipient is. */
export function mayBeQuiet(channel: string, setting: QuietHours | null): boolean {
  return (
    setting?.channels.includes(channel) === true ||
    LEGAL_QUIET_HOURS.some((rule) => rule.channels.includes(channel))
  );
}

/** `place.countries`: those the recipient may be in; asked for only where a law may hold. */
export function quietRules(
  channel: string,
  setting: QuietHours | null,
  place: { readonly countries: readonly string[] },
): QuietRule[] {
  const rules: QuietRule[] = [];
  if (setting?.channels.includes(channel))
    rules.push({ from: setting.from, to: setting.to, source: 'organization' });
  for (const { from, to, source, ...law } of LEGAL_QUIET_HOURS) {
    if (law.channels.includes(channel) && law.countries.some((country) => place.countries.includes(country)))
      rules.push({ from, to, source });
  }
  return rules;
}

/** When it is not quiet, in every one of the zones. */
export function quietWindows(
  rules: readonly Pick<QuietRule, 'from' | 'to'>[],
  zones: readonly string[],
): Window[] {
  const windows = new Map<string, Window>();
  for (const time_zone of zones) {
    for (const { from, to } of rules) {
      const window = { days: WEEKDAYS, from: midnight(to), to: midnight(from), time_zone };
      windows.set(`${window.from} ${window.to} ${time_zone}`, window);
    }
  }
  return [...windows.values()];
}

/** One spelling: hours from 00:00 to 24:00 are then as empty as from 08:00 to 08:00, and block instead of falling open. */
function midnight(time: string): string {
  return time === '24:00' ? '00:00' : time;
}

/** What is wrong with the hours, or null. Hours that never end are wrong: then nothing would ever be sent. */
export function quietHoursProblem(hours: Pick<QuietHours, 'from' | 'to'>): WindowError | null {
  return windowProblem(quietWindows([hours], ['UTC'])[0]!);
}
