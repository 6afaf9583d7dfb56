//! The statements, with the schema's name in them.
//!
//! Each is planned when it is used: a named, prepared statement would need a connection of its own, and a pool between the scheduler and
//! the server gives each transaction another one. For the same reason nothing is kept in the session; what one statement tells
//! the next of its transaction is in a setting that ends with it.

use std::sync::Arc;

use crate::rows::{LIVE_COLUMNS, RUN_COLUMNS};

/// A transaction that waits for nothing for long. A scheduler that stops in the middle of one must not keep its jobs from the others.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10s'; \
    SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// Whoever holds this lock is a member until it commits: who declares it dead needs the row for itself. A row that is behind what was
/// acknowledged here is of a server that has lost history. It also says whether there may be runs that wait, runs of dead schedulers, and
/// schedulers whose lease has ended.
const FENCE: &str = "SELECT now(), \
    EXISTS (SELECT FROM {s}.live WHERE started IS NULL) OR EXISTS (SELECT FROM {s}.due WHERE turn_limit IS NOT NULL), \
    EXISTS (SELECT FROM {s}.nodes n WHERE n.state = 'dead' AND EXISTS (SELECT FROM {s}.live l WHERE l.node = n.id)), \
    EXISTS (SELECT FROM {s}.nodes n WHERE n.state <> 'dead' AND n.id <> $1 AND n.lease_until < clock_timestamp()) \
    FROM {s}.nodes WHERE id = $1 AND state <> 'dead' AND beat >= $2 FOR KEY SHARE";

/// Declares those dead whose lease has ended, in a transaction of its own. One whose transaction is open is left alone.
const REAP: &str = "UPDATE {s}.nodes SET state = 'dead' WHERE id IN (SELECT id FROM {s}.nodes \
    WHERE state <> 'dead' AND id <> $1 AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED)";

const DUE_COLUMNS: &str =
    "c.key, c.version, c.next_fire, c.lane, c.group_name, c.turn_limit, c.turn_priority, c.turn_fire";

/// Locks jobs that are named, and of those whose runs have ended the ones that this changes. It waits for them, in the order of their
/// keys, before anything else is locked: so nobody waits in a circle.
const LOCK_NAMED: &str = "WITH c AS MATERIALIZED (SELECT d.* FROM {s}.due d \
    WHERE d.key = ANY (ARRAY(SELECT key FROM {s}.jobs WHERE id = ANY ($1)) || $2) \
    AND (d.key <> ALL ($2) OR d.gate OR (d.removes AND d.next_fire IS NULL)) ORDER BY d.key FOR NO KEY UPDATE) \
    SELECT {due}, set_config('matins.named', (SELECT array_agg(key)::text FROM c), true) FROM c";

/// Locks what is due, lane after lane, each time from another one, and passes over what others have locked. It begins where the last
/// full claim of the lane began: before that are only dead entries of the index, as long as an old snapshot keeps them.
const CLAIM_DUE: &str = "WITH c AS MATERIALIZED (SELECT d.* FROM \
    (SELECT l.id, coalesce(u.low, '-infinity') AS low FROM {s}.lanes l \
     LEFT JOIN unnest($4::int[], $5::timestamptz[]) u(id, low) ON u.id = l.id \
     WHERE l.task = ANY ($1) AND l.executor = ANY ($2) ORDER BY (l.id + $3) % 1009) s, \
    LATERAL (SELECT * FROM {s}.due d WHERE d.lane = s.id AND d.next_fire BETWEEN s.low AND now() AND d.key <> ALL ($6) \
     ORDER BY d.next_fire, d.key LIMIT $7 FOR NO KEY UPDATE SKIP LOCKED) d LIMIT $7) \
    SELECT {due}, set_config('matins.keys', (SELECT array_agg(key)::text FROM c), true) FROM c";

/// Jobs that wait for a group which has room: `$3` and `$4` say how much more or less is in progress than rows show.
const ROOM: &str = "SELECT w.key FROM (SELECT d.key, d.group_name, d.turn_limit, row_number() OVER \
    (PARTITION BY d.group_name ORDER BY d.turn_priority DESC, d.turn_fire, d.key) AS place FROM {s}.due d \
    WHERE d.turn_limit IS NOT NULL AND d.lane IN (SELECT id FROM lane)) w \
    LEFT JOIN (SELECT group_name, count(*) AS running FROM {s}.live WHERE group_name IS NOT NULL GROUP BY group_name) g USING (group_name) \
    LEFT JOIN unnest($3::text[], $4::bigint[]) u(group_name, more) USING (group_name) \
    WHERE w.place <= w.turn_limit - coalesce(g.running, 0) - coalesce(u.more, 0)";

/// Jobs with a run that waits for other runs to end, once these have ended.
const VACANT: &str = "SELECT w.job_key FROM {s}.live w JOIN {s}.due d ON d.key = w.job_key \
    WHERE w.started IS NULL AND w.turn IS NULL AND d.turn_limit IS NULL AND NOT d.paused AND w.lane IN (SELECT id FROM lane) \
    AND NOT EXISTS (SELECT FROM {s}.live r WHERE r.id = ANY (d.open)) \
    AND NOT EXISTS (SELECT FROM {s}.live r WHERE r.job_key = w.job_key AND r.started IS NULL AND r.turn IS NOT NULL)";

const LANE: &str =
    "lane AS MATERIALIZED (SELECT id FROM {s}.lanes WHERE task = ANY ($1) AND executor = ANY ($2))";

/// Locks jobs with runs that may start, and jobs of runs whose scheduler is dead.
const CLAIM_WORK: &str = "WITH {lane}, c AS MATERIALIZED (SELECT d.* FROM {s}.due d WHERE d.key = ANY (ARRAY( \
    SELECT key FROM (SELECT job_key AS key FROM {s}.live WHERE started IS NULL AND turn <= now() AND lane IN (SELECT id FROM lane) \
     ORDER BY turn LIMIT 1000) t WHERE $5 \
    UNION SELECT job_key FROM ({vacant} LIMIT 1000) v WHERE $5 \
    UNION SELECT key FROM ({room} LIMIT 1000) r WHERE $5 \
    UNION SELECT job_key FROM (SELECT l.job_key FROM {s}.live l JOIN {s}.nodes n ON n.id = l.node WHERE n.state = 'dead' LIMIT 1000) a \
     WHERE $6)) \
    AND d.key <> ALL ($7) ORDER BY d.key FOR NO KEY UPDATE SKIP LOCKED) \
    SELECT {due}, set_config('matins.keys', (SELECT array_agg(key)::text FROM c), true), set_config('matins.named', '', true) FROM c";

/// The jobs that were locked since the last look at their runs.
const KEYS: &str = "(coalesce(nullif(current_setting('matins.keys', true), '')::bigint[], '{}') \
    || coalesce(nullif(current_setting('matins.named', true), '')::bigint[], '{}'))";

/// Their runs. In a statement after the one that locked them: in the same one, a job that another scheduler has moved on meanwhile would
/// come with its new row, and with the runs as they were before.
const RUNS_OF_LOCKED: &str = "SELECT {live} FROM {s}.live l WHERE l.id = ANY (ARRAY(SELECT unnest(open) FROM {s}.due WHERE key = ANY ({keys}))) \
    UNION ALL SELECT {live} FROM {s}.live l WHERE l.started IS NULL AND l.job_key = ANY ({keys})";

/// The runs of dead schedulers: of the jobs that are locked here, and of those that are gone. No two claims get the same.
const ABANDONED: &str = "SELECT {live} FROM {s}.live l WHERE l.node IN (SELECT id FROM {s}.nodes WHERE state = 'dead') \
    AND (l.job_key = ANY ({keys} || $1) OR NOT EXISTS (SELECT FROM {s}.due d WHERE d.key = l.job_key)) \
    ORDER BY l.id LIMIT 1000 FOR UPDATE OF l SKIP LOCKED";

/// Numbers for runs: as many as the jobs that were locked may need, and `$1`. Under a lock of a savepoint that is given up at once,
/// so that the numbers of a claim follow each other; what a sequence has given stays given.
const LOCK_NUMBERS: &str = "SAVEPOINT numbers; SELECT pg_advisory_xact_lock(7233182043)";
const TAKE_NUMBERS: &str = "SELECT n, CASE WHEN n > 0 THEN setval('{s}.run_ids', nextval('{s}.run_ids') + n - 1) END \
    FROM (SELECT $1 + 8 * coalesce(cardinality({keys}), 0) AS n) x";
const TAKE_SO_MANY: &str = "SELECT $1, setval('{s}.run_ids', nextval('{s}.run_ids') + $1 - 1)";
/// Those that were not used, if nobody has taken others since.
const RETURN_NUMBERS: &str = "SELECT setval('{s}.run_ids', greatest($1, 1), $1 >= 1) FROM {s}.run_ids WHERE last_value = $2 AND is_called";
const UNLOCK_NUMBERS: &str = "ROLLBACK TO SAVEPOINT numbers";

const BODIES: &str = "SELECT key, version, id, body::text FROM {s}.jobs WHERE key = ANY ($1)";

/// The groups of the jobs that are to be changed are waited for; of due jobs, those that others have are left to them.
const WAIT_FOR_GROUPS: &str =
    "SELECT name FROM {s}.groups WHERE name = ANY ($1) ORDER BY name FOR NO KEY UPDATE";
const LOCK_GROUPS: &str =
    "SELECT name FROM {s}.groups WHERE name = ANY ($1) ORDER BY name FOR NO KEY UPDATE SKIP LOCKED";
const COUNT_GROUPS: &str =
    "SELECT group_name, count(*) FROM {s}.live WHERE group_name = ANY ($1) GROUP BY group_name";
const COUNT_GIVEN: &str = "SELECT group_name, count(*) FROM {s}.live WHERE id = ANY ($1) AND group_name IS NOT NULL GROUP BY group_name";

const FOLLOWERS: &str = "SELECT d.follows, d.follows_outcome, j.id, d.key, d.lane FROM {s}.due d JOIN {s}.jobs j USING (key) WHERE d.follows = ANY ($1)";

/// What there is to do next: the time, the next fire, the next turn, whether something may start now, how many runs wait,
/// whether there are dead schedulers, and whether this is a member.
const LOOK: &str = "WITH {lane} SELECT now(), \
    (SELECT min(x.next_fire) FROM lane s, LATERAL (SELECT d.next_fire FROM {s}.due d WHERE d.lane = s.id AND d.next_fire IS NOT NULL \
     AND d.key <> ALL ($5) ORDER BY d.next_fire LIMIT 1) x), \
    (SELECT min(t.turn) FROM lane s, LATERAL (SELECT turn FROM {s}.live WHERE started IS NULL AND turn IS NOT NULL AND lane = s.id \
     ORDER BY turn LIMIT 1) t), \
    EXISTS (SELECT FROM {s}.live WHERE started IS NULL AND turn IS NULL) AND EXISTS ({vacant}) \
    OR EXISTS (SELECT FROM {s}.due WHERE turn_limit IS NOT NULL) AND EXISTS ({room}), \
    (SELECT count(*) FROM {s}.live WHERE started IS NULL), \
    EXISTS (SELECT FROM {s}.nodes WHERE state <> 'dead' AND id <> $6 AND lease_until < clock_timestamp()) \
    OR EXISTS (SELECT FROM {s}.nodes n WHERE n.state = 'dead' AND EXISTS (SELECT FROM {s}.live l WHERE l.node = n.id)), \
    EXISTS (SELECT FROM {s}.nodes WHERE id = $6 AND state <> 'dead' AND beat >= $7)";

const MOVE_ON: &str = "UPDATE {s}.due d SET next_fire = u.next_fire, open = u.open::bigint[], turn_limit = u.turn_limit, \
    turn_priority = u.turn_priority, turn_fire = u.turn_fire \
    FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::int[], $5::int[], $6::timestamptz[]) \
    u(key, next_fire, open, turn_limit, turn_priority, turn_fire) WHERE d.key = u.key";

const RECORD_LIVE: &str = "INSERT INTO {s}.live (id, job_key, job, lane, first_fire, last_fire, fires, attempt, by_hand, cause, turn, \
    started, message, node, group_name) SELECT u.* FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::int[], $5::timestamptz[], \
    $6::timestamptz[], $7::bigint[], $8::int[], $9::boolean[], $10::bigint[], $11::timestamptz[], $12::timestamptz[], $13::text[], \
    $14::bigint[], $15::text[]) u(id, job_key, job, lane, first_fire, last_fire, fires, attempt, by_hand, cause, turn, started, message, \
    node, group_name) WHERE u.started IS NOT NULL OR EXISTS (SELECT FROM {s}.jobs j WHERE j.key = u.job_key)";

const RECORD_ENDED: &str = "INSERT INTO {s}.runs (id, job, first_fire, last_fire, fires, attempt, by_hand, cause, turn, started, finished, \
    outcome, message, output, result) SELECT u.id, u.job, u.first_fire, u.last_fire, u.fires, u.attempt, u.by_hand, u.cause, u.turn, \
    u.started, u.finished, u.outcome, u.message, u.output, u.result::json FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], \
    $4::timestamptz[], $5::bigint[], $6::int[], $7::boolean[], $8::bigint[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], \
    $12::text[], $13::text[], $14::text[], $15::text[]) u(id, job, first_fire, last_fire, fires, attempt, by_hand, cause, turn, started, \
    finished, outcome, message, output, result)";

const START: &str = "UPDATE {s}.live l SET started = u.started, first_fire = u.fire, last_fire = u.fire, fires = 1, node = u.node, \
    group_name = u.group_name FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::text[]) \
    u(id, started, fire, node, group_name) WHERE l.id = u.id";

const POSTPONE: &str = "UPDATE {s}.live l SET started = u.started, turn = u.turn, message = u.message, node = u.node, \
    group_name = CASE WHEN u.started IS NULL THEN NULL ELSE l.group_name END \
    FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::bigint[]) u(id, started, turn, message, node) \
    WHERE l.id = u.id AND (l.node IS NULL OR l.node = $6 OR l.id = ANY ($7)) RETURNING l.id";

/// A row moves to the ledger: nobody ends a run twice, and only its owner does, or who was given it.
const FINISH: &str = "WITH g AS (DELETE FROM {s}.live l USING unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], \
    $5::text[], $6::text[], $7::text[], $8::text[]) u(id, turn, started, finished, outcome, message, output, result) \
    WHERE l.id = u.id AND (l.node IS NULL OR l.node = $9 OR l.id = ANY ($10)) \
    RETURNING l.id, l.job, l.first_fire, l.last_fire, l.fires, l.attempt, l.by_hand, l.cause, u.turn, u.started, u.finished, u.outcome, \
    u.message, u.output, u.result::json, l.node) \
    INSERT INTO {s}.runs (id, job, first_fire, last_fire, fires, attempt, by_hand, cause, turn, started, finished, outcome, message, output, \
    result, node) SELECT * FROM g RETURNING id";

const EXTEND: &str = "UPDATE {s}.runs r SET first_fire = u.first, last_fire = u.last, fires = u.fires \
    FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::bigint[]) u(id, first, last, fires) WHERE r.id = u.id";

const MAKE_LANES: &str = "INSERT INTO {s}.lanes (task, executor) SELECT DISTINCT u.* FROM unnest($1::text[], $2::text[]) u(task, executor) \
    WHERE NOT EXISTS (SELECT FROM {s}.lanes l WHERE l.task = u.task AND l.executor = u.executor) ON CONFLICT DO NOTHING";
const MAKE_GROUPS: &str = "INSERT INTO {s}.groups SELECT DISTINCT name FROM unnest($1::text[]) u(name) \
    WHERE NOT EXISTS (SELECT FROM {s}.groups g WHERE g.name = u.name) ON CONFLICT DO NOTHING";

const PUT_JOBS: &str = "WITH {rows}, put AS (INSERT INTO {s}.jobs (id, lane, version, body) \
    SELECT id, lane, nextval('{s}.versions'), body::json FROM u ORDER BY id \
    ON CONFLICT (id) DO UPDATE SET lane = excluded.lane, version = excluded.version, body = excluded.body RETURNING key, id, version), \
    moved AS (UPDATE {s}.live l SET lane = u.lane FROM put JOIN u USING (id) WHERE l.job_key = put.key AND l.started IS NULL), \
    due AS ({add_due} ON CONFLICT (key) DO UPDATE SET lane = excluded.lane, version = excluded.version, next_fire = excluded.next_fire, \
    paused = excluded.paused, gate = excluded.gate, removes = excluded.removes, follows = excluded.follows, \
    follows_outcome = excluded.follows_outcome, group_name = excluded.group_name, \
    turn_limit = CASE WHEN due.group_name IS NOT DISTINCT FROM excluded.group_name THEN due.turn_limit END) SELECT id FROM put";

const ADD_JOBS: &str = "WITH {rows}, put AS (INSERT INTO {s}.jobs (id, lane, version, body) \
    SELECT id, lane, nextval('{s}.versions'), body::json FROM u ORDER BY id ON CONFLICT (id) DO NOTHING RETURNING key, id, version), \
    moved AS (UPDATE {s}.live l SET job_key = put.key, lane = u.lane FROM put JOIN u USING (id) WHERE l.job = put.id), \
    due AS ({add_due}) SELECT id FROM put";

const JOB_ROWS: &str = "u AS MATERIALIZED (SELECT u.*, l.id AS lane FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], \
    $5::timestamptz[], $6::boolean[], $7::boolean[], $8::boolean[], $9::text[], $10::text[], $11::text[]) u(id, task, executor, body, \
    next_fire, paused, gate, removes, follows, follows_outcome, group_name) JOIN {s}.lanes l USING (task, executor))";
/// Runs of an earlier job with the same id may be in progress.
const ADD_DUE: &str = "INSERT INTO {s}.due (key, lane, version, next_fire, paused, open, gate, removes, follows, follows_outcome, group_name) \
    SELECT put.key, u.lane, put.version, u.next_fire, u.paused, \
    ARRAY(SELECT l.id FROM {s}.live l WHERE l.job = put.id AND l.started IS NOT NULL), \
    u.gate, u.removes, u.follows, u.follows_outcome, u.group_name FROM put JOIN u USING (id)";

const LOCK_IDS: &str = "SELECT d.key FROM {s}.due d WHERE d.key IN (SELECT key FROM {s}.jobs WHERE id = ANY ($1)) ORDER BY d.key FOR NO KEY UPDATE";
const TAKEN: &str = "SELECT id FROM {s}.jobs WHERE id = ANY ($1)";

const TAKEN_RUNS: &str = "SELECT id FROM {s}.live WHERE id = ANY ($1) UNION ALL SELECT id FROM {s}.runs WHERE id = ANY ($1) LIMIT 1";
const PLACES: &str = "SELECT id, key, lane FROM {s}.jobs WHERE id = ANY ($1)";
/// Runs that were imported as begun are among those of their jobs.
const OPEN_IMPORTED: &str = "UPDATE {s}.due d SET open = d.open || l.runs FROM \
    (SELECT job_key, array_agg(id) AS runs FROM {s}.live WHERE node = $1 GROUP BY job_key) l WHERE d.key = l.job_key AND NOT d.open @> l.runs";
const NUMBERS_ABOVE: &str =
    "SELECT setval('{s}.run_ids', $1) FROM {s}.run_ids WHERE last_value < $1 OR NOT is_called";

/// A run that waits of a job that goes is missed, also one that another scheduler has recorded meanwhile.
const REMOVE_JOBS: &str = "DELETE FROM {s}.jobs WHERE id = ANY ($1)";
const MISS_REMOVED: &str = "WITH g AS (DELETE FROM {s}.live l WHERE l.started IS NULL AND l.job_key = ANY ($1) RETURNING l.*) \
    INSERT INTO {s}.runs (id, job, first_fire, last_fire, fires, attempt, by_hand, cause, turn, finished, outcome, message) \
    SELECT id, job, first_fire, last_fire, fires, attempt, by_hand, cause, turn, now(), 'missed: job removed', message FROM g";

/// Schedulers may not delete rows of the ledger, but have them pruned.
const PRUNE_JOB: &str = "SELECT {s}.prune_job($1, $2)";
const PRUNE_BEFORE: &str = "SELECT {s}.prune_before($1)";

/// The lock waits for one who changes the tables, and keeps it from doing so before this member is seen.
const JOIN: &str = "INSERT INTO {s}.nodes (label, lease_until, lease, format, version, time_zones) \
    SELECT $1, clock_timestamp() + make_interval(secs => $2), make_interval(secs => $2), $3, $4, $5 \
    FROM {s}.meta WHERE min_format <= $3 FOR SHARE RETURNING id, lease_until";
const FORGET_DEAD: &str = "DELETE FROM {s}.nodes n WHERE n.state = 'dead' AND n.lease_until < now() - interval '7 days' \
    AND NOT EXISTS (SELECT FROM {s}.live l WHERE l.node = n.id)";
const SERVE: &str =
    "UPDATE {s}.nodes SET tasks = $2, executors = $3 WHERE id = $1 AND state <> 'dead' RETURNING id";
/// Renews the lease, and returns which runs of this scheduler somebody wants cancelled, and which jobs are due that nobody can start.
const BEAT: &str = "WITH renewed AS (UPDATE {s}.nodes SET beat = beat + 1, lease_until = clock_timestamp() + lease, \
    clock_offset = make_interval(secs => $3) WHERE id = $1 AND state <> 'dead' AND beat >= $2 RETURNING beat, lease_until) \
    SELECT beat, lease_until, ARRAY(SELECT id FROM {s}.live WHERE node = $1 AND cancel ORDER BY id), \
    ARRAY(SELECT j.id FROM {s}.lanes l CROSS JOIN LATERAL (SELECT d.key FROM {s}.due d WHERE d.lane = l.id \
    AND d.next_fire < now() - make_interval(secs => $4) ORDER BY d.next_fire LIMIT 100) d JOIN {s}.jobs j USING (key) \
    WHERE NOT EXISTS (SELECT FROM {s}.nodes n WHERE n.state <> 'dead' AND n.lease_until >= now() AND l.task = ANY (n.tasks) \
    AND l.executor = ANY (n.executors)) ORDER BY j.id LIMIT 100) FROM renewed";
const LEAVE: &str = "UPDATE {s}.nodes SET state = 'dead' WHERE id = $1";
/// One that has begun runs is kept, so that they are taken over.
const FORGET: &str = "WITH owns AS (SELECT FROM {s}.live WHERE node = $1 LIMIT 1), \
    left_with_runs AS (UPDATE {s}.nodes SET state = 'dead' WHERE id = $1 AND EXISTS (SELECT FROM owns)) \
    DELETE FROM {s}.nodes WHERE id = $1 AND NOT EXISTS (SELECT FROM owns)";

/// Whether the server has less of a member than was acknowledged. Rows of those that are dead for long are deleted.
const HAS_LOST_HISTORY: &str = "SELECT NOT EXISTS (SELECT FROM {s}.nodes WHERE id = $1 AND beat >= $2) AND $3 >= now() - interval '6 days'";
/// Continues above the numbers that were lost: of runs, which are fencing tokens, and of members.
const AFTER_LOST_HISTORY: &str = "BEGIN; SELECT pg_advisory_xact_lock(7233182043); UPDATE {s}.meta SET generation = generation + 1; \
    SELECT setval('{s}.run_ids', nextval('{s}.run_ids') + 1000000); \
    SELECT setval(pg_get_serial_sequence('{s}.nodes', 'id'), nextval(pg_get_serial_sequence('{s}.nodes', 'id')) + 1000); COMMIT";

/// It waits for a transaction of ours whose answer was lost.
const AM_I_ALIVE: &str = "SELECT state <> 'dead' AND beat >= $2 FROM {s}.nodes WHERE id = $1 FOR UPDATE";
const HELD: &str = "SELECT {live} FROM {s}.live l WHERE l.node = $1 ORDER BY l.id";
const CANCEL: &str = "UPDATE {s}.live SET cancel = true WHERE id = $1 AND started IS NOT NULL RETURNING node";
const NOTIFY: &str = "SELECT pg_notify('{s}', $1)";

macro_rules! statements {
    ($($field:ident = $text:ident),* $(,)?) => {
        /// Each statement, as it is sent.
        pub(crate) struct Statements { $(pub(crate) $field: Arc<str>),* }

        fn all(schema: &str) -> Statements {
            Statements { $($field: written($text, schema)),* }
        }
    };
}

impl Statements {
    pub(crate) fn of(schema: &str) -> Self {
        all(schema)
    }
}

fn written(text: &str, schema: &str) -> Arc<str> {
    text.replace("{rows}", JOB_ROWS)
        .replace("{add_due}", ADD_DUE)
        .replace("{lane}", LANE)
        .replace("{vacant}", VACANT)
        .replace("{room}", ROOM)
        .replace("{keys}", KEYS)
        .replace("{due}", DUE_COLUMNS)
        .replace("{live}", LIVE_COLUMNS)
        .replace("{run}", RUN_COLUMNS)
        .replace("{s}", schema)
        .into()
}

statements! {
    begin = BEGIN, fence = FENCE, reap = REAP, lock_named = LOCK_NAMED, claim_due = CLAIM_DUE,
    claim_work = CLAIM_WORK, runs_of_locked = RUNS_OF_LOCKED, abandoned = ABANDONED, lock_numbers = LOCK_NUMBERS,
    take_numbers = TAKE_NUMBERS, take_so_many = TAKE_SO_MANY, return_numbers = RETURN_NUMBERS, unlock_numbers = UNLOCK_NUMBERS,
    bodies = BODIES, wait_for_groups = WAIT_FOR_GROUPS, lock_groups = LOCK_GROUPS, count_groups = COUNT_GROUPS,
    count_given = COUNT_GIVEN, followers = FOLLOWERS, look = LOOK, move_on = MOVE_ON, record_live = RECORD_LIVE,
    record_ended = RECORD_ENDED, start = START, postpone = POSTPONE, finish = FINISH, extend = EXTEND, make_lanes = MAKE_LANES,
    make_groups = MAKE_GROUPS, put_jobs = PUT_JOBS, add_jobs = ADD_JOBS, lock_ids = LOCK_IDS, taken = TAKEN, taken_runs = TAKEN_RUNS, places = PLACES, open_imported = OPEN_IMPORTED, numbers_above = NUMBERS_ABOVE, remove_jobs = REMOVE_JOBS,
    miss_removed = MISS_REMOVED, prune_job = PRUNE_JOB, prune_before = PRUNE_BEFORE, join = JOIN, forget_dead = FORGET_DEAD,
    serve = SERVE, beat = BEAT, leave = LEAVE, forget = FORGET, am_i_alive = AM_I_ALIVE,
    has_lost_history = HAS_LOST_HISTORY, after_lost_history = AFTER_LOST_HISTORY, held = HELD,
    cancel = CANCEL, notify = NOTIFY,
}
