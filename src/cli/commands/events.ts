/** `events tell`, `events list`. */
import { eventBody, SOURCE } from '../../api/resources/events.ts';
import { reactNow } from '../../plan/sequences/react.ts';
import { VersionCache } from '../../plan/sequences/versions.ts';
import { listEvents } from '../../records/events.ts';
import { type Told, tellEvents } from '../../records/tell-events.ts';
import { type Command, EXIT, textOption } from '../command.ts';
import { fitting, readJson } from '../input.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';
import {
  columns,
  footer,
  idOption,
  inZone,
  PAGE_OPTIONS,
  pageOption,
  ZONE_OPTION,
  zoneOption,
} from '../listing.ts';

function answered(told: Told, n: number): string {
  return told.result === 'refused'
    ? `${n + 1}  refused: ${told.reason}`
    : `${n + 1}  ${told.result}  ${told.event_id}`;
}

export const eventsTell: Command = {
  takes: ['FILE'],
  options: { ...ORG_OPTION },
  about: 'FILE holds JSON as POST /api/events takes it: one event, or many in `events`; - is standard input.',
  async run(call) {
    const body = fitting(eventBody, readJson(call.args[0]!));
    const events = 'events' in body ? body.events : [body];
    const results = await withInstallation(call.config, async (installation) => {
      const { db } = installation;
      const caller = await chooseOrganization(call, installation);
      const told = await tellEvents(db, caller, SOURCE, events);
      const ids = told.flatMap((one) => (one.result === 'recorded' ? [one.event_id] : []));
      const log = { warn: (_: object, text: string) => call.note(text), error: () => undefined };
      await reactNow({ db, versions: new VersionCache(db), log }, caller.org, ids);
      return told;
    });
    call.result({ results }, results.map(answered).join('\n'));
    return results.some((one) => one.result === 'refused') ? EXIT.refused : undefined;
  },
};

export const eventsList: Command = {
  options: {
    contact: { value: 'ID', about: 'Of one contact' },
    name: { value: 'NAME', about: 'Of one name' },
    ...PAGE_OPTIONS,
    ...ZONE_OPTION,
    ...ORG_OPTION,
  },
  async run(call) {
    const filter = {
      ...pageOption(call),
      contact_id: idOption(call, 'contact'),
      name: textOption(call, 'name'),
    };
    const { list, zone } = await withInstallation(call.config, async (installation) => {
      const { org } = await chooseOrganization(call, installation);
      const zone = await zoneOption(call, installation.db, org);
      return { zone, list: await listEvents(installation.db, { org }, filter) };
    });
    const rows = list.items.map((event) => [
      event.id,
      inZone(event.at, zone),
      event.contact_id,
      event.name,
      event.source,
      event.reacted_at === null ? 'waits' : '',
    ]);
    const text = columns(['ID', 'AT', 'CONTACT', 'NAME', 'SOURCE', ''], rows);
    call.result(
      list,
      rows.length === 0 ? 'There are no events.' : `${text}\n${footer(zone, list.next_cursor)}`,
    );
    return undefined;
  },
};
