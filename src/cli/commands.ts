/** Every command, by its words, in the order of the help. */
import type { Command } from './command.ts';
import { doctor } from './commands/doctor.ts';
import { due } from './commands/due.ts';
import { enroll } from './commands/enroll.ts';
import { importContacts } from './commands/import-contacts.ts';
import { keysCreate, keysList, keysRevoke } from './commands/keys.ts';
import { migrateCommand } from './commands/migrate.ts';
import { sequencesMove } from './commands/move.ts';
import { orgsCreate, orgsList } from './commands/orgs.ts';
import { reconcile } from './commands/reconcile.ts';
import { secretsRewrap } from './commands/secrets.ts';
import { sendersCreate, sendersList, sendersVerify } from './commands/senders.ts';
import {
  sequencesCreate,
  sequencesList,
  sequencesPause,
  sequencesPublish,
  sequencesResume,
} from './commands/sequences.ts';
import { serve, worker } from './commands/serve.ts';
import { pause, resume, stop } from './commands/switch.ts';
import { up } from './commands/up.ts';
import { why } from './commands/why.ts';

export const COMMANDS = {
  up: up,
  serve: serve,
  worker: worker,
  migrate: migrateCommand,
  'import contacts': importContacts,
  enroll: enroll,
  pause: pause,
  resume: resume,
  stop: stop,
  due: due,
  why: why,
  reconcile: reconcile,
  doctor: doctor,
  'keys create': keysCreate,
  'keys list': keysList,
  'keys revoke': keysRevoke,
  'orgs create': orgsCreate,
  'orgs list': orgsList,
  'senders create': sendersCreate,
  'senders list': sendersList,
  'senders verify': sendersVerify,
  'sequences create': sequencesCreate,
  'sequences list': sequencesList,
  'sequences publish': sequencesPublish,
  'sequences pause': sequencesPause,
  'sequences resume': sequencesResume,
  'sequences move': sequencesMove,
  'secrets rewrap': secretsRewrap,
} as Record<string, Command>;
