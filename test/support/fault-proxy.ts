/**
 * A TCP proxy that understands just enough SMTP to break it at a chosen stage: it cuts the connection or falls
 * silent there. The server behind it is real, so what it accepted is known from the server, not from the proxy.
 */
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

/**
 * Where it happens. `mail`, `rcpt`: the command reached the server, its reply does not come back. `data`: the
 * 354 came back, nothing of the message goes on. `mid_body`: `after_bytes` of the message went on. `before_dot`:
 * all but the final dot. `dot`: the final dot went on and the server has answered; the answer does not come back.
 */
const PROXY_STAGES = [
  'connect',
  'banner',
  'ehlo',
  'mail',
  'rcpt',
  'data',
  'mid_body',
  'before_dot',
  'dot',
] as const;
export type ProxyStage = (typeof PROXY_STAGES)[number];

export interface ProxyPlan {
  stage: ProxyStage;
  /** `cut` closes both sides; `stall` keeps them open and moves nothing any more. */
  how: 'cut' | 'stall';
  /** For how many connections; after that all goes through. Default: all. */
  times?: number;
  /** For `mid_body`. */
  after_bytes?: number;
}

export interface FaultProxy {
  readonly port: number;
  /** Replaces the plan. Connections that an earlier one stalled are dropped. */
  plan(plan: ProxyPlan | null): void;
  /** Adds a delay before each chunk from the server, milliseconds. */
  delay(ms: number): void;
  /** Connections opened so far, open now, and open at most at one time. */
  readonly connections: { total: number; open: number; peak: number };
  /** Times a plan was carried out. */
  readonly faults: number;
  stop(): Promise<void>;
}

const FINAL_DOT = Buffer.from('\r\n.\r\n');

export async function startFaultProxy(target: { host?: string; port: number }): Promise<FaultProxy> {
  let plan: ProxyPlan | null = null;
  let left = Number.POSITIVE_INFINITY;
  let delay_ms = 0;
  let faults = 0;
  const connections = { total: 0, open: 0, peak: 0 };
  const links = new Set<Link>();

  const hits = (stage: ProxyStage): ProxyPlan | null => {
    if (plan?.stage !== stage || left <= 0) return null;
    left -= 1;
    faults += 1;
    return plan;
  };
  const server = createServer((client) => {
    connections.total += 1;
    connections.open += 1;
    connections.peak = Math.max(connections.peak, connections.open);
    const link = new Link(client, target, {
      hits,
      bytes: () => (plan?.stage === 'mid_body' ? (plan.after_bytes ?? 1) : Number.POSITIVE_INFINITY),
      delay: () => delay_ms,
    });
    links.add(link);
    client.once('close', () => {
      connections.open -= 1;
      links.delete(link);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    plan(next) {
      plan = next;
      for (const link of links) if (link.broken) link.drop();
      left = next?.times ?? Number.POSITIVE_INFINITY;
    },
    delay(ms) {
      delay_ms = ms;
    },
    connections,
    get faults() {
      return faults;
    },
    async stop() {
      for (const link of links) link.drop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Orders {
  hits(stage: ProxyStage): ProxyPlan | null;
  bytes(): number;
  delay(): number;
}

/** One client's way to the server. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #orders: Orders;
  #mode: 'commands' | 'body' | 'answer' = 'commands';
  #greeted = false;
  #broken = false;
  /** Client bytes not yet passed on: part of a command line, or what may be the beginning of the final dot. */
  #held = Buffer.alloc(0);
  #body_bytes = 0;

  constructor(client: Socket, target: { host?: string; port: number }, orders: Orders) {
    this.#client = client;
    this.#orders = orders;
    this.#server = dial(target.port, target.host ?? '127.0.0.1');
    for (const socket of [client, this.#server]) socket.on('error', () => this.drop());
    client.on('close', () => this.#server.destroy());
    this.#server.on('close', () => this.#broken || client.end());
    if (this.#break('connect')) return;
    client.on('data', (chunk: Buffer) => this.#fromClient(chunk));
    this.#server.on('data', (chunk: Buffer) => this.#fromServer(chunk));
  }

  drop(): void {
    this.#broken = true;
    this.#client.destroy();
    this.#server.destroy();
  }

  get broken(): boolean {
    return this.#broken;
  }

  /** Carries the plan out if it is for this stage. */
  #break(stage: ProxyStage): boolean {
    const plan = this.#broken ? null : this.#orders.hits(stage);
    if (!plan) return this.#broken;
    this.#broken = true;
    if (plan.how === 'stall') {
      this.#client.pause();
      this.#server.pause();
    } else {
      this.#client.destroy();
      // What was passed on still reaches the server.
      this.#server.end();
    }
    return true;
  }

  #fromClient(chunk: Buffer): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    if (this.#mode === 'commands') this.#commands();
    if (this.#mode === 'body') this.#body();
  }

  #commands(): void {
    while (!this.#broken && this.#mode === 'commands') {
      const end = this.#held.indexOf('\r\n');
      if (end < 0) return;
      const line = this.#held.subarray(0, end + 2);
      this.#held = this.#held.subarray(end + 2);
      this.#server.write(line);
      const verb = line.subarray(0, 4).toString('latin1').toUpperCase();
      const stage = ({ EHLO: 'ehlo', MAIL: 'mail', RCPT: 'rcpt' } as const)[verb];
      if (stage) this.#break(stage);
    }
  }

  #body(): void {
    const end = this.#held.indexOf(FINAL_DOT);
    const all = end >= 0;
    const ready = all ? end + 2 : Math.max(0, this.#held.length - FINAL_DOT.length + 1);
    const allowed = Math.min(ready, this.#orders.bytes() - this.#body_bytes);
    this.#server.write(this.#held.subarray(0, allowed));
    this.#body_bytes += allowed;
    if (allowed < ready || this.#body_bytes >= this.#orders.bytes()) {
      this.#break('mid_body');
      return;
    }
    this.#held = this.#held.subarray(ready);
    if (!all || this.#break('before_dot')) return;
    this.#server.write(this.#held.subarray(0, 3));
    this.#held = this.#held.subarray(3);
    this.#mode = 'answer';
  }

  #fromServer(chunk: Buffer): void {
    if (this.#broken) return;
    const wait = this.#orders.delay();
    if (wait > 0) setTimeout(() => this.#relay(chunk), wait);
    else this.#relay(chunk);
  }

  #relay(chunk: Buffer): void {
    if (this.#broken) return;
    if (this.#mode === 'answer') {
      if (this.#break('dot')) return;
      this.#mode = 'commands';
      this.#body_bytes = 0;
    }
    this.#client.write(chunk);
    if (!this.#greeted) {
      this.#greeted = true;
      this.#break('banner');
    }
    if (/^354/m.test(chunk.toString('latin1')) && !this.#break('data')) this.#mode = 'body';
  }
}
