/** Keeps a connection to what the network lets it reach, at the moment it is made: for HTTP and SMTP alike. */
import dns from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { Network } from '../channel.ts';

export class Forbidden extends Error {}

/**
 * Looks at what the name resolves to as the connection is made, and gives on nothing else: what a name said when it was
 * checked it need not say again.
 */
export function guardedLookup(url: URL, network: Network): LookupFunction {
  return (hostname, options, done) => {
    dns.lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return done(error, []);
      let why: string | null = null;
      for (const { address } of found) why ??= network.refuses(url, address);
      if (why !== null) return done(new Forbidden(why), []);
      if (options.all) return done(null, found);
      done(null, found[0]!.address, found[0]!.family);
    });
  };
}

/** Of a host that is an address: nobody looks it up. */
export function refusedAddress(url: URL, network: Network | undefined): string | null {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return network === undefined || isIP(host) === 0 ? null : network.refuses(url, host);
}

/**
 * A host and port as a URL that a network judges. Written as https, because whether SMTP is encrypted is a question of its
 * own settings. Null: no host can be called so.
 */
export function urlOfHost(host: string, port: number): URL | null {
  const written = `https://${host.includes(':') ? `[${host}]` : host}:${port}/`;
  return URL.canParse(written) ? new URL(written) : null;
}
