/**
 * One live connection per sender, made when first used and made anew when the sender's settings change. The adapter
 * that serves it and the opening of its sealed credentials are handed in.
 */
import type { Adapter, Connection } from '../channels/channel.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { SenderSettings } from '../senders/senders.ts';

/** Senders kept connected at once; the one unused longest is closed first. */
const MAX_CONNECTIONS = 1_000;

export interface ConnectionSource {
  adapters: ReadonlyMap<string, Adapter>;
  /** The sender's configuration with its secrets, in the adapter's shape. */
  configOf(org: Uuid, sender: SenderSettings): Record<string, unknown>;
  onError(error: unknown, sender: SenderSettings): void;
}

export class Connections {
  readonly #source: ConnectionSource;
  readonly #open = new Map<string, { version: number; connection: Connection | null }>();

  constructor(source: ConnectionSource) {
    this.#source = source;
  }

  /** Null when there is no adapter for it, or its configuration cannot be read. */
  get(org: Uuid, sender: SenderSettings): Connection | null {
    const key = `${org}.${sender.id}`;
    const known = this.#open.get(key);
    if (known?.version === sender.version) return known.connection;
    if (known) this.#close(key);
    const connection = this.#connect(org, sender);
    this.#open.set(key, { version: sender.version, connection });
    const [oldest] = this.#open.keys();
    if (this.#open.size > MAX_CONNECTIONS && oldest !== undefined) this.#close(oldest);
    return connection;
  }

  #connect(org: Uuid, sender: SenderSettings): Connection | null {
    const adapter = this.#source.adapters.get(sender.provider);
    if (!adapter) return null;
    try {
      return adapter.connect(this.#source.configOf(org, sender));
    } catch (error) {
      this.#source.onError(error, sender);
      return null;
    }
  }

  #close(key: string): void {
    const connection = this.#open.get(key)?.connection;
    this.#open.delete(key);
    // Calls in progress end first; nobody waits for that.
    void connection?.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(all.map(({ connection }) => connection?.close().catch(() => undefined)));
  }
}
