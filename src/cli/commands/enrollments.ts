/** `enrollments`: who is in which sequence, and where; `enrollments show`: one with its touches and what happened. */

import type { Enrollment } from '../../plan/sequences/enrollments.ts';
import { ENROLLMENT_STATUSES } from '../../plan/sequences/lifecycle.ts';
import {
  type EnrollmentDetail,
  enrollmentDetail,
  listEnrollments,
} from '../../plan/sequences/list-enrollments.ts';
import type { Command } from '../command.ts';
import { uuidArgument } from '../input.ts';
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
import { touchTable } from './touches.ts';

type Names = (id: string) => string;

const statusOf = ({ status, status_reason }: Enrollment) =>
  status_reason === null ? status : `${status} (${status_reason})`;

function enrollmentTable(items: readonly Enrollment[], zone: string, nameOf: Names): string {
  return columns(
    ['ENROLLMENT', 'CONTACT', 'STATUS', 'STEP', 'DUE', 'TOUCH', 'SEQUENCE'],
    items.map((one) => [
      one.id,
      nameOf(one.contact_id),
      statusOf(one),
      String(one.step_no + 1),
      inZone(one.due_at, zone),
      one.live_touch,
      one.sequence_id,
    ]),
  );
}

export const enrollments: Command = {
  options: {
    sequence: { value: 'ID', about: 'Of one sequence' },
    contact: { value: 'ID', about: 'Of one contact' },
    status: { value: 'STATUS', about: ENROLLMENT_STATUSES.join(', ') },
    ...PAGE_OPTIONS,
    ...ZONE_OPTION,
    ...ORG_OPTION,
  },
  about: 'TOUCH is the touch that the current step waits for, or its last one: npx cadenza why TOUCH.',
  async run(call) {
    const filter = {
      ...pageOption(call),
      sequence_id: idOption(call, 'sequence'),
      contact_id: idOption(call, 'contact'),
      status: oneOf(call, 'status', ENROLLMENT_STATUSES),
    };
    const { page, text } = await withInstallation(call.config, async (installation) => {
      const { db } = installation;
      const { org } = await chooseOrganization(call, installation);
      const zone = await zoneOption(call, db, org);
      const page = await listEnrollments(db, org, filter);
      const nameOf = await contactNames(
        db,
        org,
        page.items.map((one) => one.contact_id),
      );
      return {
        page,
        text: `${enrollmentTable(page.items, zone, nameOf)}\n${footer(zone, page.next_cursor)}`,
      };
    });
    call.result(page, page.items.length === 0 ? 'There are no such enrollments.' : text);
    return undefined;
  },
};

function detailText(one: EnrollmentDetail, zone: string, nameOf: Names): string {
  const due = one.due_at === null ? 'nothing is planned' : inZone(one.due_at, zone);
  const events = one.events.map((event) => [
    inZone(event.at, zone),
    event.type,
    event.actor ?? '',
    event.reason ?? '',
  ]);
  return [
    `Enrollment ${one.id}: ${statusOf(one)}`,
    `Contact    ${nameOf(one.contact_id)} (${one.contact_id})`,
    `Sequence   ${one.sequence_id}, version ${one.version_id}`,
    `Step       ${one.step_no + 1}, due: ${due}`,
    `Enrolled   ${inZone(one.created_at, zone)} by ${one.enrolled_by}`,
    ...(one.ended_at === null ? [] : [`Ended      ${inZone(one.ended_at, zone)} by ${one.ended_by ?? ''}`]),
    '',
    touchTable(one.touches, zone, nameOf),
    '',
    columns(['AT', 'EVENT', 'BY', 'REASON'], events),
    '',
    footer(zone, null),
  ].join('\n');
}

export const enrollmentsShow: Command = {
  takes: ['ID'],
  options: { ...ZONE_OPTION, ...ORG_OPTION },
  about: 'Its touches in the order they were planned, then what happened, oldest first.',
  async run(call) {
    const id = uuidArgument(call, 'ID is the id that `npx cadenza enrollments` shows.');
    const { detail, text } = await withInstallation(call.config, async (installation) => {
      const { db } = installation;
      const { org } = await chooseOrganization(call, installation);
      const detail = await enrollmentDetail(db, org, id);
      const zone = await zoneOption(call, db, org);
      return { detail, text: detailText(detail, zone, await contactNames(db, org, [detail.contact_id])) };
    });
    call.result(detail, text);
    return undefined;
  },
};
