/** A TCP connection to the server of a configuration, to nothing but what the network lets it reach. Never throws. */
import { connect, type Socket } from 'node:net';
import type { Network } from '../channel.ts';
import { Forbidden, guardedLookup, refusedAddress, urlOfHost } from '../http/guard.ts';

export type Connected =
  | { ok: true; socket: Socket }
  /** No byte left this process. `error` is null when nobody answered in time. */
  | { ok: false; error: Error | null; forbidden: boolean };

/** `deadline`: Unix milliseconds. */
export function connectSocket(
  { host, port }: { host: string; port: number },
  deadline: number,
  network: Network | undefined,
): Promise<Connected> {
  const url = urlOfHost(host, port);
  if (url === null)
    return Promise.resolve({ ok: false, error: new Error(`${host} is no host name`), forbidden: false });
  const why = refusedAddress(url, network);
  if (why !== null) return Promise.resolve({ ok: false, error: new Forbidden(why), forbidden: true });
  return new Promise((resolve) => {
    const lookup = network === undefined ? {} : { lookup: guardedLookup(url, network) };
    const socket = connect({ host, port, autoSelectFamily: true, ...lookup });
    const fail = (error: Error | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ok: false, error, forbidden: error instanceof Forbidden });
    };
    const timer = setTimeout(fail, deadline - Date.now(), null);
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve({ ok: true, socket });
    });
  });
}
