/** `forecast`: what will be sent in the coming days. */
import { isUuid } from '../../kernel/ids.ts';
import {
  FORECAST_DAYS,
  type Forecast,
  forecastOrganization,
  forecastSequence,
} from '../../plan/forecast/forecast.ts';
import { VersionCache } from '../../plan/sequences/versions.ts';
import { listSenders } from '../../senders/show.ts';
import { type Call, type Command, textOption, UsageError } from '../command.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';

const MAX_SENDERS = 200;

function daysOption(call: Call): number {
  const text = textOption(call, 'days');
  const days = text === undefined ? FORECAST_DAYS.default : Number(text);
  if (Number.isInteger(days) && days >= 1 && days <= FORECAST_DAYS.max) return days;
  throw new UsageError(`--days is a number from 1 to ${FORECAST_DAYS.max}.`);
}

function sequenceOption(call: Call): string | undefined {
  const text = textOption(call, 'sequence')?.toLowerCase();
  if (text === undefined || isUuid(text)) return text;
  throw new UsageError('--sequence is an id.');
}

function table(forecast: Forecast, names: ReadonlyMap<string, string>): string {
  const { items, totals, held, not_counted, time_zone } = forecast;
  const rows = items.map(({ day, sender_id, channel, mode, count, conditional, limits }) => [
    day,
    channel,
    sender_id === null ? 'people' : (names.get(sender_id) ?? sender_id),
    mode === 'human' && sender_id !== null ? `${count} (by people)` : `${count}`,
    conditional === 0 ? '' : `${conditional}`,
    limits.map(({ limit, count: n }) => `${limit} ${n}`).join(', '),
  ]);
  const head = ['day', 'channel', 'sender', 'sends', 'conditional', 'kept back by'];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [
    ...(rows.length === 0 ? [] : [head, ...rows].map(line)),
    `${totals.sends} to send and ${totals.people} for people in ${forecast.days} days (${time_zone}); ${totals.later} later.`,
    ...held.map(({ reason, count }) => `${count} wait without a time: ${reason}.`),
    ...not_counted.map((limit) => `Not counted in: ${limit}.`),
  ].join('\n');
}

export const forecast: Command = {
  options: {
    sequence: { value: 'ID', about: 'Of one sequence; default all of the organization' },
    days: {
      value: 'N',
      about: `So many days, today the first; default ${FORECAST_DAYS.default}, at most ${FORECAST_DAYS.max}`,
    },
    ...ORG_OPTION,
  },
  about:
    'Computed by the code that schedules, as if every message were accepted and nobody answered. `conditional` are those that come after a step that people do, a wait, or a condition that asks for events.',
  async run(call) {
    const days = daysOption(call);
    const sequence = sequenceOption(call);
    const { told, names } = await withInstallation(call.config, async ({ db, ...installation }) => {
      const { org } = await chooseOrganization(call, { db, ...installation });
      const versions = new VersionCache(db);
      const { items } = await listSenders(db, { org }, { limit: MAX_SENDERS });
      return {
        told:
          sequence === undefined
            ? await forecastOrganization(db, versions, org, { days })
            : await forecastSequence(db, versions, org, sequence, { days }),
        names: new Map(items.map((sender) => [sender.id, sender.name])),
      };
    });
    call.result(told, table(told, names));
    return undefined;
  },
};
