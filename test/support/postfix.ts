/**
 * A private instance of Debian's Postfix: its own configuration, queue and mailboxes in a temporary directory,
 * its own loopback port. Needs root, because Postfix does. What it accepted is read from its own log.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe } from 'vitest';
import { describeWith } from './debian.ts';
import { until } from './until.ts';

const run = promisify(execFile);
const POSTFIX = '/usr/sbin/postfix';
const NOBODY = 65_534;
const START_LIMIT_MS = 20_000;

/** A `describe` for tests against Postfix. An ordinary user cannot start one, so there they are skipped by name too. */
export function describePostfix(title: string, body: () => void): void {
  if (process.getuid?.() === 0 || process.env.CI) describeWith('postfix', title, body);
  else describe.skip(`${title} (needs postfix and root)`, body);
}

export interface Postfix {
  readonly port: number;
  /** Whether Postfix queued this Message-ID, that is, took responsibility for it. Ask after `settled`. */
  accepted(message_id: string): Promise<boolean>;
  /** How often the log has a line that matches. */
  logged(pattern: RegExp): Promise<number>;
  /** Resolves when no client is connected. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** Recipients by what Postfix answers; every other one at `example.test` is accepted and delivered to a mailbox. */
const ANSWERS: Record<string, string> = {
  'unknown@example.test': '550 5.1.1 No such user here',
  'moved@example.test': '551 5.1.6 Recipient has moved',
  'policy@example.test': '554 5.7.1 Not welcome here',
  'full@example.test': '452 4.2.2 Mailbox full',
  'grey@example.test': '450 4.7.1 Greylisted, try again in 300 seconds',
  'busy@example.test': '450 4.7.0 Too many messages, slow down',
  'later@example.test': '450 4.3.0 Try again later',
};

/** Without `tls` it offers no STARTTLS, so that a proxy can read along. */
export async function startPostfix(options: { tls?: boolean } = {}): Promise<Postfix> {
  const root = await mkdtemp(join(tmpdir(), 'cadenza-postfix-'));
  await chmod(root, 0o755);
  const port = await freePort();
  const config = join(root, 'etc');
  const log = join(root, 'maillog');
  await writeConfig(root, config, { log, port, tls: options.tls ?? false });
  const master = spawn(POSTFIX, ['-c', config, 'start-fg'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  master.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  master.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exited = new Promise<void>((resolve) => master.once('exit', () => resolve()));
  const lines = async (): Promise<string[]> =>
    existsSync(log) ? (await readFile(log, 'utf8')).split('\n') : [];

  await until(
    async () => {
      if (master.exitCode !== null) throw new Error(`Postfix did not start: ${said}`);
      return (await lines()).some((line) => line.includes('daemon started'));
    },
    'Postfix to start',
    START_LIMIT_MS,
  );
  return {
    port,
    async accepted(message_id) {
      const head = (await lines()).find((line) => line.includes(`message-id=<${message_id}>`));
      const id = head?.match(/cleanup\[\d+\]: (\w+):/)?.[1];
      if (id === undefined) return false;
      // The queue manager logs a little after the 250; until then the complete file waits in the queue. The queue
      // is looked at first: a message that leaves it in between is in the log by then.
      const waiting = ['incoming', 'active'].map((part) => isComplete(join(root, 'queue', part, id)));
      if ((await Promise.all(waiting)).includes(true)) return true;
      return (await lines()).some((line) => line.includes('qmgr[') && line.includes(`${id}: from=`));
    },
    async settled() {
      await until(async () => {
        const all = await lines();
        const count = (text: string) => all.filter((line) => line.includes(text)).length;
        return count(']: connect from') === count(']: disconnect from');
      }, 'every client to be gone');
    },
    logged: async (pattern) => (await lines()).filter((line) => pattern.test(line)).length,
    async stop() {
      await run(POSTFIX, ['-c', config, 'abort']).catch(() => master.kill('SIGTERM'));
      await exited;
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function writeConfig(
  root: string,
  config: string,
  { log, port, tls }: { log: string; port: number; tls: boolean },
): Promise<void> {
  const [queue, data, mail] = [join(root, 'queue'), join(root, 'data'), join(root, 'mail')];
  for (const dir of [config, queue, data, mail]) await mkdir(dir, { mode: 0o755 });
  await chown(mail, NOBODY, NOBODY);
  const { stdout } = await run('id', ['-u', 'postfix']);
  await chown(data, Number(stdout.trim()), 0);
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout',
    join(root, 'key.pem'),
    '-out',
    join(root, 'cert.pem'),
  ]);
  const access = Object.entries(ANSWERS).map(([address, answer]) => `${address} ${answer}\n`);
  await writeFile(join(config, 'recipients'), access.join(''));
  await writeFile(
    join(config, 'senders'),
    'refused@example.test 553 5.7.1 Sender address rejected: not owned by you\n',
  );
  await writeFile(
    join(config, 'main.cf'),
    `compatibility_level = 3.6
queue_directory = ${queue}
data_directory = ${data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = ${log}
maillog_file_prefixes = ${root}
myhostname = postfix.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = example.test, xn--mnchen-3ya.example
virtual_mailbox_base = ${mail}
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:${NOBODY}
virtual_gid_maps = static:${NOBODY}
smtpd_sender_restrictions = check_sender_access texthash:${config}/senders
smtpd_recipient_restrictions = check_recipient_access texthash:${config}/recipients, permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_tls_security_level = ${tls ? 'may' : 'none'}
smtpd_tls_cert_file = ${join(root, 'cert.pem')}
smtpd_tls_key_file = ${join(root, 'key.pem')}
smtpd_tls_loglevel = 0
message_size_limit = 20000000
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_delay_reject = no
`,
  );
  const services = [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'rewrite unix - - n - - trivial-rewrite',
    'bounce unix - - n - 0 bounce',
    'defer unix - - n - 0 bounce',
    'trace unix - - n - 0 bounce',
    'virtual unix - n n - - virtual',
    'discard unix - - n - - discard',
    'error unix - - n - - error',
    'anvil unix - - n - 1 anvil',
    'tlsmgr unix - - n 1000? 1 tlsmgr',
    'showq unix n - n - - showq',
    'postlog unix-dgram n - n - 1 postlogd',
  ];
  await writeFile(join(config, 'master.cf'), `${services.join('\n')}\n`);
}

/** Postfix marks a queue file executable when the message in it is whole. */
async function isComplete(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => null);
  return found !== null && (found.mode & 0o100) !== 0;
}

/** Postfix cannot be told "any port", so one that was free a moment ago is used. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
