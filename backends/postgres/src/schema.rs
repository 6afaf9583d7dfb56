//! The tables, and what a database must be before they are used.

use std::path::PathBuf;

use matins_core::StoreError;

use crate::connection::Link;

/// The format that this version reads and writes.
pub(crate) const FORMAT: i32 = MIGRATIONS.len() as i32;

/// The oldest format of a scheduler that can use tables of this one.
const MIN_FORMAT: i32 = 1;

/// What leads from each format to the next; the first one makes the tables. None is ever changed once it was published. `{s}` is the
/// schema.
const MIGRATIONS: [&str; 1] = [TABLES];

const TABLES: &str = r#"
-- One row: what holds for the whole store.
CREATE TABLE {s}.meta (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    format int NOT NULL,
    -- Schedulers that know only older formats are refused.
    min_format int NOT NULL,
    -- It rises when the store has lost history, so that fencing tokens rise all the same.
    generation bigint NOT NULL DEFAULT 1
);
INSERT INTO {s}.meta (format, min_format) VALUES (0, 0);

-- The schedulers, each start of one under a number of its own.
CREATE TABLE {s}.nodes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label text NOT NULL,
    state text NOT NULL DEFAULT 'up' CHECK (state IN ('up', 'dead')),
    -- How often the lease was renewed.
    beat bigint NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL,
    lease interval NOT NULL,
    format int NOT NULL,
    version text NOT NULL,
    time_zones text NOT NULL,
    joined timestamptz NOT NULL DEFAULT now(),
    -- By how much its clock was ahead at its last claim.
    clock_offset interval,
    -- What it can start.
    tasks text[] COLLATE "C" NOT NULL DEFAULT '{}',
    executors text[] COLLATE "C" NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);

-- What a job needs to be started. A scheduler claims from the lanes that it serves.
CREATE TABLE {s}.lanes (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task text COLLATE "C" NOT NULL,
    executor text COLLATE "C" NOT NULL,
    UNIQUE (task, executor)
);

-- What rarely changes of a job.
CREATE TABLE {s}.jobs (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    lane int NOT NULL REFERENCES {s}.lanes,
    -- It rises whenever the body is written.
    version bigint NOT NULL,
    -- The job as JSON. As text, so that numbers and texts come back exactly; its next fire time is in `due`.
    body json NOT NULL
);
CREATE SEQUENCE {s}.versions;

-- What changes with each fire: short rows.
CREATE TABLE {s}.due (
    key bigint PRIMARY KEY REFERENCES {s}.jobs ON DELETE CASCADE,
    lane int NOT NULL,
    version bigint NOT NULL,
    next_fire timestamptz,
    paused boolean NOT NULL,
    -- The runs that had begun when it was last claimed. Those that are not in `live` have ended.
    open bigint[] NOT NULL DEFAULT '{}',
    -- The end of a run changes the job, so it is locked for that.
    gate boolean NOT NULL,
    -- Without a next fire time it goes with its last run.
    removes boolean NOT NULL,
    -- The job that it runs after, and after which outcome.
    follows text COLLATE "C",
    follows_outcome text,
    group_name text COLLATE "C",
    -- Where it is among those that wait for their group, if it does.
    turn_limit int,
    turn_priority int,
    turn_fire timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX due_next ON {s}.due (lane, next_fire, key) WHERE next_fire IS NOT NULL;
CREATE INDEX due_ends ON {s}.due (key) WHERE removes AND next_fire IS NULL;
CREATE INDEX due_follows ON {s}.due (follows) WHERE follows IS NOT NULL;
CREATE INDEX due_turns ON {s}.due (group_name, turn_priority DESC, turn_fire, key) WHERE turn_limit IS NOT NULL;

-- The concurrency groups: locked by whoever decides about a job of theirs.
CREATE TABLE {s}.groups (name text COLLATE "C" PRIMARY KEY);

CREATE SEQUENCE {s}.run_ids;

-- The runs that have not ended. Those that have are in `runs`.
CREATE TABLE {s}.live (
    id bigint PRIMARY KEY,
    job_key bigint NOT NULL,
    job text COLLATE "C" NOT NULL,
    lane int NOT NULL,
    first_fire timestamptz NOT NULL,
    last_fire timestamptz NOT NULL CHECK (last_fire >= first_fire),
    fires bigint NOT NULL CHECK (fires > 0),
    attempt int NOT NULL CHECK (attempt > 0),
    by_hand boolean NOT NULL,
    cause bigint,
    turn timestamptz,
    started timestamptz,
    message text,
    -- Who has begun it.
    node bigint,
    group_name text COLLATE "C",
    -- Somebody wants it cancelled.
    cancel boolean NOT NULL DEFAULT false,
    CHECK ((started IS NULL) = (node IS NULL))
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX live_of_node ON {s}.live (node) WHERE node IS NOT NULL;
CREATE INDEX live_ready ON {s}.live (lane, turn) WHERE started IS NULL AND turn IS NOT NULL;
CREATE INDEX live_not_begun ON {s}.live (job_key) WHERE started IS NULL;
CREATE INDEX live_of_job ON {s}.live (job, id);
CREATE INDEX live_of_group ON {s}.live (group_name) WHERE group_name IS NOT NULL;

-- The ledger: rows are added, and pruned.
CREATE TABLE {s}.runs (
    id bigint PRIMARY KEY,
    job text COLLATE "C" NOT NULL,
    first_fire timestamptz NOT NULL,
    last_fire timestamptz NOT NULL,
    fires bigint NOT NULL,
    attempt int NOT NULL,
    by_hand boolean NOT NULL,
    cause bigint,
    turn timestamptz,
    started timestamptz,
    finished timestamptz,
    outcome text NOT NULL,
    message text,
    output text,
    result json,
    node bigint
);
CREATE INDEX runs_of_job ON {s}.runs (job, id);
CREATE INDEX runs_finished ON {s}.runs (finished);

-- What people did with jobs, as lines of JSON.
CREATE TABLE {s}.notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    line text NOT NULL
);

-- Schedulers may not delete rows of the ledger themselves.
CREATE FUNCTION {s}.prune_job(of_job text, kept bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM {s}.runs WHERE job = of_job AND id <= (SELECT l.id FROM (SELECT r.id FROM {s}.runs r WHERE r.job = of_job
        UNION ALL SELECT r.id FROM {s}.live r WHERE r.job = of_job) l ORDER BY l.id DESC OFFSET kept LIMIT 1);
END $$;
-- In batches, by one scheduler at a time.
CREATE FUNCTION {s}.prune_before(age timestamptz) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE pruned bigint;
BEGIN
    PERFORM FROM {s}.meta FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN RETURN 0; END IF;
    DELETE FROM {s}.notes WHERE at < age;
    DELETE FROM {s}.runs WHERE id IN (SELECT id FROM {s}.runs WHERE finished < age ORDER BY finished LIMIT 5000);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END $$;
REVOKE ALL ON FUNCTION {s}.prune_job(text, bigint), {s}.prune_before(timestamptz) FROM PUBLIC;

-- For people.
CREATE VIEW {s}.jobs_readable AS
SELECT j.id, l.task, l.executor, d.next_fire, d.paused, j.body->'trigger' AS trigger, j.body->'tags' AS tags
FROM {s}.jobs j JOIN {s}.due d USING (key) JOIN {s}.lanes l ON l.id = j.lane
ORDER BY d.next_fire NULLS LAST, j.id;
CREATE VIEW {s}.runs_readable AS
SELECT r.id, r.job, r.first_fire, r.last_fire, r.fires, r.attempt,
       extract(epoch FROM r.started - r.first_fire) * 1000 AS late_ms,
       extract(epoch FROM r.finished - r.started) * 1000 AS took_ms,
       r.outcome, r.message, r.output, r.result, coalesce(n.label, r.node::text) AS node
FROM {s}.runs r LEFT JOIN {s}.nodes n ON n.id = r.node
UNION ALL
SELECT r.id, r.job, r.first_fire, r.last_fire, r.fires, r.attempt,
       extract(epoch FROM r.started - r.first_fire) * 1000, NULL,
       CASE WHEN r.started IS NULL THEN 'waiting' ELSE 'running' END, r.message, NULL, NULL,
       coalesce(n.label, r.node::text)
FROM {s}.live r LEFT JOIN {s}.nodes n ON n.id = r.node
ORDER BY id;
CREATE VIEW {s}.nodes_readable AS
SELECT id, label, state, CASE WHEN state = 'dead' THEN NULL ELSE lease_until - clock_timestamp() END AS lease_left, beat,
       version, time_zones, clock_offset, joined, tasks, executors
FROM {s}.nodes ORDER BY id;
"#;

/// One at a time makes or changes the tables.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7233182042)";

/// Makes the tables, or brings them to this format. Returns the format that they had; `None` if there were none.
pub(crate) fn prepare(link: &mut Link, schema: &str) -> Result<Option<i32>, StoreError> {
    let formats = formats(link, schema).map_err(|error| may_not(error, link))?;
    let found = formats.as_ref().map(|formats| formats.format.min(FORMAT));
    if formats.is_some_and(|found| found.format >= FORMAT && found.oldest >= MIN_FORMAT) {
        return Ok(found);
    }
    let begin = format!("BEGIN; SET LOCAL lock_timeout = '2s'; {LOCK}");
    link.batch("making the schema", &begin)?;
    let made = make(link, schema);
    let end = if made.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = link.batch("making the tables", end);
    made.map_err(|error| may_not(error, link)).and(ended).map(|()| found)
}

fn make(link: &mut Link, schema: &str) -> Result<(), StoreError> {
    // Whoever owns the schema may lack the right to make one, and needs none where it is there.
    let is_there = format!("SELECT to_regnamespace('{schema}') IS NOT NULL");
    let is_there = link.query("looking for the schema", &is_there.into(), Vec::new())?;
    if !is_there.first().is_some_and(|row| row.get(0)) {
        link.batch("making the schema", &format!("CREATE SCHEMA IF NOT EXISTS {schema}"))?;
    }
    migrate(link, schema)
}

/// Says what to do where the server has refused something for want of a right.
fn may_not(error: StoreError, link: &Link) -> StoreError {
    use tokio_postgres::error::SqlState;
    let StoreError::Backend { doing, source } = error else { return error };
    let refused = source.downcast_ref::<tokio_postgres::Error>();
    if refused.and_then(tokio_postgres::Error::code) != Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        return StoreError::Backend { doing, source };
    }
    let said = refused.and_then(tokio_postgres::Error::as_db_error).map(|error| error.message().to_owned());
    let user = link.user();
    let source = format!(
        "{}; as a role that owns the database or the schema, run `matins store init URL --role {user}=node`, or `matins store \
         migrate URL` if the tables are of an earlier version",
        said.unwrap_or_default()
    );
    StoreError::Backend { doing, source: source.into() }
}

fn migrate(link: &mut Link, schema: &str) -> Result<(), StoreError> {
    let found = formats(link, schema)?.map_or(0, |found| found.format);
    if found > 0 {
        refuse_older_members(link, schema)?;
    }
    // Another scheduler may have been faster.
    for (migration, to) in MIGRATIONS.iter().zip(1..).filter(|(_, to)| *to > found) {
        link.batch("making the tables", &migration.replace("{s}", schema))?;
        let format = format!("UPDATE {schema}.meta SET format = {to}");
        link.batch("making the tables", &format)?;
    }
    let oldest =
        format!("UPDATE {schema}.meta SET min_format = {MIN_FORMAT} WHERE min_format < {MIN_FORMAT}");
    link.batch("making the tables", &oldest)
}

/// Schedulers that could not use the tables any more have to stop before the tables are changed. Nobody joins meanwhile.
fn refuse_older_members(link: &mut Link, schema: &str) -> Result<(), StoreError> {
    let doing = "looking for older schedulers";
    link.batch(doing, &format!("SELECT FROM {schema}.meta FOR UPDATE"))?;
    let older = format!(
        "SELECT label, version FROM {schema}.nodes WHERE state <> 'dead' AND lease_until >= now() AND format < {MIN_FORMAT} ORDER BY id"
    );
    let older = link.query(doing, &older.into(), Vec::new())?;
    if older.is_empty() {
        return Ok(());
    }
    let name =
        |row: &tokio_postgres::Row| format!("{} (Matins {})", row.get::<_, &str>(0), row.get::<_, &str>(1));
    let names: Vec<String> = older.iter().map(name).collect();
    let what = format!(
        "this version changes the tables so that these schedulers, which are running, could not use them: {}; upgrade or stop them, then \
         start this one again",
        names.join(", ")
    );
    Err(StoreError::Backend {
        doing: format!("cannot upgrade the tables in {}", link.place()),
        source: what.into(),
    })
}

/// The format of the tables, and the oldest one that a scheduler has to know.
struct Formats {
    format: i32,
    oldest: i32,
}

/// Refuses tables that a later version has changed so that this one cannot use them.
pub(crate) fn check(link: &mut Link, schema: &str) -> Result<(), StoreError> {
    formats(link, schema).map(drop)
}

/// The formats of the tables; `None` if there are no tables.
fn formats(link: &mut Link, schema: &str) -> Result<Option<Formats>, StoreError> {
    let doing = "reading the format of the tables";
    let is_there = format!("SELECT to_regclass('{schema}.meta') IS NOT NULL");
    let is_there = link.query(doing, &is_there.into(), Vec::new())?;
    if !is_there.first().is_some_and(|row| row.get(0)) {
        return Ok(None);
    }
    let rows =
        link.query(doing, &format!("SELECT format, min_format FROM {schema}.meta").into(), Vec::new())?;
    let Some(row) = rows.first() else { return Ok(None) };
    let found = Formats { format: row.get(0), oldest: row.get(1) };
    // What a later version has added, this one may ignore.
    if found.oldest > FORMAT {
        return Err(StoreError::TooNew {
            path: PathBuf::from(link.place()),
            found: i64::from(found.format),
            known: i64::from(FORMAT),
        });
    }
    Ok(Some(found))
}
