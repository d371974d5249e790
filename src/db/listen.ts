/**
 * Listens for notifications. They only shorten a sleep: a lost connection is made again, and polling bridges the gap.
 */
import pg from 'pg';

const RETRY_MS = 1_000;
const CHANNEL = /^[a-z_]+$/;

export interface Listener {
  stop(): Promise<void>;
}

export function listen(url: string, channel: string, onNotify: (payload: string) => void): Listener {
  let stopped = false;
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | undefined;

  async function open(): Promise<void> {
    const fresh = new pg.Client({ connectionString: url, application_name: 'cadenza listen' });
    client = fresh;
    const again = () => {
      if (stopped || client !== fresh) return;
      client = null;
      void fresh.end().catch(() => undefined);
      timer = setTimeout(open, RETRY_MS);
    };
    fresh.on('error', again);
    fresh.on('end', again);
    fresh.on('notification', ({ payload }) => onNotify(payload ?? ''));
    try {
      await fresh.connect();
      await listenTo(fresh, channel);
      if (stopped) await fresh.end();
    } catch {
      again();
    }
  }

  void open();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}

function listenTo(client: pg.Client, channel: string): Promise<unknown> {
  if (!CHANNEL.test(channel)) throw new Error(`not a channel: ${channel}`);
  // sql-from-string: LISTEN takes no parameters; the name is a constant of ours, checked above
  return client.query(`LISTEN ${channel}`);
}
