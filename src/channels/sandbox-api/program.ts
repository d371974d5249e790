/**
 * The sandbox of provider APIs as a process: `node dist/channels/sandbox-api/program.js --dir D`. First line of its
 * output: `{port, control_port, journal, accounts}`, with the `config` of a sender for each provider.
 */
import { parseArgs } from 'node:util';
import { accountsOf, startControl } from './control.ts';
import { startApiSandbox } from './server.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'control-port': { type: 'string', default: '0' },
    dir: { type: 'string' },
    /** Verified in each account, with commas between. */
    domains: { type: 'string' },
    /** Owned by each account that sends text messages, with commas between. */
    numbers: { type: 'string' },
  },
});
if (values.dir === undefined) throw new Error('--dir D: where accounts and journal are kept');
const sandbox = await startApiSandbox({
  dir: values.dir,
  port: Number(values.port),
  ...(values.domains === undefined ? {} : { domains: values.domains.toLowerCase().split(',') }),
  ...(values.numbers === undefined ? {} : { numbers: values.numbers.split(',') }),
});
const control = await startControl(sandbox, Number(values['control-port']));
process.stdout.write(
  `${JSON.stringify({
    port: sandbox.port,
    control_port: control.port,
    journal: sandbox.journal,
    accounts: accountsOf(sandbox),
  })}\n`,
);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    void control.stop().then(() => sandbox.stop());
  });
