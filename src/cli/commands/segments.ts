/** `segments create`, `list`, `show`, `count`. */
import { z } from 'zod';
import { conditionSchema } from '../../contacts/segments/condition.ts';
import {
  countSegment,
  createSegment,
  getSegment,
  listSegments,
  type Segment,
} from '../../contacts/segments/segments.ts';
import { PAGE_LIMIT } from '../../kernel/page.ts';
import type { Command } from '../command.ts';
import { fitting, idArgument, readJson } from '../input.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';

const newSegment = z.strictObject({ name: z.string().trim().min(1).max(200), condition: conditionSchema });

export const segmentsCreate: Command = {
  takes: ['FILE'],
  options: { ...ORG_OPTION },
  about: 'FILE holds JSON as POST /api/segments takes it; - is standard input.',
  async run(call) {
    const wanted = fitting(newSegment, readJson(call.args[0]!));
    const made = await withInstallation(call.config, async (installation) =>
      createSegment(installation.db, await chooseOrganization(call, installation), wanted),
    );
    call.result(made, `Made ${made.name} (${made.id}).`);
    return undefined;
  },
};

export const segmentsList: Command = {
  options: { ...ORG_OPTION },
  async run(call) {
    const items: Segment[] = [];
    await withInstallation(call.config, async (installation) => {
      const caller = await chooseOrganization(call, installation);
      let cursor: string | undefined;
      do {
        const page = await listSegments(installation.db, caller, { limit: PAGE_LIMIT.max, cursor });
        items.push(...page.items);
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
    });
    const lines = items.map(({ id, name }) => `${id}  ${name}`);
    call.result({ items }, lines.join('\n') || 'There are no segments.');
    return undefined;
  },
};

export const segmentsShow: Command = {
  takes: ['ID'],
  options: { ...ORG_OPTION },
  async run(call) {
    const id = idArgument(call, 'segments list');
    const segment = await withInstallation(call.config, async (installation) =>
      getSegment(installation.db, await chooseOrganization(call, installation), id),
    );
    call.result(segment, `${segment.name}\n${JSON.stringify(segment.condition, null, 2)}`);
    return undefined;
  },
};

export const segmentsCount: Command = {
  takes: ['ID'],
  options: { ...ORG_OPTION },
  async run(call) {
    const id = idArgument(call, 'segments list');
    const contacts = await withInstallation(call.config, async (installation) =>
      countSegment(installation.db, await chooseOrganization(call, installation), id),
    );
    call.result({ contacts }, `${contacts} contacts`);
    return undefined;
  },
};
