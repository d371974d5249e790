/**
 * One signed-in SMTP connection. In: a configuration and a deadline. Out: a session ready for MAIL FROM, or at
 * which step it failed and what that means for the message that wanted it.
 */
import type { Socket } from 'node:net';
import SMTPConnection, { type SMTPConnectionCustomAuthContext } from 'nodemailer/lib/smtp-connection';
import type { Network, SendOutcome } from '../channel.ts';
import { ehloName, type SmtpConfig } from './config.ts';
import { clip, refusal } from './reply.ts';
import { connectSocket } from './socket.ts';

/** Inactivity after which a socket is dropped whatever it does; each call has its own, shorter limit. */
const SOCKET_LIMIT_MS = 3_600_000;
/** The library's timers stand this far behind ours, so that one place says what a time-out means. */
const LIBRARY_SLACK_MS = 5_000;
const MAX_REPLY_BYTES = 65_536;

export interface Session {
  readonly connection: SMTPConnection;
  /** Messages tried on it so far. */
  used: number;
  /** The last message ended in a refusal: RSET before the next. */
  needs_reset: boolean;
}

export type SessionStep = 'connect' | 'tls' | 'auth';

export type Opened =
  | { ok: true; session: Session }
  | { ok: false; step: SessionStep; outcome: SendOutcome; error: SmtpError | null };

/** What the library's errors carry beyond a message. */
export interface SmtpError extends Error {
  code?: string | undefined;
  originalCode?: string | undefined;
  response?: string | undefined;
  command?: string | undefined;
}

/** Connects, encrypts as configured and signs in before `deadline` (Unix milliseconds). Never throws. */
export async function openSession(config: SmtpConfig, deadline: number, network?: Network): Promise<Opened> {
  const connected = await connectSocket(config, deadline, network);
  if (connected.ok) return greet(config, deadline, connected.socket);
  if (!connected.forbidden) return failure(config, 'connect', connected.error);
  const response = clip(connected.error!.message);
  const outcome = { kind: 'refused', permanence: 'permanent', reason: 'sender_rejected', response } as const;
  return { ok: false, step: 'connect', error: connected.error, outcome };
}

function greet(config: SmtpConfig, deadline: number, socket: Socket): Promise<Opened> {
  return new Promise((resolve) => {
    const left = deadline - Date.now();
    const connection = new SMTPConnection({ ...connectionOptions(config, left), connection: socket });
    let step: SessionStep = 'connect';
    const fail = (error: SmtpError | null): void => {
      clearTimeout(timer);
      connection.close();
      resolve(failure(config, error && isTlsError(error) ? 'tls' : step, error));
    };
    const timer = setTimeout(() => fail(null), left);
    const succeed = (): void => {
      clearTimeout(timer);
      resolve({ ok: true, session: { connection, used: 0, needs_reset: false } });
    };
    // Stays for the connection's life: an error event without a listener would end the process.
    connection.on('error', fail);
    connection.once('end', () => setImmediate(fail, null));
    connection.connect((error) => {
      if (error) return fail(error);
      if (config.username === undefined || config.password === undefined) return succeed();
      step = 'auth';
      if (!connection.allowsAuth) return fail(noAuthOffered());
      const credentials = { user: config.username, pass: config.password };
      connection.login({ credentials }, (refused) => (refused ? fail(refused) : succeed()));
    });
  });
}

function connectionOptions(
  config: SmtpConfig,
  left: number,
): ConstructorParameters<typeof SMTPConnection>[0] {
  return {
    host: config.host,
    port: config.port,
    secure: config.secure,
    requireTLS: config.require_tls,
    name: ehloName(config),
    tls: { rejectUnauthorized: config.tls?.reject_unauthorized ?? true, minVersion: 'TLSv1.2' },
    connectionTimeout: left + LIBRARY_SLACK_MS,
    greetingTimeout: left + LIBRARY_SLACK_MS,
    dnsTimeout: left + LIBRARY_SLACK_MS,
    socketTimeout: SOCKET_LIMIT_MS,
    // A server that has fallen silent would otherwise keep a closed connection, and what it had not read, for seconds.
    socketCloseTimeout: 0,
    maxResponseSize: MAX_REPLY_BYTES,
    customAuth: { [ASIDE]: ({ auth, ...context }) => (auth.aside as Aside)(context) },
  };
}

function failure(config: SmtpConfig, step: SessionStep, error: SmtpError | null): Opened {
  const said = error?.response && refusal(error.response, step === 'auth' ? 'auth' : 'session');
  if (said) return { ok: false, step, error, outcome: said };
  if (error?.code === 'EAUTH') {
    const outcome: SendOutcome = {
      kind: 'refused',
      permanence: 'transient',
      reason: 'bad_credentials',
      response: clip(error.message),
    };
    return { ok: false, step, error, outcome };
  }
  const cause = error ? clip(error.message) : 'no answer in time';
  const reason = `${config.host}:${config.port}, ${STEP_WORDS[step]}: ${cause}`;
  return { ok: false, step, error, outcome: { kind: 'not_started', reason } };
}

const STEP_WORDS: Record<SessionStep, string> = {
  connect: 'connecting',
  tls: 'encrypting',
  auth: 'signing in',
};

function noAuthOffered(): SmtpError {
  const error: SmtpError = new Error('The server does not offer to sign in on this connection.');
  error.code = 'EAUTH';
  return error;
}

function isTlsError(error: SmtpError): boolean {
  if (error.code === 'ETLS' || error.command === 'STARTTLS') return true;
  return /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|EPROTO/.test(error.originalCode ?? '');
}

type Aside = (context: Omit<SMTPConnectionCustomAuthContext, 'auth'>) => unknown;
const ASIDE = 'X-CADENZA-ASIDE';

/**
 * Talks to the server outside a message. The library has no public way to send a command or to read what the
 * server announced, except inside a custom sign-in method; this is one that does not sign in.
 */
export function aside<T>(
  session: Session,
  talk: (context: Omit<SMTPConnectionCustomAuthContext, 'auth'>) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const run: Aside = async (context) => {
      try {
        resolve(await talk(context));
        context.resolve();
      } catch (error) {
        reject(error);
        context.reject('aside failed');
      }
    };
    session.connection.login({ method: ASIDE, aside: run }, () => undefined);
  });
}

/** Ends an unused session politely; the socket is gone after `limit_ms` at the latest. */
export function quit(session: Session, limit_ms = 1_000): Promise<void> {
  const { connection } = session;
  if (connection.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => connection.close(), limit_ms);
    connection.once('end', () => {
      clearTimeout(timer);
      resolve();
    });
    connection.quit();
  });
}
