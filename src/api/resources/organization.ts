/** `/api/organization`: the caller's own, and its settings. */
import { z } from 'zod';
import { CONSENT_CHANNELS, OUTREACH_CHANNELS, SENDER_CHANNELS } from '../../kernel/channels.ts';
import { DEFAULT_QUIET_HOURS, quietHoursProblem } from '../../schedule/quiet-hours.ts';
import { getOrganization, type SettingsPatch, updateSettings } from '../../tenancy/organizations.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';
import { id, line, time, timeZone } from '../schemas.ts';

const tag = 'Organization';

const cap = z.number().int().min(1).max(1_000_000).nullable();

const channelCap = z.strictObject({
  day: cap.default(null).describe('Messages of the channel a contact may get in a day'),
  week: cap.default(null).describe('The same in seven days'),
});
const channelCaps = z
  .partialRecord(z.enum(SENDER_CHANNELS), channelCap)
  .nullable()
  .describe('Caps of single channels; they hold beside those over all, and the one that binds is named');

const timeOfDay = z.string().regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$/, 'a time HH:MM');
const quietChannel = z.enum(OUTREACH_CHANNELS);

const quietHours = z
  .strictObject({
    from: timeOfDay.describe('When they begin, in the time zone of the recipient'),
    to: timeOfDay.describe('When they end; earlier than `from` is on the next morning'),
    channels: z
      .array(quietChannel)
      .min(1)
      .max(OUTREACH_CHANNELS.length)
      .optional()
      .describe(`Default: ${DEFAULT_QUIET_HOURS.channels.join(', ')}`),
  })
  .refine((hours) => quietHoursProblem(hours) === null, 'must leave some of the day')
  .nullable()
  .describe(
    'Nothing is sent in these hours of the recipient; null: none but those of the law, which hold besides in any case',
  );

const organization = z
  .object({
    id,
    name: z.string(),
    time_zone: z.string(),
    status: z.enum(['active', 'closing', 'closed']),
    sending_paused: z.boolean().describe('The kill switch of the whole organization'),
    epoch: z.number().int().describe('Rises with each stop and resume of the whole organization'),
    policy_version: z.number().int().describe('Rises with each change of these settings'),
    contact_daily_cap: cap.describe('Messages a contact may get in a day, over all sources; null: no limit'),
    contact_weekly_cap: cap.describe('The same in seven days'),
    channel_caps: channelCaps,
    consent_required: z.array(z.string()).describe('Channels that need a granted consent'),
    postal_address: z.string().nullable().describe('Shown in commercial e-mail'),
    unknown_policy: z.enum(['review', 'assume_sent']),
    quiet_hours: z
      .object({ from: z.string(), to: z.string(), channels: z.array(z.string()) })
      .nullable()
      .describe('Hours of the recipient in which nothing is sent on these channels'),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'Organization' });

const settings = z.strictObject({
  name: line(200).optional(),
  time_zone: timeZone.optional(),
  contact_daily_cap: cap.optional(),
  contact_weekly_cap: cap.optional(),
  channel_caps: channelCaps.optional(),
  consent_required: z
    .array(z.enum(CONSENT_CHANNELS))
    .max(CONSENT_CHANNELS.length)
    .optional()
    .describe('Channels that need a granted consent'),
  postal_address: z.string().trim().min(1).max(1_000).nullable().optional(),
  unknown_policy: z
    .enum(['review', 'assume_sent'])
    .optional()
    .describe('What becomes of a message whose outcome nobody can find out, after 72 hours'),
  quiet_hours: quietHours.optional(),
});

export function organizationRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/organization',
      tag,
      summary: 'Read the organization and its settings',
      scope: 'settings:read',
      answers: { 200: organization },
      handle: async (caller) => ok(await getOrganization(db, caller)),
    }),
    route({
      method: 'PATCH',
      path: '/api/organization',
      tag,
      summary: 'Change settings',
      about: 'Only the fields given change. Messages composed under the old settings are composed again.',
      scope: 'settings:write',
      body: settings,
      answers: { 200: organization },
      handle: async (caller, { body }) => ok(await updateSettings(db, caller, patchOf(body))),
    }),
  ];
}

function patchOf({ quiet_hours, channel_caps, ...others }: z.output<typeof settings>): SettingsPatch {
  // One that names no channel is none: the gate would count for nothing.
  const none = channel_caps !== null && channel_caps !== undefined && Object.keys(channel_caps).length === 0;
  const rest = { ...others, channel_caps: none ? null : (channel_caps as SettingsPatch['channel_caps']) };
  if (!quiet_hours) return { ...rest, quiet_hours };
  const channels = [...new Set(quiet_hours.channels ?? DEFAULT_QUIET_HOURS.channels)];
  return { ...rest, quiet_hours: { ...quiet_hours, channels } };
}
