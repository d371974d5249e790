/**
 * What an installation lets its senders and webhook steps reach: the public internet over https, and of all
 * that is not public only what it names itself. In: the entries of its setting. Out: a `Network` for `call.ts`, which
 * asks it about every address at the moment of connecting, and adapters that check what can be told from a configuration
 * alone.
 */
import ipaddr from 'ipaddr.js';
import type { Adapter, Network } from '../channel.ts';
import { urlOfHost } from './guard.ts';

type Entry = { kind: 'name'; name: string } | { kind: 'range'; range: [ipaddr.IPv4 | ipaddr.IPv6, number] };

const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** A host name, an address, or a network such as `10.0.0.0/8`. Null: it is none of them. */
function readEntry(text: string): Entry | null {
  if (ipaddr.isValidCIDR(text)) return { kind: 'range', range: ipaddr.parseCIDR(text) };
  if (ipaddr.isValid(text)) {
    const address = ipaddr.process(text);
    return { kind: 'range', range: [address, address.kind() === 'ipv4' ? 32 : 128] };
  }
  const name = text.toLowerCase();
  return NAME.test(name) ? { kind: 'name', name } : null;
}

/** `allowed`: what may be reached although it is not public. Entries that cannot be read allow nothing. */
export function networkOf(allowed: readonly string[]): Network {
  const entries = allowed.map(readEntry).filter((entry) => entry !== null);
  return {
    refuses(url, address) {
      // A v4 address in the clothes of v6 is judged as what it is.
      const parsed = ipaddr.isValid(address) ? ipaddr.process(address) : null;
      if (parsed === null) return `${url.hostname} has no address that can be read`;
      if (entries.some((entry) => allows(entry, url.hostname, parsed))) return null;
      if (parsed.range() !== 'unicast')
        return `${url.hostname} is at ${address}, which is not public; PRIVATE_HOSTS names what may be reached all the same`;
      return url.protocol === 'https:' ? null : `${url.hostname} is public: it is reached over https alone`;
    },
    refusesBySight(url) {
      if (url.protocol === 'https:') return null;
      // With a network among them the name may resolve to an address in it.
      if (entries.some((entry) => entry.kind === 'range' || entry.name === url.hostname.toLowerCase()))
        return null;
      return `${url.hostname} would be reached over http; what is public is reached over https alone, and PRIVATE_HOSTS names what is not`;
    },
  };
}

function allows(entry: Entry, host: string, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (entry.kind === 'name') return entry.name === host.toLowerCase();
  const [base, bits] = entry.range;
  return base.kind() === address.kind() && address.match(base, bits);
}

/** Fields of a configuration that say where calls go; `host` with its port. */
const ADDRESS_FIELDS = ['base_url', 'url', 'lookup_url', 'host'];

function addressIn(config: Record<string, unknown>, field: string): unknown {
  const { [field]: value, port } = config;
  return field === 'host' && typeof value === 'string' ? urlOfHost(value, Number(port))?.href : value;
}

/** The same adapter, kept to what the network allows: when a configuration is checked, tried, and used. */
export function within(network: Network, adapter: Adapter): Adapter {
  const { templates } = adapter;
  return {
    ...adapter,
    config: {
      parse(input) {
        const config = adapter.config.parse(input);
        const issues = ADDRESS_FIELDS.flatMap((field) => {
          const message = refusedBySight(network, addressIn(config, field));
          return message === null ? [] : [{ code: 'destination_forbidden', path: [field], message }];
        });
        if (issues.length > 0) throw Object.assign(new Error(issues[0]!.message), { issues });
        return config;
      },
    },
    connect: (config) => adapter.connect(config, network),
    verify: (config, options) => adapter.verify(config, { ...options, network }),
    ...(templates ? { templates: (config, options) => templates(config, { ...options, network }) } : {}),
  };
}

/** Of an address, of this machine's own name, and of http it can be told without asking anybody. In words why not, or null. */
export function refusedBySight(network: Network, written: unknown): string | null {
  if (typeof written !== 'string' || !URL.canParse(written)) return null;
  const url = new URL(written);
  const host = url.hostname.replace(/^\[|\]$|\.$/g, '');
  if (ipaddr.isValid(host)) return network.refuses(url, host);
  if (host === 'localhost' || host.endsWith('.localhost')) return network.refuses(url, '127.0.0.1');
  return network.refusesBySight?.(url) ?? null;
}
