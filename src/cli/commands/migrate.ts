/** `migrate`: the schema, and the application's login. */
import { masterSecrets } from '../../config.ts';
import { migrate, migrationStatus } from '../../db/migrate.ts';
import { ensureAppLogin } from '../../tenancy/app-login.ts';
import { type Command, EXIT } from '../command.ts';
import { requireOwnerUrl } from '../installation.ts';
import { counted } from '../plural.ts';
import { assertReachable } from '../reachable.ts';

export const migrateCommand: Command = {
  options: { status: { about: 'Only show what is applied and what is pending' } },
  about:
    'Forward only; several may start at once. Also makes the login of the application, unless APP_DATABASE_URL names one. With --status the exit code is 1 while something is pending.',
  async run(call) {
    const url = requireOwnerUrl(call.config);
    await assertReachable(call.config);
    if (call.options.status) {
      const state = await migrationStatus({ url });
      const lines = [
        ...state.applied.map((name) => `applied  ${name}`),
        ...state.pending.map((name) => `pending  ${name}`),
        `${state.applied.length} applied, ${state.pending.length === 0 ? 'none' : state.pending.length} pending`,
      ];
      call.result(state, lines.join('\n'));
      return state.pending.length > 0 ? EXIT.failed : EXIT.ok;
    }
    const { applied } = await migrate({ url, log: call.note });
    const login = call.config.app_database_url
      ? null
      : new URL(await ensureAppLogin(url, masterSecrets(call.config))).username;
    const done =
      applied.length === 0 ? 'The schema was current.' : `Applied ${counted(applied.length, 'file')}.`;
    call.result({ applied, login }, login === null ? done : `${done} The application logs in as ${login}.`);
    return undefined;
  },
};
