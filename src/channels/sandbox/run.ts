/** The sandbox as `cadenza up` runs it: the SMTP sink with its look-up, on the ports it had before, so that senders keep working. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Network } from '../channel.ts';
import { type SinkHttp, startSinkHttp } from './http.ts';
import { type Sink, startSink } from './sink.ts';

const noteSchema = z.object({
  smtp_port: z.number(),
  lookup_port: z.number(),
  token: z.string(),
  /** It listened there once: senders that a person made may still name them, and are told that nobody answers. */
  former_ports: z.array(z.number()).default([]),
});

const HOST = '127.0.0.1';
const MAX_FORMER_PORTS = 20;

const noteOf = (dataDir: string) => join(dataDir, 'sandbox.json');

function readNote(dataDir: string): z.infer<typeof noteSchema> | null {
  const path = noteOf(dataDir);
  return existsSync(path) ? noteSchema.parse(JSON.parse(readFileSync(path, 'utf8'))) : null;
}

/**
 * The same network, which also reaches the sandbox of this data directory: it is ours, on a port that changes, and needs no
 * setting. Nothing else of this machine is reached by it.
 */
export function besideSandbox(network: Network, dataDir: string): Network {
  return {
    ...network,
    refuses(url, address) {
      if (address !== HOST) return network.refuses(url, address);
      const note = readNote(dataDir);
      const ports = note === null ? [] : [note.smtp_port, note.lookup_port, ...note.former_ports];
      return ports.includes(Number(url.port)) ? null : network.refuses(url, address);
    },
  };
}

export interface Sandbox {
  sink: Sink;
  /** What a sender with provider `sandbox` takes as its config. */
  config: { host: string; port: number; lookup_url: string; lookup_token: string };
  stop(): Promise<void>;
}

export async function runSandbox(dataDir: string, note: (line: string) => void): Promise<Sandbox> {
  const before = readNote(dataDir);
  const token = before?.token ?? randomBytes(24).toString('base64url');
  const dir = join(dataDir, 'sandbox');
  const sink = await orElsewhere(before?.smtp_port, (port) => startSink({ dir, port }));
  const http: SinkHttp = await orElsewhere(before?.lookup_port, (port) =>
    startSinkHttp(sink, { token, port }),
  ).catch(async (error: unknown) => {
    await sink.stop();
    throw error;
  });
  const lookupPort = Number(new URL(http.url).port);
  if (before && (before.smtp_port !== sink.port || before.lookup_port !== lookupPort)) {
    note(
      `the sandbox moved to port ${sink.port}, look-ups to ${http.url}: senders you made for port ${before.smtp_port} need both in their config`,
    );
  }
  const ports = [sink.port, lookupPort];
  const had = before ? [before.smtp_port, before.lookup_port, ...before.former_ports] : [];
  const former_ports = [...new Set(had)].filter((port) => !ports.includes(port)).slice(0, MAX_FORMER_PORTS);
  const now = { smtp_port: sink.port, lookup_port: lookupPort, token, former_ports };
  writeFileSync(noteOf(dataDir), `${JSON.stringify(now)}\n`, { mode: 0o600 });
  return {
    sink,
    config: { host: HOST, port: sink.port, lookup_url: http.url, lookup_token: token },
    async stop() {
      await http.stop();
      await sink.stop();
    },
  };
}

/** On the port asked for, or, when that is taken, on a free one. */
async function orElsewhere<T>(port: number | undefined, start: (port: number) => Promise<T>): Promise<T> {
  if (port === undefined) return start(0);
  try {
    return await start(port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return start(0);
  }
}
