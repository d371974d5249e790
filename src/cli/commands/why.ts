/** `why TOUCH`: what was decided about a message, when, by which rule, and what is next (EXE-14). */

import { isUuid } from '../../kernel/ids.ts';
import { explainTouch } from '../../ledger/explain.ts';
import { type Command, UsageError } from '../command.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';

export const why: Command = {
  summary: 'Explain a touch: planned when and by what, each decision, each event, what is next',
  takes: ['TOUCH'],
  options: { ...ORG_OPTION },
  async run(call) {
    const id = call.args[0]!.toLowerCase();
    if (!isUuid(id)) throw new UsageError('TOUCH is the id of a touch, as GET /api/touches shows it.');
    await withInstallation(call.config, async (installation) => {
      const caller = await chooseOrganization(call, installation);
      const told = await explainTouch(installation.db, caller.org, id);
      const lines = [
        `Touch ${id} is ${told.touch.state}${told.touch.reason === null ? '' : ` (${told.touch.reason})`}.`,
        `planned   ${told.planned.at.toISOString()} by ${told.planned.by}, ${told.planned.sequence.name} version ${told.planned.sequence.version}, step ${told.planned.step?.no ?? '?'}`,
        `due       ${told.planned.not_before.toISOString()}`,
        ...told.decisions.map(
          (gate) =>
            `gate      ${gate.at.toISOString()} let it go to ${gate.worker}, attempt ${gate.attempt ?? '?'}: ${gate.outcome ?? 'no outcome yet'}`,
        ),
        ...told.events.map(
          (event) =>
            `event     ${event.at.toISOString()} ${event.type}${event.reason === null ? '' : ` (${event.reason})`}`,
        ),
        `next      ${JSON.stringify(told.next)}`,
      ];
      call.result(told, lines.join('\n'));
    });
    return undefined;
  },
};
