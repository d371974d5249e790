/**
 * Every command, by its words, in the order of the help. What one needs is imported when it is asked for, so that a
 * listing does not wait for the server's modules; this file imports nothing that takes time.
 */
import type { Listed } from './command.ts';

export const COMMANDS = {
  up: {
    summary: 'Run everything: database, API, worker and sandbox inbox, with a demo at the first start',
    load: async () => (await import('./commands/up.ts')).up,
  },
  serve: { summary: 'Run the API', load: async () => (await import('./commands/serve.ts')).serve },
  worker: {
    summary: 'Run a worker: sends what is due, and works the queued jobs',
    load: async () => (await import('./commands/serve.ts')).worker,
  },
  migrate: {
    summary: 'Bring the database to the current schema',
    load: async () => (await import('./commands/migrate.ts')).migrateCommand,
  },
  'import contacts': {
    summary: 'Import contacts from a CSV file',
    load: async () => (await import('./commands/import-contacts.ts')).importContacts,
  },
  enroll: {
    summary: 'Enrol contacts in a sequence',
    load: async () => (await import('./commands/enroll.ts')).enroll,
  },
  enrollments: {
    summary: 'List enrollments, newest first',
    load: async () => (await import('./commands/enrollments.ts')).enrollments,
  },
  'enrollments show': {
    summary: 'Show one enrollment with its touches',
    load: async () => (await import('./commands/enrollments.ts')).enrollmentsShow,
  },
  pause: {
    summary: 'Stop sending for something, until it is resumed',
    load: async () => (await import('./commands/switch.ts')).pause,
  },
  resume: {
    summary: 'Let what was paused go on',
    load: async () => (await import('./commands/switch.ts')).resume,
  },
  stop: {
    summary: 'End an enrollment; throw the kill switch of anything else',
    load: async () => (await import('./commands/switch.ts')).stop,
  },
  due: {
    summary: 'List what waits for people: calls, LinkedIn, tasks, messages to look at',
    load: async () => (await import('./commands/due.ts')).due,
  },
  forecast: {
    summary: 'Show what will be sent in the coming days, by day and sender, and what limits it',
    load: async () => (await import('./commands/forecast.ts')).forecast,
  },
  'events tell': {
    summary: 'Tell what happened to contacts, from a JSON file',
    load: async () => (await import('./commands/events.ts')).eventsTell,
  },
  'events list': {
    summary: 'List what happened to contacts, told last first',
    load: async () => (await import('./commands/events.ts')).eventsList,
  },
  touches: {
    summary: 'List touches, newest first',
    load: async () => (await import('./commands/touches.ts')).touches,
  },
  why: { summary: 'Let a touch explain itself', load: async () => (await import('./commands/why.ts')).why },
  reconcile: {
    summary: 'List what may have been sent, or say what became of it',
    load: async () => (await import('./commands/reconcile.ts')).reconcile,
  },
  doctor: {
    summary: 'Look the installation over: program, secrets, database, isolation, senders',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  'keys create': {
    summary: 'Make an API key and print it, once',
    load: async () => (await import('./commands/keys.ts')).keysCreate,
  },
  'keys list': {
    summary: 'List the API keys of an organization',
    load: async () => (await import('./commands/keys.ts')).keysList,
  },
  'keys revoke': {
    summary: 'Revoke an API key; it opens nothing from the next request on',
    load: async () => (await import('./commands/keys.ts')).keysRevoke,
  },
  'orgs create': {
    summary: 'Make an organization',
    load: async () => (await import('./commands/orgs.ts')).orgsCreate,
  },
  'orgs list': {
    summary: 'List the organizations of this installation',
    load: async () => (await import('./commands/orgs.ts')).orgsList,
  },
  'segments create': {
    summary: 'Save a condition as a segment, from a JSON file',
    load: async () => (await import('./commands/segments.ts')).segmentsCreate,
  },
  'segments list': {
    summary: 'List segments',
    load: async () => (await import('./commands/segments.ts')).segmentsList,
  },
  'segments show': {
    summary: 'Show the condition of a segment',
    load: async () => (await import('./commands/segments.ts')).segmentsShow,
  },
  'segments count': {
    summary: 'Count who is in a segment now',
    load: async () => (await import('./commands/segments.ts')).segmentsCount,
  },
  'senders create': {
    summary: 'Make a sender: an account that messages go out through',
    load: async () => (await import('./commands/senders.ts')).sendersCreate,
  },
  'senders list': {
    summary: 'List the senders of an organization, with what each has used of its day',
    load: async () => (await import('./commands/senders.ts')).sendersList,
  },
  'senders verify': {
    summary: 'Try a sender without sending: connect, encrypt, sign in, ask about its address',
    load: async () => (await import('./commands/senders.ts')).sendersVerify,
  },
  'sequences create': {
    summary: 'Make a sequence, as a draft, from a JSON file',
    load: async () => (await import('./commands/sequences.ts')).sequencesCreate,
  },
  'sequences list': {
    summary: 'List the sequences of an organization',
    load: async () => (await import('./commands/sequences.ts')).sequencesList,
  },
  'sequences publish': {
    summary: 'Check a draft and publish it as a new version',
    load: async () => (await import('./commands/sequences.ts')).sequencesPublish,
  },
  'sequences pause': {
    summary: 'Stop a sequence, at once',
    load: async () => (await import('./commands/sequences.ts')).sequencesPause,
  },
  'sequences resume': {
    summary: 'Let the held messages of a sequence go on',
    load: async () => (await import('./commands/sequences.ts')).sequencesResume,
  },
  'sequences test': {
    summary: 'Send a step to the verified address of a member, as a test',
    load: async () => (await import('./commands/send-test.ts')).sequencesTest,
  },
  'sequences move': {
    summary: 'Move live enrollments to another version of their sequence',
    load: async () => (await import('./commands/move.ts')).sequencesMove,
  },
  'secrets rewrap': {
    summary: 'Put every stored secret under the newest master secret',
    load: async () => (await import('./commands/secrets.ts')).secretsRewrap,
  },
} as Record<string, Listed>;
