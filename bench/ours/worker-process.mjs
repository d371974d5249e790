/**
 * A worker as `cadenza worker` runs it, in a process of its own, but with the bench's provider: the composition root,
 * the worker, the queue of jobs. Driven by `worker.mjs` over IPC. Tells the moment of each call for a contact whose
 * address begins with `probe`, in the clock of `clock.mjs`; ends with its tallies and the most memory it held.
 */
import { now } from './clock.mjs';
import { acceptAll } from './provider.mjs';
import { product, SECRET } from './world.mjs';

const TALLY_MS = 50;
const { url, settings } = JSON.parse(process.argv[2]);

const [{ openApp }, { loadConfig }, { startWorkers }] = await Promise.all(
  ['app', 'config', 'cli/processes'].map(product),
);
const config = loadConfig({
  CADENZA_SECRET: SECRET,
  LOG_LEVEL: 'error',
  ...settings,
});
const app = await openApp(config, {
  appUrl: url,
  connections: config.worker_connections,
  publicUrl: () => 'https://example.com',
  name: 'cadenza worker',
});
const provider = acceptAll((request) => {
  const at = now();
  if (request.message.to.address.startsWith('probe')) process.send({ call: { touch: request.touch_id, at } });
});
app.engine.connect = () => provider;
const running = await startWorkers(app, 1);
const settled = () => running.workers.reduce((sum, worker) => sum + worker.settled, 0);
const tally = setInterval(() => process.send({ settled: settled() }), TALLY_MS);

process.on('disconnect', () => process.exit());
process.once('message', async () => {
  clearInterval(tally);
  await running.stop();
  await app.close();
  const peak_rss_mb = process.resourceUsage().maxRSS / 1024;
  process.send({ ended: { peak_rss_mb, settled: settled(), calls: provider.calls } }, () =>
    process.disconnect(),
  );
});
process.send({ ready: true });
