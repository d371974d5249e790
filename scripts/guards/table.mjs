/**
 * The guards of the engine, and how to take each away. In: nothing. Out: `GUARDS`, a row a guard: what it is, the
 * file, the edits that remove it (each text stands there exactly once; a third member names another file), the tests
 * that must go red, by file and title.
 */
const GATE = 'test/scenarios/guards/gate.test.ts';
const SETTLE = 'test/scenarios/guards/settle.test.ts';
const ENROLLING = 'test/scenarios/enrolling.test.ts';
const PLAN = 'test/scenarios/guards/plan.test.ts';
const LIMITS = 'test/scenarios/guards/limits.test.ts';
const HOLD = 'test/scenarios/guards/hold.test.ts';
const VERSION = 'test/scenarios/guards/version-move.test.ts';
const SKIP = 'test/scenarios/skip-channel.test.ts';
const DISPATCH = 'test/scenarios/guards/dispatch.test.ts';
const RESEND = 'test/scenarios/resend.test.ts';
const PACING = 'test/scenarios/pacing.test.ts';
const BREAKER = 'test/scenarios/breaker.test.ts';
const CAPS = 'test/scenarios/caps.test.ts';
const RAMP = 'test/scenarios/ramp.test.ts';
const WAITS = 'test/scenarios/waits.test.ts';
const QUIET = 'test/scenarios/quiet-hours.test.ts';
const VARIANTS = 'test/scenarios/variants.test.ts';
const WINNER = 'test/scenarios/winner.test.ts';

const SOURCE_LOCK = `  PERFORM pg_advisory_xact_lock_shared(2, k.key)
    FROM (SELECT DISTINCT lock_bucket(p_org, s) AS key FROM unnest(p_sequences) s ORDER BY 1) k;
`;
const SENDER_LOCK = `  PERFORM pg_advisory_xact_lock_shared(3, k.key)
    FROM (SELECT DISTINCT lock_bucket(p_org, s) AS key FROM unnest(p_senders) s ORDER BY 1) k;
`;
const TOUCH_LOCK =
  '  PERFORM FROM touches t WHERE t.org_id = p_org AND t.id = ANY (p_touches) ORDER BY t.id FOR UPDATE;\n';

export const GUARDS = [
  {
    guard: 'gate: touches are read in a later statement than their lock',
    file: 'src/ledger/gate.sql',
    edits: [
      [TOUCH_LOCK, ''],
      [
        'WHERE x.org_id = p_org AND x.id = i.id OFFSET 0) t\n',
        'WHERE x.org_id = p_org AND x.id = i.id OFFSET 0 FOR UPDATE) t\n',
      ],
    ],
    tests: [GATE, 'sees a pause committed while it waited for the touch'],
  },
  {
    guard: 'gate: switches are read in a later statement than their lock',
    file: 'src/ledger/gate.sql',
    edits: [
      [SOURCE_LOCK, ''],
      [
        '  WITH org AS MATERIALIZED (\n    SELECT o.status,',
        `  WITH locked AS MATERIALIZED (
    SELECT count(pg_advisory_xact_lock_shared(2, lock_bucket(p_org, s))) AS n FROM unnest(p_sequences) s
  ), org AS MATERIALIZED (\n    SELECT CASE WHEN (SELECT n FROM locked) >= 0 THEN o.status END AS status,`,
      ],
    ],
    tests: [GATE, 'sees a switch of the sequence committed while it waited for the lock'],
  },
  {
    guard: 'gate: touch rows are locked',
    file: 'src/ledger/gate.sql',
    edits: [[TOUCH_LOCK, '']],
    tests: [GATE, 'leaves a touch alone that an unsubscribe in progress has cancelled'],
  },
  {
    guard: 'gate: a touch must still be planned',
    file: 'src/ledger/gate.sql',
    edits: [
      [
        "        WHEN t.state IS DISTINCT FROM (CASE WHEN p_resend THEN 'unknown' ELSE 'planned' END) THEN 'gone'\n",
        '',
      ],
    ],
    tests: [GATE, 'lets a touch go to one of two workers'],
  },
  {
    guard: 'gate: advisory lock of the organization',
    file: 'src/ledger/gate.sql',
    edits: [['  PERFORM pg_advisory_xact_lock_shared(1, lock_key(p_org));\n', '']],
    tests: [GATE, 'a switch of the organization', 'a switch of the channel'],
  },
  {
    guard: 'gate: advisory lock of the source',
    file: 'src/ledger/gate.sql',
    edits: [[SOURCE_LOCK, '']],
    tests: [GATE, 'a switch of the sequence$'],
  },
  {
    guard: 'gate: advisory lock of the sender',
    file: 'src/ledger/gate.sql',
    edits: [[SENDER_LOCK, '']],
    tests: [GATE, 'a switch of the sender'],
  },
  {
    guard: 'stop: exclusive lock of the organization',
    file: 'src/ledger/locks.sql',
    edits: [
      [
        'IF p_class = 1 THEN PERFORM pg_advisory_xact_lock(1, lock_key(p_org));',
        'IF p_class = 1 THEN PERFORM lock_key(p_org);',
      ],
    ],
    tests: [GATE, 'a switch of the organization', 'a switch of the channel'],
  },
  {
    guard: 'stop: exclusive lock of source and sender',
    file: 'src/ledger/locks.sql',
    edits: [
      [
        'ELSE PERFORM pg_advisory_xact_lock(p_class, lock_bucket(p_org, p_id));',
        'ELSE PERFORM lock_bucket(p_org, p_id);',
      ],
    ],
    tests: [GATE, 'a switch of the sequence$', 'a switch of the sender'],
  },
  {
    guard: 'stop: waits for the row locks (not SKIP LOCKED)',
    file: 'src/plan/stop.sql',
    edits: [
      [
        't.source_id = p_id AND t.live ORDER BY t.id FOR UPDATE;\n',
        't.source_id = p_id AND t.live ORDER BY t.id FOR UPDATE SKIP LOCKED;\n',
      ],
      [
        'WHERE t.org_id = p_org AND t.live ORDER BY t.id FOR UPDATE OF t;',
        'WHERE t.org_id = p_org AND t.live ORDER BY t.id FOR UPDATE OF t SKIP LOCKED;',
      ],
      [
        "t.contact_id = s.contact AND t.live AND t.state = 'planned'\n",
        `t.contact_id = s.contact AND t.live AND t.state = 'planned'
       AND t.id = ANY (ARRAY(SELECT x.id FROM touches x WHERE x.org_id = p_org AND x.source_id = ANY (p_sources) FOR UPDATE SKIP LOCKED))\n`,
      ],
    ],
    tests: [GATE, 'a pause of the enrollment'],
  },
  {
    guard: 'stop: what is in flight is listed in a later statement than the cancel',
    file: 'src/plan/stop.sql',
    edits: [
      [
        `  SELECT coalesce(array_agg(t.id), '{}') INTO v_flying FROM touches t
   WHERE t.org_id = p_org AND t.contact_id = v_contact AND t.source_id = p_id AND t.live AND t.state IN ('sending', 'unknown');
`,
        '',
      ],
      [
        '  -- Also when another stop has come between: its cancel may still be due, and a gate from before both in progress.\n',
        `  SELECT coalesce(array_agg(t.id), '{}') INTO v_flying FROM touches t
   WHERE t.org_id = p_org AND t.contact_id = v_contact AND t.source_id = p_id AND t.live AND t.state IN ('sending', 'unknown');
`,
      ],
    ],
    tests: [GATE, 'a pause of the enrollment'],
  },
  {
    guard: 'stop: the receipt of an enrollment lists what is in flight',
    file: 'src/plan/stop.sql',
    edits: [
      [
        "t.source_id = p_id AND t.live AND t.state IN ('sending', 'unknown');",
        "t.source_id = p_id AND t.live AND t.state = 'never';",
      ],
    ],
    tests: [GATE, 'a pause of the enrollment'],
  },
  {
    guard: 'stop: the receipt of a Hold lists what is in flight',
    file: 'src/plan/stop.sql',
    edits: [
      ["t.token = g.token AND t.state IN ('sending', 'unknown')", "t.token = g.token AND t.state = 'never'"],
    ],
    tests: [GATE, 'a switch of'],
  },
  {
    guard: 'stop: the receipt of an unsubscribe lists what is in flight',
    file: 'src/plan/stop.sql',
    edits: [
      [
        "consent_channel(t.channel) = p_channel AND t.state IN ('sending', 'unknown');",
        "consent_channel(t.channel) = p_channel AND t.state = 'never';",
      ],
    ],
    tests: [GATE, 'an unsubscribe, also'],
  },
  {
    guard: 'stop: an overtaken one waits for the gates in progress',
    file: 'src/plan/stop.sql',
    edits: [
      [
        '  PERFORM FROM touches t WHERE t.org_id = p_org AND t.contact_id = v_contact AND t.source_id = p_id AND t.live ORDER BY t.id FOR UPDATE;\n',
        '',
      ],
    ],
    tests: [GATE, 'a pause that another stop has overtaken'],
  },
  {
    guard: 'stop: an unsubscribe waits for the gates of ended enrollments',
    file: 'src/plan/stop.sql',
    edits: [
      [
        '  PERFORM FROM touches t WHERE t.org_id = p_org AND t.contact_id = p_contact AND t.live AND consent_channel(t.channel) = p_channel ORDER BY t.id FOR UPDATE;\n',
        '',
      ],
    ],
    tests: [GATE, 'an unsubscribe, also'],
  },
  {
    guard: 'stop: a cancel of an older epoch cancels nothing',
    file: 'src/plan/stop.sql',
    edits: [['  IF v_epoch = p_epoch THEN\n', '  IF true THEN\n']],
    tests: [PLAN, 'a pause that froze after its flag cancels nothing of a later resume'],
  },
  {
    guard: 'stop: touches are cancelled in one order',
    file: 'src/plan/stop.sql',
    edits: [
      [
        'WHERE t.org_id = p_org AND t.live ORDER BY t.id FOR UPDATE OF t;',
        'WHERE t.org_id = p_org AND t.live FOR UPDATE OF t;',
      ],
    ],
    tests: [LIMITS, 'an unsubscribe and a gate over the same touches'],
  },
  {
    guard: 'gate: touches are locked in one order',
    file: 'src/ledger/gate.sql',
    // Without any order they come in that of the index; what is guarded against is the caller's.
    edits: [[TOUCH_LOCK, TOUCH_LOCK.replace('ORDER BY t.id', 'ORDER BY array_position(p_touches, t.id)')]],
    tests: [LIMITS, 'a gate and an unsubscribe over the same touches'],
  },
  {
    guard: 'settle: enrollments are locked in one order',
    file: 'src/ledger/settle.sql',
    edits: [
      [
        'e.id = ANY (p_sources) ORDER BY e.id FOR UPDATE;',
        'e.id = ANY (p_sources) ORDER BY array_position(p_sources, e.id) FOR UPDATE;',
      ],
    ],
    tests: [LIMITS, 'two settles of the same enrollments'],
  },
  {
    guard: 'settle: the sender comes before its touches',
    file: 'src/ledger/settle.sql',
    edits: [
      [
        "v_give_back boolean := p_outcomes && ARRAY['failed', 'retry', 'not_started', 'retry_new_key'];",
        'v_give_back boolean := false;',
      ],
    ],
    tests: [LIMITS, 'a refusal being settled and a gate of the same sender'],
  },
  {
    guard: "quota: the sender's row is locked",
    file: 'src/ledger/gate.sql',
    edits: [['    ORDER BY u.sender_id, u.period FOR UPDATE;\n', '    ORDER BY u.sender_id, u.period;\n']],
    tests: [LIMITS, 'of two gates one takes the last place of a sender'],
  },
  {
    guard: "cap: the contact's row is locked",
    file: 'src/ledger/gate.sql',
    edits: [['      ORDER BY u.contact_id FOR UPDATE;\n', '      ORDER BY u.contact_id;\n']],
    tests: [LIMITS, 'of two gates one takes the last place of a capped contact'],
  },
  {
    guard: 'cap: a week holds over midnight',
    file: 'src/ledger/gate.sql',
    edits: [['THEN ARRAY[p_contact_day - 1, p_contact_day] ELSE', 'THEN ARRAY[p_contact_day] ELSE']],
    tests: [CAPS, 'on either side of midnight'],
  },
  {
    guard: 'quota: a batch is ranked within its sender',
    file: 'src/ledger/gate.sql',
    edits: [
      [
        "WHEN r.rank > r.day_left AND NOT p_resend THEN 'quota_day'",
        "WHEN r.day_left < 1 AND NOT p_resend THEN 'quota_day'",
      ],
    ],
    tests: [LIMITS, 'in one batch only as many go as there are places'],
  },
  {
    guard: 'quota: the day must be that of the gate',
    file: 'src/ledger/gate.sql',
    edits: [[' OR NOT sd.in_period OR sd.hour_missing THEN', ' OR sd.hour_missing THEN']],
    tests: [LIMITS, 'a batch composed yesterday takes nothing of today'],
  },
  {
    guard: 'cap: the day must be that of the gate',
    file: 'src/ledger/gate.sql',
    edits: [["        WHEN v_now < p_contact_from OR v_now >= p_contact_until THEN 'stale'\n", '']],
    tests: [LIMITS, 'a batch composed yesterday takes no place of a contact either'],
  },
  {
    guard: 'breaker: asked when messages have failed',
    file: 'src/dispatch/trip.ts',
    edits: [["outcome === 'failed' ? senderOf(touch_id) : null", 'null']],
    tests: [BREAKER, 'is paused when too many bounce'],
  },
  {
    guard: 'breaker: what it tripped over counts no more once it is resumed',
    file: 'src/plan/stop.sql',
    edits: [['    PERFORM sender_record_anew(p_org, p_id::uuid, v_now);\n', '    NULL;\n']],
    tests: [BREAKER, 'starts anew when a person resumes it', 'neither thins nor fills'],
  },
  {
    guard: 'breaker: a bounce of what went before the resume is no part of the new record',
    file: 'src/plan/sequences/reactions/breaker.ts',
    edits: [['  if (day?.is_before) return false;\n', '']],
    tests: [BREAKER, 'neither thins nor fills'],
  },
  {
    guard: 'opt-out: a complaint ends what skips steps',
    file: 'src/plan/stop.sql',
    edits: [[" AND p_source <> 'complaint' AS skips", ' AS skips']],
    tests: [SKIP, 'told by a provider, ends it all the same'],
  },
  {
    guard: 'cap: that of a channel',
    file: 'src/ledger/gate.sql',
    edits: [["        WHEN d.channel_left < d.nth_of_channel THEN 'channel_cap'\n", '']],
    tests: [CAPS, 'of a channel holds', 'of two gates'],
  },
  {
    guard: 'cap: that of a channel gets its place back',
    file: 'src/ledger/settle.sql',
    edits: [["AND g.rules -> 'capped_channels' ? n.channel", 'AND false']],
    tests: [CAPS, 'gets its place back'],
  },
  {
    guard: 'cap: only what the gate counted is given back',
    file: 'src/ledger/settle.sql',
    edits: [["AND g.rules -> 'capped_channels' ? n.channel", '']],
    tests: [CAPS, 'a cap set while'],
  },
  {
    guard: 'ramp: the gate keeps it',
    file: 'src/ledger/gate.sql',
    edits: [['least(s.daily_limit, r.ramp_limit) - (SELECT', 's.daily_limit - (SELECT']],
    tests: [RAMP, 'may send more each day'],
  },
  {
    guard: "gap: the sender's row is locked",
    file: 'src/ledger/gate.sql',
    edits: [[" OR u.period = 'gap' AND u.sender_id = ANY (p_gapped))\n", ')\n']],
    tests: [PACING, 'holds over midnight'],
  },
  {
    guard: 'gap: of a batch one goes',
    file: 'src/ledger/gate.sql',
    edits: [['WHEN r.gapped AND (r.waits OR r.rank > 1) THEN', 'WHEN r.gapped AND r.waits THEN']],
    tests: [PACING, 'lets one of a batch go'],
  },
  {
    guard: 'gap: the gate goes by the last send, whoever planned what',
    file: 'src/ledger/gate.sql',
    edits: [['WHEN r.gapped AND (r.waits OR r.rank > 1) THEN', 'WHEN r.gapped AND r.rank > 1 THEN']],
    tests: [PACING, 'holds from one tick to the next'],
  },
  {
    guard: 'gap: it counts from the last moment at which the call may begin',
    file: 'src/ledger/gate.sql',
    edits: [["gap_from = v_now + p_budget_ms * interval '1 millisecond'", 'gap_from = v_now']],
    tests: [PACING, 'holds from one tick to the next'],
  },
  {
    guard: 'gap: the same bytes once more are a send',
    file: 'src/ledger/gate.sql',
    edits: [
      [
        'WHEN r.gapped AND (r.waits OR r.rank > 1) THEN',
        'WHEN NOT p_resend AND r.gapped AND (r.waits OR r.rank > 1) THEN',
      ],
    ],
    tests: [PACING, 'counts the same message once more'],
  },
  {
    guard: 'gap: the same bytes once more are tried when it is over',
    file: 'src/dispatch/next-try.ts',
    edits: [
      [
        '{ wake: await gapOver(engine, org, situation, touch, at) }',
        '{ wake: at + engine.limits.lookup_gap_ms }',
      ],
    ],
    tests: [RESEND, 'goes when its sender has kept its gap'],
  },
  {
    guard: 'time: the same bytes once more get the next opening written',
    file: 'src/dispatch/next-try.ts',
    edits: [['{ wake: open.not_before, until: open.not_after }', '{ wake: open.not_before }']],
    tests: [RESEND, 'goes when its window opens again'],
  },
  {
    guard: 'class K: what its key does not outlive is shown to a person',
    file: 'src/dispatch/resend.ts',
    edits: [['next: inTime ? next : null', 'next']],
    tests: [RESEND, 'is shown to a person at once'],
  },
  {
    guard: 'gap: a batch read before there was one is stale',
    file: 'src/ledger/gate.sql',
    edits: [[' OR g.gapped AND s.id <> ALL (p_gapped) AS hour_missing', ' AS hour_missing']],
    tests: [PACING, 'a batch that was read before'],
  },
  {
    guard: 'settle: the token of the gate',
    file: 'src/ledger/settle.sql',
    edits: [
      [
        "t.state IN ('sending', 'unknown') AND t.token = p_token END",
        "t.state IN ('sending', 'unknown') END",
      ],
    ],
    tests: [SETTLE, 'an outcome under an old token is not written'],
  },
  {
    guard: 'settle: only an active enrollment moves on',
    file: 'src/ledger/settle.sql',
    edits: [
      ["      e.status = 'active' AND e.live_touch = t.id AS moves,", '      e.live_touch = t.id AS moves,'],
    ],
    tests: [SETTLE, 'a success after a pause is recorded and moves nothing on'],
  },
  {
    guard: 'settle: only the live touch moves its enrollment on',
    file: 'src/ledger/settle.sql',
    edits: [
      ["      e.status = 'active' AND e.live_touch = t.id AS moves,", "      e.status = 'active' AS moves,"],
    ],
    tests: [SETTLE, 'the outcome of a touch that its enrollment no longer waits for'],
  },
  {
    guard: 'settle: a retry looks at its source',
    file: 'src/ledger/settle.sql',
    edits: [
      [
        "THEN CASE WHEN e.status = 'active' AND e.live_touch = t.id THEN 'planned' ELSE 'cancelled' END",
        "THEN 'planned'",
      ],
    ],
    tests: [SETTLE, 'a retry after a pause becomes cancelled'],
  },
  {
    guard: 'quota: given back with a refusal',
    file: 'src/ledger/settle.sql',
    edits: [
      [
        'UPDATE sender_usage u SET used = u.used - n.n, failed',
        'UPDATE sender_usage u SET used = u.used, failed',
      ],
    ],
    tests: [SETTLE, 'a retry after a pause becomes cancelled', 'gives the quota back'],
  },
  {
    guard: 'quota: given back to the day it was taken from',
    file: 'src/ledger/settle.sql',
    edits: [
      [
        "AND u.period IN (g.rules -> 'senders' -> n.sender_id::text ->> 'day', g.rules -> 'senders' -> n.sender_id::text ->> 'hour')\n  ), contact_back",
        'AND u.period = to_char(v_now, \'"d"YYYY-MM-DD\')\n  ), contact_back',
      ],
    ],
    tests: [SETTLE, 'a refusal gives the quota back to the day it was taken from'],
  },
  {
    guard: 'cap: given back with a refusal',
    file: 'src/ledger/settle.sql',
    edits: [
      [
        "SELECT d.contact_id, count(*)::int AS n FROM decided d WHERE v_give_back AND d.outcome IN ('failed', 'retry', 'not_started', 'retry_new_key')",
        "SELECT d.contact_id, count(*)::int AS n FROM decided d WHERE d.outcome = 'never'",
      ],
    ],
    tests: [SETTLE, 'a frequency cap gets its place back'],
  },
  {
    guard: 'plan key: the id of a touch is derived',
    file: 'src/kernel/ids.ts',
    edits: [["planKey}`, 'buffer'", "planKey}` + newId(), 'buffer'"]],
    tests: [SETTLE, 'what is planned twice is one touch'],
  },
  {
    guard: 'touches_live: one waiting touch an enrollment',
    file: 'src/db/migrations/0005_ledger.sql',
    edits: [['CREATE UNIQUE INDEX touches_live', 'CREATE INDEX touches_live']],
    tests: [PLAN, 'the database refuses a second waiting touch'],
  },
  {
    guard: 'enrollments_live: one live enrollment a contact',
    file: 'src/db/migrations/0004_sequences.sql',
    edits: [
      ['CREATE UNIQUE INDEX enrollments_live', 'CREATE INDEX enrollments_live'],
      ['    ON CONFLICT DO NOTHING\n', '', 'src/plan/sequences/enroll.sql'],
    ],
    tests: [PLAN, 'of two enrolments of one contact at once one is told who was first'],
  },
  {
    guard: 'enrollments_exclusive: one live enrollment a contact and group',
    file: 'src/db/migrations/0019_segments.sql',
    edits: [['CREATE UNIQUE INDEX enrollments_exclusive', 'CREATE INDEX enrollments_exclusive']],
    tests: [ENROLLING, 'however many enrol and restart at once'],
  },
  {
    guard: 'intake: held while the places of a day are given away',
    file: 'src/plan/sequences/enroll.ts',
    edits: [['    await holdIntake(tx, org, input.sequence_id);\n', '']],
    tests: [ENROLLING, 'holds under jobs and requests at once'],
  },
  {
    guard: 'move: what was seen is looked at again under the locks (enrollment)',
    file: 'src/plan/sequences/move.sql',
    edits: [
      [
        "  IF v_row.status IS DISTINCT FROM p_from OR v_row.live_touch <> p_touch THEN RETURN 'changed'; END IF;\n",
        '',
      ],
    ],
    tests: [PLAN, 'two resumes at once plan one touch'],
  },
  {
    guard: 'move: what was seen is looked at again under the locks (touch)',
    file: 'src/plan/sequences/move.sql',
    edits: [["  IF v_state IS DISTINCT FROM p_touch_state THEN RETURN 'changed'; END IF;\n", '']],
    tests: [PLAN, 'an advance looks again at a touch that went to the gate meanwhile'],
  },
  {
    guard: 'version: a move: what was seen is looked at again under the locks (enrollment)',
    file: 'src/plan/sequences/version-move.sql',
    edits: [
      [
        'WHERE e.status = i.status AND e.version_id = i.version AND e.live_touch = i.touch AND t.state = i.state\n',
        'WHERE t.state = i.state\n',
      ],
    ],
    tests: [VERSION, 'that a pause was before moves a paused enrollment'],
  },
  {
    guard: 'version: a move: what was seen is looked at again under the locks (touch)',
    file: 'src/plan/sequences/version-move.sql',
    edits: [
      [
        'e.version_id = i.version AND e.live_touch = i.touch AND t.state = i.state\n',
        'e.version_id = i.version AND e.live_touch = i.touch\n',
      ],
    ],
    tests: [VERSION, 'that a gate was before finds the message in flight'],
  },
  {
    guard: 'version: settle plans nothing under one that its enrollment has left',
    file: 'src/ledger/settle.sql',
    edits: [
      [
        'ELSE e.version_id <> p_version OR consent_channel(i.next_channel) = ANY (e.skip_channels) END) IS NOT TRUE\n',
        'ELSE false END) IS NOT TRUE OR true\n',
      ],
    ],
    tests: [VERSION, 'is planned anew by an outcome that did not know of it'],
  },
  {
    guard: 'skip: an unsubscribe ends no enrollment whose sequence skips steps',
    file: 'src/plan/stop.sql',
    edits: [
      [
        "v.definition ->> 'on_unsubscribe' IS NOT DISTINCT FROM 'skip_steps' AND p_source <> 'complaint' AS skips",
        'false AS skips',
      ],
    ],
    tests: [SKIP, 'skips the steps of the channel and goes on'],
  },
  {
    guard: 'skip: what an unsubscribe planned is looked at again under the locks',
    file: 'src/plan/skip-channel.sql',
    edits: [[' AND t.state = s.state\n', '\n']],
    tests: [SKIP, 'a gate that was first sends'],
  },
  {
    guard: 'skip: settle plans no step of a channel that is passed over',
    file: 'src/ledger/settle.sql',
    edits: [[' OR e.skip_channels IS NOT NULL\n', '\n']],
    tests: [SKIP, 'leaves an enrollment alone that waits for another channel'],
  },
  {
    guard: 'skip: the gate passes over what an unsubscribe did not see',
    file: 'src/dispatch/deliver.ts',
    edits: [['passesOver(version, verdict.verdict)\n', 'passesOver(version, "gone")\n']],
    tests: [SKIP, 'who is enrolled beside it is passed over'],
  },
  {
    guard: 'version: a resume plans under the one its enrollment is at',
    file: 'src/plan/sequences/move.sql',
    edits: [["  IF v_row.version_id <> p_version THEN RETURN 'changed'; END IF;\n", '']],
    tests: [VERSION, 'comes between a resume that has decided and its writing'],
  },
  {
    guard: 'hold: a mark is made under the shared lock of the organization',
    file: 'src/ledger/settle.sql',
    edits: [['    PERFORM pg_advisory_xact_lock_shared(1, lock_key(p_org));\n', '']],
    tests: [HOLD, 'channel: a mark in progress is waited for'],
  },
  {
    guard: 'hold: a mark is made under the shared lock of the source',
    file: 'src/ledger/settle.sql',
    edits: [['PERFORM pg_advisory_xact_lock_shared(2, k.key) FROM (', 'PERFORM k.key FROM (']],
    tests: [HOLD, 'sequence: a mark in progress is waited for'],
  },
  {
    guard: 'hold: a mark is made under the shared lock of the sender',
    file: 'src/ledger/settle.sql',
    edits: [['PERFORM pg_advisory_xact_lock_shared(3, k.key) FROM (', 'PERFORM k.key FROM (']],
    tests: [HOLD, 'sender: a mark in progress is waited for'],
  },
  {
    guard: 'hold: nothing is marked once it runs again',
    file: 'src/ledger/settle.sql',
    edits: [["AND (i.outcome <> 'held' OR CASE i.reason", 'AND (true OR CASE i.reason']],
    tests: [HOLD, 'a worker that learnt of the pause late marks nothing'],
  },
  {
    guard: 'hold: an older release lifts no mark',
    file: 'src/plan/stop.sql',
    edits: [['  IF v_epoch IS DISTINCT FROM p_epoch THEN RETURN NULL; END IF;\n', '']],
    tests: [HOLD, 'the release of an earlier resume lifts no mark'],
  },
  {
    guard: 'budget: what did not begin in time is handed back',
    file: 'src/dispatch/send.ts',
    edits: [
      [
        "  if (performance.now() > deadline) return { kind: 'not_started', reason: BUDGET_PASSED };\n",
        '  void deadline;\n',
      ],
    ],
    tests: [DISPATCH, 'hands back what it could not begin within its budget'],
  },
  {
    guard: 'settle: what was not started used no try',
    file: 'src/ledger/settle.sql',
    edits: [
      [
        "CASE WHEN i.outcome = 'not_started' THEN t.attempt - 1 ELSE t.attempt END AS attempt",
        't.attempt AS attempt',
      ],
    ],
    tests: [DISPATCH, 'hands back what it could not begin within its budget'],
  },
  {
    guard: 'lane: only its holder keeps it',
    file: 'src/dispatch/lane.sql',
    edits: [
      [
        'suspect = p_suspect\n   WHERE l.org_id = p_org AND l.shard = p_shard AND l.token = p_token;',
        'suspect = p_suspect\n   WHERE l.org_id = p_org AND l.shard = p_shard;',
      ],
    ],
    tests: [DISPATCH, 'who lost its lane neither keeps it nor lets it go'],
  },
  {
    guard: 'lane: only its holder lets it go',
    file: 'src/dispatch/lane.sql',
    edits: [
      [
        "interval '1 millisecond' END\n   WHERE l.org_id = p_org AND l.shard = p_shard AND l.token = p_token;",
        "interval '1 millisecond' END\n   WHERE l.org_id = p_org AND l.shard = p_shard;",
      ],
    ],
    tests: [DISPATCH, 'who lost its lane neither keeps it nor lets it go'],
  },
  {
    guard: 'class L: two clear looks',
    file: 'src/dispatch/reconcile.ts',
    edits: [['const LOOKS_NEEDED = 2;', 'const LOOKS_NEEDED = 1;']],
    tests: [DISPATCH, 'class L: only two clear looks far apart send again'],
  },
  {
    guard: 'class L: the looks are far apart',
    file: 'src/dispatch/reconcile.ts',
    edits: [
      [
        "wake: now + engine.limits.lookup_gap_ms, looks, review: false, reason: 'not_found_once'",
        "wake: now, looks, review: false, reason: 'not_found_once'",
      ],
    ],
    tests: [DISPATCH, 'class L: only two clear looks far apart send again'],
  },
  {
    guard: 'class K: only equal bytes go again',
    file: 'src/ledger/gate.sql',
    edits: [["        WHEN p_resend AND t.hash <> i.hash THEN 'bytes_differ'\n", '']],
    tests: [DISPATCH, 'class K: other bytes never go under a key that was used'],
  },
  {
    guard: 'time: a due touch is looked at by the rules as they are',
    file: 'src/dispatch/compose.ts',
    edits: [['  if (time !== null) return ', '  if (time !== null && engine.worker === null) return ']],
    tests: [
      QUIET,
      'the contact has moved to where it is night',
      'quiet hours, holidays or windows have changed',
    ],
  },
  {
    guard: 'time: an end that has come nearer is written before the gate reads it',
    file: 'src/dispatch/look-at-time.ts',
    edits: [["? { reason: 'rules_changed' } : null;", '? null : null;']],
    tests: [QUIET, 'known only since sends nothing'],
  },
  {
    guard: 'time: of several possible zones all must be awake',
    file: 'src/plan/sequences/time-rules.ts',
    edits: [
      [
        'calendar.quiet_hours, place), place.zones)',
        'calendar.quiet_hours, place), place.zones.slice(0, 1))',
      ],
    ],
    tests: [QUIET, 'nothing goes out at night, and everything goes out'],
  },
  {
    guard: 'variants: a message that went keeps its arm',
    file: 'src/dispatch/lanes.ts',
    edits: [['variant: row[38],', 'variant: null,']],
    tests: [VARIANTS, 'a retry keeps the arm it went with first', 'goes again as the same bytes'],
  },
  {
    guard: 'variants: of two who decide at once one does',
    file: 'src/plan/sequences/variants/decide.ts',
    edits: [['n: (decisions.get(step.id)?.[0]?.n ?? 0) + 1,', 'n: Date.now() % 1_000_000_000,']],
    tests: [WINNER, "a person's word that comes while the rule is counting stands"],
  },
  {
    guard: 'waits: one that was woken since it was looked at is not put back to its end',
    file: 'src/dispatch/look.ts',
    edits: [[' AND t.wake_at = l.wake_at AND', ' AND']],
    tests: [WAITS, 'does not sleep over what happens while it is looked at'],
  },
  {
    guard: 'waits: one that is due already is woken too',
    file: 'src/ledger/waits.sql',
    edits: [
      [
        'AND t.not_before <= v_now AND t.held_by',
        'AND t.not_before <= v_now AND t.wake_at > v_now AND t.held_by',
      ],
    ],
    tests: [WAITS, 'does not sleep over what happens while it is looked at'],
  },
  {
    guard: 'waits: what is decided while the enrollment is being paused is not written',
    file: 'src/ledger/settle.sql',
    edits: [
      [
        "       AND (i.outcome <> 'skipped' OR t.channel <> 'wait' OR e.status = 'active' AND e.live_touch = t.id)\n",
        '',
      ],
    ],
    tests: [WAITS, 'decided while its enrollment is being paused decides nothing'],
  },
  {
    guard: 'waits: where a branch led is kept when its next touch is planned again',
    file: 'src/dispatch/replan.ts',
    edits: [['decided ?? after(definition, row)', 'after(definition, row)']],
    tests: [WAITS, 'goes on with the next other one'],
  },
];
