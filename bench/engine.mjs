/**
 * `bench engine`: how many whole steps a second the engine makes, against the raw limit L and the peers, all on one
 * cluster in one run. In come the options; out goes the result object that `report.mjs` prints.
 *
 * Rounds go over all rows, so that a slow minute of the disk falls on every row and not on one. Each row is measured between two L.
 */
import { startCluster } from './cluster.mjs';
import { makeDatabase, probeCommits, settleDown } from './database.mjs';
import { peerNode } from './install.mjs';
import { isInterrupted } from './interrupt.mjs';
import { chooseRows, LIMIT, MEASURED_RATIOS, PLAN, ROWS } from './plan.mjs';
import { redisVersion, startRedis } from './redis.mjs';
import { rowProcess } from './row.mjs';
import { figure, measurePair, ratioByRound } from './stats.mjs';

/**
 * @param {{ quick: boolean, rows: string[] | null, log: (line: string) => void, noPeers: string | null }} options
 *   `noPeers`: why the peers' rows cannot run
 */
export async function benchEngine({ quick, rows, log, noPeers }) {
  const size = quick ? 'quick' : 'full';
  const run = {
    size,
    log,
    noPeers,
    plan: PLAN[size],
    deadline: performance.now() + PLAN[size].budget_ms,
    chosen: chooseRows(rows),
    why: /** @type {Record<string, string>} */ ({}),
    pairs: /** @type {Record<string, any[]>} */ ({}),
    limits: /** @type {number[]} */ ([]),
    commits: /** @type {number[]} */ ([]),
    open: /** @type {(() => Promise<void>)[]} */ ([]),
  };
  for (const row of ROWS) if (!run.chosen.includes(row)) run.why[row.name] = 'not asked for';
  try {
    return await measureAll(run);
  } finally {
    for (const close of run.open.reverse())
      await close().catch((error) => log(`while closing: ${error.message}`));
  }
}

async function measureAll(run) {
  const cluster = await startCluster(run.log);
  run.open.push(cluster.stop);
  const limit = await prepareLimit(run, cluster.url);
  const ready = await prepareRows(run, cluster.url);
  const rounds = await measureRounds(run, ready, limit);
  const extra = await measureExtra(run, ready);
  return result(run, cluster, rounds, extra);
}

/** L's template is filled once; every round works on a fresh copy of it. */
async function prepareLimit(run, url) {
  const template = 'bench_limit_template';
  const process_ = rowProcess(LIMIT.module, process.execPath);
  run.open.push(process_.close);
  const started = performance.now();
  const due = LIMIT.due[run.size];
  const templateUrl = await makeDatabase(url, template);
  await process_.prepare({ url: templateUrl, touches: due });
  await settleDown(templateUrl);
  const probeUrl = await makeDatabase(url, 'bench_probe');
  run.log(`L: ${due} due rows in ${seconds(started)} s`);
  let copyUrl = null;
  return {
    async renew() {
      copyUrl = await makeDatabase(url, 'bench_limit', template);
      await process_.load({ url: copyUrl });
    },
    async measure() {
      await settleDown(copyUrl);
      const { rate } = await process_.run({ touches: LIMIT.touches[run.size] });
      run.limits.push(rate);
      return rate;
    },
    probe: () => probeCommits(probeUrl),
  };
}

async function prepareRows(run, url) {
  const node = peerNode();
  const ready = [];
  for (const row of run.chosen) {
    const skip = (why) => {
      run.why[row.name] = why;
      run.log(`${row.name}: skipped, ${why}`);
    };
    if (row.peer && run.noPeers !== null) {
      skip(run.noPeers);
      continue;
    }
    if (row.peer && node === null) {
      skip('needs Node 22.18 or later, and there is none for this platform');
      continue;
    }
    const needed = row.redis ? await redisFor(run) : {};
    if (needed.unavailable) {
      skip(needed.unavailable);
      continue;
    }
    const child = rowProcess(row.module, row.peer ? node.path : process.execPath);
    run.open.push(child.close);
    const own = row.redis ? null : await makeDatabase(url, `bench_${row.name}`);
    const options = { url: own, touches: row.touches[run.size], quick: run.size === 'quick', ...needed };
    try {
      const answer = await child.prepare(options);
      if (answer?.unavailable) skip(answer.unavailable);
      else ready.push({ row, child, url: own });
    } catch (error) {
      skip(`failed to prepare: ${firstLine(error)}`);
    }
  }
  return ready;
}

async function redisFor(run) {
  if (redisVersion() === null) return { unavailable: 'redis-server is not installed' };
  try {
    const redis = await startRedis();
    run.open.push(redis.stop);
    return { redis: redis.url };
  } catch (error) {
    return { unavailable: `redis-server did not start: ${firstLine(error)}` };
  }
}

/** As many rounds as planned; fewer when the time would not allow another one. At least one. */
async function measureRounds(run, ready, limit) {
  const wantsMeasure = ready.some(isOurs);
  const end = run.deadline - (wantsMeasure ? run.plan.measure_ms : 0);
  let longest = 0;
  for (let round = 0; round < run.plan.rounds; round++) {
    const started = performance.now();
    if (round > 0 && started + longest > end) {
      run.log(`no time for round ${round + 1} of ${run.plan.rounds}`);
      return round;
    }
    await measureRound(run, ready, limit, { round, end });
    longest = Math.max(longest, performance.now() - started);
  }
  return run.plan.rounds;
}

async function measureRound(run, ready, limit, { round, end }) {
  await limit.renew();
  let before = await limit.measure();
  for (const [place, one] of ready.entries()) {
    const { name } = one.row;
    if (run.why[name] !== undefined) continue;
    const now = performance.now();
    if (now > end) {
      if (round === 0) run.why[name] = 'the time was over';
      continue;
    }
    // Repeats may use this row's share of what is left for all rounds, so that the last rows are not starved.
    const rowsLeft = ready.length * (run.plan.rounds - round) - place;
    const share = now + (end - now) / rowsLeft;
    try {
      before = await measureRow(run, one, limit, { round, before, share });
    } catch (error) {
      if (isInterrupted()) throw error;
      before = undefined;
      run.why[name] = `failed in round ${round + 1}: ${firstLine(error)}`;
      run.log(`${name}: ${error.stack ?? error}`);
    }
  }
}

/** Answers the newest L, which is the next row's first one. */
async function measureRow(run, { row, child, url }, limit, { round, before, share }) {
  const touches = row.touches[run.size];
  let commits = 0;
  const { last, ...pair } = await measurePair({
    before,
    limit: limit.measure,
    row: async () => {
      await child.load({ touches });
      if (url !== null) await settleDown(url);
      commits = await limit.probe();
      run.commits.push(commits);
      return (await child.run({ touches })).rate;
    },
    mayRepeat: (tries) => tries <= run.plan.repeats && performance.now() < share,
  });
  run.pairs[row.name] ??= [];
  run.pairs[row.name][round] = { round, commits: whole(commits), ...pair };
  const unsteady = pair.steady ? '' : ', L unsteady';
  run.log(
    `round ${round + 1} ${row.name}: ${whole(pair.rate)} ${row.unit}, ${pair.of_limit.toFixed(3)} of L ` +
      `(${whole(pair.before)} / ${whole(pair.after)}; tries ${pair.tries}${unsteady}), ${whole(commits)} commits/s`,
  );
  return last;
}

/** What rows measure besides their rate. Ours comes last: it takes what is left of the time. */
async function measureExtra(run, ready) {
  const extra = { figures: {}, ratios: {}, notes: [] };
  const there = ready.filter(({ row }) => run.why[row.name] === undefined);
  for (const one of [...there.filter((one) => !isOurs(one)), ...there.filter(isOurs)]) {
    const found = await measureOne(run, one);
    for (const [part, { ratios, why }] of Object.entries(found.missing ?? {})) {
      for (const name of [part, ...ratios]) run.why[name] = why;
    }
    Object.assign(extra.figures, found.figures);
    Object.assign(extra.ratios, found.ratios);
    extra.notes.push(...(found.notes ?? []));
  }
  return extra;
}

const isOurs = ({ row }) => row.name === 'ours';

async function measureOne(run, { row, child, url }) {
  const budget_ms = Math.floor(run.deadline - performance.now());
  if (budget_ms <= 0) return {};
  try {
    return (await child.measure({ url, quick: run.size === 'quick', budget_ms })) ?? {};
  } catch (error) {
    run.log(`${row.name}, further figures: ${error.stack ?? error}`);
    run.why[`${row.name}, further figures`] = firstLine(error);
    return {};
  }
}

function result(run, cluster, rounds, extra) {
  const rates = (name) => (run.pairs[name] ?? []).map((pair) => pair?.rate);
  const figures = {};
  if (run.limits.length > 0) figures.L = figure(run.limits, LIMIT.unit);
  for (const row of ROWS) {
    const pairs = (run.pairs[row.name] ?? []).filter(Boolean);
    if (pairs.length === 0) continue;
    figures[row.name] = {
      ...figure(
        pairs.map((pair) => pair.rate),
        row.unit,
      ),
      pairs: pairs.length,
      unsteady: pairs.filter((pair) => !pair.steady).length,
      of_limit: figure(
        pairs.map((pair) => pair.of_limit),
        'ratio',
      ).median,
      commits: figure(
        pairs.map((pair) => pair.commits),
        'commits/s',
      ).median,
      bound: row.bound,
    };
  }
  if (run.commits.length > 0) figures.commits = figure(run.commits, 'commits/s');
  for (const [name, { values, unit }] of Object.entries(extra.figures)) figures[name] = figure(values, unit);

  const ratios = { limit: figures.ours?.of_limit ?? null };
  for (const row of ROWS) {
    if (row.ratio !== undefined) ratios[row.ratio] = ratioByRound(rates('ours'), rates(row.name));
  }
  for (const name of MEASURED_RATIOS) ratios[name] = extra.ratios[name] ?? null;
  for (const [name, value] of Object.entries(ratios)) {
    if (value === null) run.why[name] ??= run.why.ours ? `row ours: ${run.why.ours}` : 'not measured';
  }
  return {
    bench: 'engine',
    quick: run.size === 'quick',
    rounds,
    rounds_planned: run.plan.rounds,
    figures,
    ratios,
    skipped: Object.keys(run.why),
    why_skipped: run.why,
    pairs: run.pairs,
    notes: [
      'bullmq_aof: Redis writes its append-only file out once a second (appendfsync everysec); a crash may lose that second',
      'same_step_graphile: one transaction a step, the provider called inside it',
      ...extra.notes,
    ],
    machine: {
      node: process.versions.node,
      peers_node: peerNode()?.version ?? null,
      redis: redisVersion(),
      ...cluster.settings,
    },
  };
}

const whole = (value) => Math.round(value);
const seconds = (since) => ((performance.now() - since) / 1000).toFixed(1);
const firstLine = (error) => String(error?.message ?? error).split('\n')[0];
