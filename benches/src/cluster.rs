//! Many schedulers on one PostgreSQL database, and what a person would write for the same by hand.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use matins::{
    ClaimStore, ExecutorName, Node, OnConflict, Outcome, PostgresStore, Run, Served, Settlement, TaskName,
    Transition, Want,
};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, Statement};

use crate::stores::{job, second};

/// Jobs that take turns to be due.
pub const IN_TURN: usize = 4_000;

/// A value for a statement.
type Value<'a> = &'a (dyn tokio_postgres::types::ToSql + Sync);

/// A schema of a database, and a connection to look at it.
#[derive(Debug)]
pub struct Database {
    server: String,
    schema: String,
    runtime: Runtime,
    client: Client,
}

fn connect(server: &str) -> (Runtime, Client) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let client = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(server, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    });
    (runtime, client)
}

impl Database {
    /// A schema of this name, which is emptied first.
    ///
    /// # Panics
    /// If the server cannot be reached.
    pub fn new(server: &str, schema: &str) -> Self {
        let (runtime, client) = connect(server);
        let database = Self { server: server.to_owned(), schema: schema.to_owned(), runtime, client };
        database.run("DROP SCHEMA IF EXISTS {s} CASCADE");
        database
    }

    /// Runs statements; `{s}` stands for the schema.
    ///
    /// # Panics
    /// If one fails.
    pub fn run(&self, sql: &str) {
        let sql = sql.replace("{s}", &self.schema);
        self.runtime
            .block_on(self.client.batch_execute(&sql))
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The number that a statement answers with.
    ///
    /// # Panics
    /// If it fails.
    pub fn number(&self, sql: &str) -> f64 {
        let sql = sql.replace("{s}", &self.schema);
        let row = self.runtime.block_on(self.client.query_one(&sql, &[]));
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }

    /// Bytes of write-ahead log since the server's beginning.
    pub fn wal(&self) -> f64 {
        self.number("SELECT (pg_current_wal_lsn() - '0/0')::float8")
    }

    fn url(&self) -> String {
        let parameters = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{parameters}schema={}", self.server, self.schema)
    }
}

/// Has so many threads do `tick`s for a while; fires a second, all together. `tick` answers with its fires.
fn rate<N: Send>(nodes: Vec<N>, time: Duration, tick: impl Fn(&mut N) -> usize + Sync) -> f64 {
    let (ready, stop, fires) = (Barrier::new(nodes.len() + 1), AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for mut node in nodes {
            let (ready, stop, fires, tick) = (&ready, &stop, &fires, &tick);
            scope.spawn(move || {
                // One that does not count.
                tick(&mut node);
                ready.wait();
                while !stop.load(Ordering::Relaxed) {
                    fires.fetch_add(tick(&mut node) as u64, Ordering::Relaxed);
                }
            });
        }
        ready.wait();
        let (begun, before) = (Instant::now(), fires.load(Ordering::Relaxed));
        thread::sleep(time);
        let (done, taken) = (fires.load(Ordering::Relaxed) - before, begun.elapsed());
        stop.store(true, Ordering::Relaxed);
        done as f64 / taken.as_secs_f64()
    })
}

/// A scheduler as far as its store is concerned.
struct OurNode {
    store: PostgresStore,
    /// The runs of the last tick, which end in the next one.
    running: Vec<Run>,
}

/// Fills a schema for [`ours`].
///
/// # Panics
/// If the database refuses.
pub fn prepare_ours(database: &Database) {
    let mut store = PostgresStore::open(database.url()).expect("a store");
    store.join(&Node::new("bench", Duration::from_secs(60))).expect("a member");
    let jobs = (0..IN_TURN).map(|number| job(number, number as i64)).collect();
    store.import(jobs, Vec::new(), OnConflict::Refuse).expect("jobs");
    store.leave().expect("left");
    database.run("VACUUM ANALYZE");
}

/// So many schedulers, each of which claims up to `batch` due jobs, moves each on, records a run of it, and ends those of the tick before,
/// in one commit. Returns fires a second, of all together.
///
/// # Panics
/// If the database refuses.
pub fn ours(database: &Database, nodes: usize, batch: usize, time: Duration) -> f64 {
    let open = |_| {
        let mut store = PostgresStore::open(database.url()).expect("a store");
        store.join(&Node::new("bench", Duration::from_secs(60))).expect("a member");
        let task = TaskName::new("send-report").expect("a name");
        store.serve(&Served::new([task], [ExecutorName::default()])).expect("served");
        OurNode { store, running: Vec::new() }
    };
    let tick = |node: &mut OurNode| {
        let ended: Vec<_> = node.running.iter().map(|run| run.job.clone()).collect();
        let want = Want::at(second(0)).limit(batch).starts().takes_over().ended(&ended);
        let claim = node.store.claim(&want).expect("a claim");
        let (mut steps, now) = (Vec::with_capacity(batch * 3), claim.now);
        steps.extend(node.running.drain(..).map(|run| Transition::Finish(ended_at(run, now).into())));
        let mut number = claim.first_run;
        for claimed in &claim.jobs[..claim.due] {
            let Some(job) = &claimed.job else { continue };
            let fire = job.next_fire.expect("due");
            let to = Some(fire + TimeDelta::seconds(IN_TURN as i64));
            steps.push(Transition::Advance { job: job.id.clone(), from: Some(fire), to });
            let run = Run::started(number, job.id.clone(), fire, now);
            number = number.next();
            steps.push(Transition::Record(run.clone().into()));
            node.running.push(run);
        }
        node.store.settle(Settlement { batch: steps, ..Settlement::default() }).expect("settled");
        node.store.next(true).expect("read");
        claim.due
    };
    rate((0..nodes).map(open).collect(), time, tick)
}

fn ended_at(run: Run, now: DateTime<Utc>) -> Run {
    run.with(|run| (run.finished, run.outcome) = (Some(now), Some(Outcome::Succeeded)))
}

/// Fills a schema for [`by_hand`].
///
/// # Panics
/// If the database refuses.
pub fn prepare_by_hand(database: &Database) {
    let body = serde_json::to_string(&job(0, 0)).expect("JSON").replace('\'', "''");
    database.run(&format!(
        "CREATE SCHEMA {{s}}; \
         CREATE TABLE {{s}}.jobs (key bigint PRIMARY KEY, id text NOT NULL UNIQUE, body jsonb NOT NULL); \
         CREATE TABLE {{s}}.due (key bigint PRIMARY KEY, lane int NOT NULL, next_fire timestamptz, open bigint[] NOT NULL DEFAULT '{{}}') \
           WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000); \
         CREATE INDEX due_next ON {{s}}.due (lane, next_fire, key) WHERE next_fire IS NOT NULL; \
         CREATE SEQUENCE {{s}}.run_ids; \
         CREATE TABLE {{s}}.live (id bigint PRIMARY KEY, job text NOT NULL, fire timestamptz NOT NULL, attempt int NOT NULL, node bigint, \
           started timestamptz) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000); \
         CREATE INDEX live_of_node ON {{s}}.live (node) WHERE node IS NOT NULL; \
         CREATE TABLE {{s}}.runs (id bigint PRIMARY KEY, job text NOT NULL, fire timestamptz NOT NULL, attempt int NOT NULL, node bigint, \
           started timestamptz, finished timestamptz, outcome text NOT NULL); \
         CREATE INDEX runs_of_job ON {{s}}.runs (job, id); \
         INSERT INTO {{s}}.jobs SELECT n, 'job-' || n, '{body}' FROM generate_series(1, {IN_TURN}) n; \
         INSERT INTO {{s}}.due SELECT n, 1, to_timestamp(n) FROM generate_series(1, {IN_TURN}) n;"
    ));
    database.run("VACUUM ANALYZE");
}

/// The same work written by hand: row locks, arrays, statements that are prepared once and sent together, bodies not read.
struct HandNode {
    runtime: Runtime,
    client: Client,
    claim: Statement,
    live: Statement,
    move_on: Statement,
    record: Statement,
    finish: Statement,
    number: i64,
    running: Vec<i64>,
}

impl HandNode {
    fn open(database: &Database, number: i64) -> Self {
        let (runtime, client) = connect(&database.server);
        let prepare = |sql: &str| {
            let sql = sql.replace("{s}", &database.schema);
            runtime.block_on(client.prepare(&sql)).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        };
        let claim = prepare(
            "SELECT d.key, d.next_fire, d.open, nextval('{s}.run_ids') FROM {s}.due d WHERE lane = 1 AND next_fire <= now() \
             ORDER BY next_fire, key LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED",
        );
        let live = prepare("SELECT id FROM {s}.live WHERE node = $1 AND started IS NULL");
        let move_on = prepare(
            "UPDATE {s}.due d SET next_fire = u.next, open = ARRAY[u.run] \
             FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[]) u(key, next, run) WHERE d.key = u.key",
        );
        let record = prepare(
            "INSERT INTO {s}.live SELECT u.id, 'job-' || u.key, u.fire, 1, $4, now() \
             FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) u(id, key, fire)",
        );
        let finish = prepare(
            "WITH g AS (DELETE FROM {s}.live l USING unnest($1::bigint[]) u(id) WHERE l.id = u.id AND l.node = $2 RETURNING l.*) \
             INSERT INTO {s}.runs SELECT id, job, fire, attempt, node, started, now(), 'succeeded' FROM g",
        );
        Self { runtime, client, claim, live, move_on, record, finish, number, running: Vec::new() }
    }

    fn tick(&mut self, batch: i64) -> usize {
        let Self { runtime, client, number, running, .. } = self;
        let (client, number) = (&*client, &*number);
        runtime.block_on(async {
            let (limit, me): ([Value; 1], [Value; 1]) = ([&batch], [number]);
            let (begun, due, live) = tokio::join!(
                biased;
                client.batch_execute("BEGIN"),
                client.query(&self.claim, &limit),
                client.query(&self.live, &me)
            );
            begun.expect("begun");
            drop(live.expect("runs"));
            let due = due.expect("due jobs");
            let keys: Vec<i64> = due.iter().map(|row| row.get(0)).collect();
            let fires: Vec<DateTime<Utc>> = due.iter().map(|row| row.get(1)).collect();
            let next: Vec<DateTime<Utc>> =
                fires.iter().map(|fire| *fire + TimeDelta::seconds(IN_TURN as i64)).collect();
            let runs: Vec<i64> = due.iter().map(|row| row.get(3)).collect();
            let moved: [Value; 3] = [&keys, &next, &runs];
            let recorded: [Value; 4] = [&runs, &keys, &fires, number];
            let finished: [Value; 2] = [running, number];
            let (moved, recorded, finished, committed) = tokio::join!(
                biased;
                client.execute(&self.move_on, &moved),
                client.execute(&self.record, &recorded),
                client.execute(&self.finish, &finished),
                client.batch_execute("COMMIT")
            );
            for answer in [moved, recorded, finished] {
                answer.expect("written");
            }
            committed.expect("committed");
            *running = runs;
            keys.len()
        })
    }
}

/// As [`ours`], written by hand.
///
/// # Panics
/// If the database refuses.
pub fn by_hand(database: &Database, nodes: usize, batch: usize, time: Duration) -> f64 {
    let nodes = (0..nodes).map(|number| HandNode::open(database, number as i64 + 1)).collect();
    rate(nodes, time, |node: &mut HandNode| node.tick(batch as i64))
}
