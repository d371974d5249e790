/** `touches`: every outreach act, a page at a time. */

import { TOUCH_STATES } from '../../ledger/states.ts';
import {
  isSequenceOnly,
  listTouches,
  SERVED_FILTERS,
  type Touch,
  type TouchFilter,
} from '../../ledger/touches.ts';
import { touchesOfSequence } from '../../plan/sequences/sequence-touches.ts';
import type { Call, Command } from '../command.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';
import {
  columns,
  contactNames,
  footer,
  idOption,
  inZone,
  oneOf,
  PAGE_OPTIONS,
  pageOption,
  ZONE_OPTION,
  zoneOption,
} from '../listing.ts';

function filterOf(call: Call): TouchFilter {
  return {
    enrollment_id: idOption(call, 'enrollment'),
    contact_id: idOption(call, 'contact'),
    sequence_id: idOption(call, 'sequence'),
    sender_id: idOption(call, 'sender'),
    state: oneOf(call, 'state', TOUCH_STATES),
    needs_review: call.options['needs-review'] === true ? true : undefined,
  };
}

/** What is known of when: sent or ended, else due. */
function moment({ settled_at, gated_at, due_at }: Touch): Date | null {
  return settled_at ?? gated_at ?? due_at;
}

export function touchTable(touches: readonly Touch[], zone: string, nameOf: (id: string) => string): string {
  return columns(
    ['TOUCH', 'STATE', 'WHEN', 'STEP', 'CHANNEL', 'CONTACT', 'REASON'],
    touches.map((touch) => [
      touch.id,
      touch.held_by === null ? touch.state : `${touch.state}, held`,
      inZone(moment(touch), zone),
      String(touch.step_no + 1),
      touch.channel,
      nameOf(touch.contact_id),
      touch.reason ?? '',
    ]),
  );
}

export const touches: Command = {
  options: {
    enrollment: { value: 'ID', about: 'Of one enrollment' },
    contact: { value: 'ID', about: 'Of one contact' },
    sequence: { value: 'ID', about: 'Of one sequence' },
    sender: { value: 'ID', about: 'Of one sender' },
    state: { value: 'STATE', about: TOUCH_STATES.join(', ') },
    'needs-review': { about: 'Those that only a person can tell about' },
    ...PAGE_OPTIONS,
    ...ZONE_OPTION,
    ...ORG_OPTION,
  },
  about: `Those of the newest enrollments first. Not every combination has an index. ${SERVED_FILTERS.replaceAll('_id', '')}
One explains itself with npx cadenza why TOUCH.`,
  async run(call) {
    const filter = filterOf(call);
    const wanted = pageOption(call);
    const { page, text } = await withInstallation(call.config, async (installation) => {
      const { db } = installation;
      const { org } = await chooseOrganization(call, installation);
      const zone = await zoneOption(call, db, org);
      const page = isSequenceOnly(filter)
        ? await touchesOfSequence(db, org, filter.sequence_id!, wanted)
        : await listTouches(db, org, filter, wanted);
      const nameOf = await contactNames(
        db,
        org,
        page.items.map((one) => one.contact_id),
      );
      return { page, text: `${touchTable(page.items, zone, nameOf)}\n${footer(zone, page.next_cursor)}` };
    });
    call.result(page, page.items.length === 0 ? 'There are no such touches.' : text);
    return undefined;
  },
};
