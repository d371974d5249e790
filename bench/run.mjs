/**
 * `npm run bench -- NAME [--quick] [--json] [--rows L,graphile,…]`. Progress goes to standard error, the table to
 * standard output, and with `--json` one object to its last line. See docs/benchmarks.md.
 */
import { installPeers } from './install.mjs';
import { listenForInterrupts } from './interrupt.mjs';

const BENCHES = {
  engine: async (options) => (await import('./engine.mjs')).benchEngine(options),
  enrol: async (options) => (await import('./enrol.mjs')).benchEnrol(options),
  inbound: async (options) => (await import('./inbound.mjs')).benchInbound(options),
  import: async (options) => (await import('./import.mjs')).benchImport(options),
  schedule: async (options) => (await import('./schedule.mjs')).benchSchedule(options),
};
const USAGE = `usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [--quick] [--json] [--rows NAME,NAME]`;

function readArguments(args) {
  const options = { name: 'engine', quick: false, json: false, rows: null };
  for (let n = 0; n < args.length; n++) {
    const [word, glued] = args[n].split('=', 2);
    if (word === '--quick') options.quick = true;
    else if (word === '--json') options.json = true;
    else if (word === '--rows') options.rows = (glued ?? args[++n] ?? '').split(',').filter(Boolean);
    else if (word in BENCHES) options.name = word;
    else throw new Error(`${args[n]} is not understood\n${USAGE}`);
  }
  return options;
}

/** Four decimals are more than any of these figures is worth. */
function rounded(_, value) {
  return typeof value === 'number' ? Math.round(value * 10_000) / 10_000 : value;
}

let options;
try {
  options = readArguments(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exit(2);
}
listenForInterrupts();

const log = (line) => console.error(line);
try {
  const noPeers = options.name === 'engine' ? installPeers(log) : null;
  const result = await BENCHES[options.name]({ ...options, log, noPeers });
  const { printTable } = await import('./report.mjs');
  printTable(result);
  if (options.json) console.log(JSON.stringify(result, rounded));
} catch (error) {
  console.error(error);
  process.exitCode ||= 1;
}
