/**
 * The sink: a real SMTP server on this machine that keeps what it is given and delivers nothing. It owns its
 * record on disk (`record.ts`), which outlives it and is the oracle of tests: a message is in the record if and
 * only if it was accepted, whether or not the client ever heard so. In: SMTP conversations, and faults to act
 * out (`faults.ts`). Out: the record, and a call for each message recorded.
 */
import type { AddressInfo, Socket } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';
import type { SinkEntry } from './entry.ts';
import { type Fault, type FaultInput, type FaultStage, Faults } from './faults.ts';
import { type ListFilter, openRecord, type SinkRecord } from './record.ts';

const MAX_MESSAGE_BYTES = 25 * 1024 * 1024;
const MAX_CLIENTS = 1_000;
const CLOSE_LIMIT_MS = 1_000;

export interface SinkOptions {
  /** Holds the record; made when missing. One sink a directory. */
  dir: string;
  /** 0: any free port. */
  port?: number;
  host?: string;
  /** When given, clients have to sign in as one of these. */
  users?: Record<string, string>;
  /** When given, STARTTLS is offered with this certificate. */
  tls?: { key: string; cert: string };
}

export interface Sink {
  readonly port: number;
  list(filter?: ListFilter): Promise<SinkEntry[]>;
  /** The entry with the parsed message. */
  get(seq: number): Promise<{ entry: SinkEntry; email: Email } | null>;
  raw(seq: number): Promise<Buffer | null>;
  count(): number;
  /** Connections open plus messages being received: 0 means that nothing can be recorded any more. */
  active(): number;
  readonly faults: { set(input: FaultInput): void; clear(): void };
  /** Called once for each message, after it is on disk. Answers a function that unsubscribes. */
  onMessage(listener: (entry: SinkEntry) => void): () => void;
  stop(): Promise<void>;
}

export async function startSink(options: SinkOptions): Promise<Sink> {
  const record = await openRecord(options.dir);
  const faults = new Faults();
  const listeners = new Set<(entry: SinkEntry) => void>();
  const sockets = new Map<number, Socket>();
  const receiving = new Set<Promise<unknown>>();
  const server = sinkServer(options, faults, sockets, (stream, session, act) => {
    const received = receive(stream, session, record, act, (entry) => {
      for (const listener of listeners) listener(entry);
    });
    receiving.add(received);
    void received.catch(() => undefined).then(() => receiving.delete(received));
    return received;
  });
  const port = await listen(server, options).catch(async (error: unknown) => {
    await record.close();
    throw error;
  });
  return {
    port,
    count: () => record.count(),
    active: () => sockets.size + receiving.size,
    list: (filter) => record.list(filter),
    raw: (seq) => record.raw(seq),
    async get(seq) {
      const [entry, raw] = await Promise.all([record.get(seq), record.raw(seq)]);
      return entry && raw ? { entry, email: await PostalMime.parse(raw) } : null;
    },
    faults: { set: (input) => faults.set(input), clear: () => faults.clear() },
    onMessage(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(resolve));
      const limit = new Promise((resolve) => setTimeout(resolve, CLOSE_LIMIT_MS).unref());
      await Promise.race([Promise.allSettled(receiving), limit]);
      for (const socket of sockets.values()) socket.destroy();
      await closed;
      await record.close();
    },
  };
}

function listen(server: SMTPServer, options: SinkOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', () => {
      server.server.off('error', reject);
      resolve((server.server.address() as AddressInfo).port);
    });
  });
}

/** What smtp-server turns into a reply. */
class SmtpReply extends Error {
  readonly responseCode: number;
  constructor(code: number, text: string) {
    super(text);
    this.responseCode = code;
  }
}

type Next = (error?: Error | null) => void;
type Act = (session: SMTPServerSession, stage: FaultStage, next: Next, recipients?: string[]) => void;
type Receive = (stream: SMTPServerDataStream, session: SMTPServerSession, act: Act) => Promise<SinkEntry>;

function sinkServer(
  options: SinkOptions,
  faults: Faults,
  sockets: Map<number, Socket>,
  take: Receive,
): SMTPServer {
  const act: Act = (session, stage, next, recipients) => {
    void actOut(faults.take(stage, recipients), sockets.get(session.remotePort), next);
  };
  const server = new SMTPServer({
    banner: 'Cadenza sandbox',
    disableReverseLookup: true,
    size: MAX_MESSAGE_BYTES,
    maxClients: MAX_CLIENTS,
    closeTimeout: CLOSE_LIMIT_MS,
    logger: false,
    hideDSN: true,
    disabledCommands: [...(options.users ? [] : ['AUTH']), ...(options.tls ? [] : ['STARTTLS'])],
    allowInsecureAuth: true,
    ...options.tls,
    onAuth({ username, password }, _session, next) {
      const known = username !== undefined && options.users?.[username] === password;
      next(known ? null : new SmtpReply(535, '5.7.8 Authentication credentials invalid'), { user: username });
    },
    onConnect(session, next) {
      act(session, 'connect', (error) => {
        if (!error) cutAtHelo(faults, sockets.get(session.remotePort));
        next(error);
      });
    },
    onMailFrom: (_address, session, next) => act(session, 'mail', next),
    onRcptTo: ({ address }, session, next) => act(session, 'rcpt', next, [address]),
    onData(stream, session, next) {
      void take(stream, session, act).then((entry) => {
        next(null, `2.0.0 Ok: queued as ${entry.seq}`);
      }, next);
    },
  });
  // A client that goes away is not an event here; without a listener it would end the process.
  server.on('error', () => undefined);
  server.server.on('connection', (socket) => {
    const port = socket.remotePort;
    if (port === undefined) return;
    sockets.set(port, socket);
    socket.once('close', () => sockets.delete(port));
  });
  return server;
}

/** Waits, then goes on, refuses, or drops the connection. */
async function actOut(fault: Fault | null, socket: Socket | undefined, next: Next): Promise<void> {
  if (fault?.delay_ms) await pause(fault.delay_ms, socket);
  if (fault?.cut) {
    socket?.destroy();
    // Nobody reads this any more; it only ends what the server has begun for this client.
    next(new SmtpReply(421, 'cut'));
    return;
  }
  next(fault?.refuse ? new SmtpReply(fault.refuse.code, fault.refuse.text) : null);
}

/** Ends early when the client goes away. */
function pause(ms: number, socket: Socket | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      socket?.off('close', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    socket?.once('close', end);
  });
}

/** There is no hook for EHLO: the first bytes a client sends are it, and are seen here before the server's parser. */
function cutAtHelo(faults: Faults, socket: Socket | undefined): void {
  socket?.prependOnceListener('data', () => {
    if (faults.take('helo')) socket.destroy();
  });
}

/** One message from DATA to the moment its reply may be sent. Rejects with the reply that refuses it. */
async function receive(
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
  record: SinkRecord,
  act: Act,
  recorded: (entry: SinkEntry) => void,
): Promise<SinkEntry> {
  const { mailFrom, rcptTo } = session.envelope;
  const to = rcptTo.map(({ address }) => address);
  const envelope = { from: mailFrom ? mailFrom.address : '', to };
  const pass = (stage: FaultStage): Promise<void> =>
    new Promise((resolve, reject) => act(session, stage, (error) => (error ? reject(error) : resolve()), to));

  await pass('data');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (bytes === 0) await pass('before_dot');
    bytes += chunk.length;
    if (bytes <= MAX_MESSAGE_BYTES) chunks.push(chunk);
  }
  if (bytes > MAX_MESSAGE_BYTES) throw new SmtpReply(552, '5.3.4 Message too big for this sandbox');
  await pass('after_dot_lost');
  const entry = await record.append(Buffer.concat(chunks), envelope).catch(() => {
    throw new SmtpReply(452, '4.3.1 The sandbox cannot write its record');
  });
  recorded(entry);
  await pass('after_dot');
  await pass('reply');
  return entry;
}
