/** `npm run bench`. Progress goes to standard error, the table to standard output. See docs/benchmarks.md. */
import { installPeers } from './install.mjs';
import { listenForInterrupts } from './interrupt.mjs';

const BENCHES = {
  engine: async (options) => (await import('./engine.mjs')).benchEngine(options),
  enrol: async (options) => (await import('./enrol.mjs')).benchEnrol(options),
  inbound: async (options) => (await import('./inbound.mjs')).benchInbound(options),
  import: async (options) => (await import('./import.mjs')).benchImport(options),
  schedule: async (options) => (await import('./schedule.mjs')).benchSchedule(options),
};
const HELP = `npm run bench -- ${Object.keys(BENCHES).join('|')} [--quick] [--json] [--rows NAME,NAME]

  --quick           within two minutes, its ratios rough
  --rows NAME,NAME  of engine: these alone (L, ours, graphile, pgboss, bullmq, same_step)
  --json            all figures as one JSON object, on the last line of output

How to read them: docs/benchmarks.md`;

function readArguments(args) {
  const options = { name: 'engine', quick: false, json: false, rows: null, help: false };
  for (let n = 0; n < args.length; n++) {
    const [word, glued] = args[n].split('=', 2);
    if (word === '--help') options.help = true;
    else if (word === '--quick') options.quick = true;
    else if (word === '--json') options.json = true;
    else if (word === '--rows') options.rows = (glued ?? args[++n] ?? '').split(',').filter(Boolean);
    else if (word in BENCHES) options.name = word;
    else throw new Error(`${args[n]} is not understood\n\n${HELP}`);
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
if (options.help) {
  console.log(HELP);
  process.exit(0);
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
