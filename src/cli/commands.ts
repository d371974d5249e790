/** Every command, by its words, in the order of the help. */
import type { Command } from './command.ts';
import { doctor } from './commands/doctor.ts';
import { importContacts } from './commands/import-contacts.ts';
import { keysCreate, keysList, keysRevoke } from './commands/keys.ts';
import { migrateCommand } from './commands/migrate.ts';
import { orgsCreate, orgsList } from './commands/orgs.ts';
import { secretsRewrap } from './commands/secrets.ts';
import { serve, worker } from './commands/serve.ts';
import { up } from './commands/up.ts';

export const COMMANDS = {
  up: up,
  serve: serve,
  worker: worker,
  migrate: migrateCommand,
  'import contacts': importContacts,
  doctor: doctor,
  'keys create': keysCreate,
  'keys list': keysList,
  'keys revoke': keysRevoke,
  'orgs create': orgsCreate,
  'orgs list': orgsList,
  'secrets rewrap': secretsRewrap,
} as Record<string, Command>;
