//! A job store on PostgreSQL that many schedulers share. Each claims due jobs, runs them on its own executors, and takes over the runs
//! of schedulers that have died. There is no leader, and no other service.
//!
//! ```no_run
//! use matins_executor_thread::ThreadExecutor;
//! use matins_scheduler::SchedulerBuilder;
//! use matins_store_postgres::PostgresStore;
//!
//! let store = PostgresStore::open("postgres://localhost/jobs")?;
//! let scheduler = SchedulerBuilder::new()
//!     .shared_store("default", store)
//!     .executor("default", ThreadExecutor::new())
//!     .blocking()?;
//! # let _ = scheduler;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//! * Each fire time of each job has exactly one first attempt in the ledger, even if schedulers die.
//! * A job's overlap limit, and the limit of a concurrency group, count the runs of all schedulers.
//! * A scheduler that was declared dead changes nothing any more, also if it was only stopped for a while.
//! * A change of a job is refused where somebody else has changed the job meanwhile. No change is lost.
//!
//! A task may still do its work twice: a process that is stopped after its last look at the lease, and continues after others have
//! taken its runs over, may begin a task that another one has begun again. Tasks that must not do that pass the number of their run
//! to a system that refuses lower ones.
//!
//! # Time
//! The clock of the database decides what is due. Clocks of the schedulers' machines may differ from it.
//!
//! # Failover
//! With synchronous replication a failover loses nothing. With asynchronous replication a standby server that takes over may lack what was
//! committed last. A scheduler that finds its own renewals of the lease missing begins nothing more: it tells its runs to stop, joins again,
//! moves the numbers of runs forward by a million, and tells `StoreLostHistory`. The fires that were lost run again. A loss shorter than
//! a third of the lease may go unnoticed. Name all servers in the URL, with `target_session_attrs=read-write`.
//!
//! # Pools of connections
//! It works through PgBouncer and others that give each transaction another connection. Notifications do not pass these, so
//! changes that other schedulers make are found within a second then.
//!
//! # Features
//! `tls` (default): encrypted connections.

mod assembly;
mod batch;
mod cache;
mod changes;
mod claim;
mod connection;
mod found;
mod listing;
mod look;
mod members;
mod options;
mod passfile;
mod roles;
mod rows;
mod schema;
mod settle;
mod shared;
mod statements;
mod tls;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Capabilities, Claim, ClaimStore, GroupName, Heartbeat, Job, JobId, JobQuery, JobStore, Joined, Node,
    OnConflict, QuarantineKind, Quarantined, Run, RunId, RunQuery, Served, Settled, Settlement, SharedStore,
    StoreError, Wake, WakeUp, Want,
};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

pub use options::{PostgresOptions, PostgresOptionsError};
pub use roles::{PostgresMigration, PostgresRole, PostgresRoleError};

use cache::JobCache;
use connection::{Link, Listener, Pipeline, RunError, parameter};
use found::{Mine, Open};
use look::Look;
use members::Renewal;
use statements::Statements;

/// A job store on PostgreSQL, for `SchedulerBuilder::shared_store` of `matins-scheduler`.
///
/// It keeps two connections: one for statements, and one that listens for changes of other schedulers.
pub struct PostgresStore {
    options: Arc<PostgresOptions>,
    link: Link,
    sql: Arc<Statements>,
    /// The number of this scheduler; 0 before it has joined.
    number: i64,
    /// The last renewal of the lease that the server has acknowledged.
    renewed: Option<Renewal>,
    lease: Duration,
    /// It has not joined, and does so when it changes something.
    visits_as: Option<Node>,
    /// By how much the clock of the scheduler was ahead of the database's at the last claim.
    clock_offset: Option<TimeDelta>,
    served: Served,
    open: Option<Open>,
    /// The connection on which a transaction has begun.
    transaction: Option<u64>,
    cache: JobCache,
    /// The runs that were begun here.
    mine: HashMap<JobId, Mine>,
    outside: Vec<(GroupName, usize)>,
    /// The last look, until it was used.
    seen: Option<Look>,
    /// How many runs had not begun when it was last looked at.
    waiting: usize,
    /// When something is due.
    expects: Option<Instant>,
    /// The last claim had nothing, though something was due.
    found_nothing: bool,
    /// The last claim had as many due jobs as were wanted.
    was_full: bool,
    /// Lanes are claimed from in turn.
    turn: i32,
    /// Where lanes with a backlog are looked at from.
    low: HashMap<i32, DateTime<Utc>>,
    full_claims: u32,
    /// Jobs that cannot be read: their keys, versions and ids.
    unreadable: BTreeMap<i64, (i64, String)>,
    quarantined: Vec<Quarantined>,
    known_connection: u64,
    /// Nobody is declared dead before.
    patient_until: Option<Instant>,
    wake: Option<Weak<Wake>>,
    listener: Option<Listener>,
}

impl PostgresStore {
    /// Opens the store at a URL, and makes its tables if they are not there yet. For what a URL may say, see [`PostgresOptions`].
    ///
    /// ```
    /// use matins_core::{ClaimStore, JobQuery};
    /// use matins_store_postgres::PostgresStore;
    ///
    /// # let Some(server) = matins_conformance::servers::postgres() else { return Ok(()) };
    /// # let schema = matins_conformance::servers::schema("nightly");
    /// let url = "postgres://localhost/jobs?schema=nightly";
    /// # let url = format!("{server}?schema={schema}");
    /// let mut store = PostgresStore::open(url)?;
    /// assert_eq!(store.count(&JobQuery::default())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the URL is invalid, and as [`PostgresOptions::open`].
    pub fn open(url: impl AsRef<str>) -> Result<Self, StoreError> {
        let options = url.as_ref().parse::<PostgresOptions>();
        options
            .map_err(|error| StoreError::Backend {
                doing: "reading the URL of the database".to_owned(),
                source: error.into(),
            })?
            .open()
    }

    /// Returns the options of a database that the environment names: see [`PostgresOptions`].
    ///
    /// ```
    /// use matins_store_postgres::PostgresStore;
    ///
    /// let options = PostgresStore::options().schema("nightly")?;
    /// # let _ = options;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn options() -> PostgresOptions {
        PostgresOptions::new()
    }

    fn open_with(options: PostgresOptions) -> Result<Self, StoreError> {
        let options = Arc::new(options);
        let mut link = Link::new(options.clone())?;
        schema::prepare(&mut link, &options.schema)?;
        Ok(Self {
            sql: Arc::new(Statements::of(&options.schema)),
            options,
            link,
            number: 0,
            renewed: None,
            lease: members::NO_LEASE,
            visits_as: None,
            clock_offset: None,
            served: Served::default(),
            open: None,
            transaction: None,
            cache: JobCache::default(),
            mine: HashMap::new(),
            outside: Vec::new(),
            seen: None,
            waiting: 0,
            expects: None,
            found_nothing: false,
            was_full: false,
            turn: 0,
            low: HashMap::new(),
            full_claims: 0,
            unreadable: BTreeMap::new(),
            quarantined: Vec::new(),
            known_connection: 0,
            patient_until: None,
            wake: None,
            listener: None,
        })
    }

    /// Begins a transaction that is refused to one who is no member.
    fn begin(&mut self) -> Result<(), StoreError> {
        let me = self.member()?;
        let sql = self.sql.clone();
        let mut pipeline = Pipeline::new();
        pipeline.batch(&sql.begin);
        let fence = pipeline.query(&sql.fence, self.fence_parameters(me));
        let answers = self.run_first("beginning a transaction", pipeline)?;
        if answers[fence].is_empty() { Err(StoreError::Fenced) } else { Ok(()) }
    }

    /// Sends the statements that begin a transaction.
    fn run_first(&mut self, doing: &str, pipeline: Pipeline) -> Result<Vec<Vec<Row>>, StoreError> {
        let answered = self.link.try_run(pipeline);
        self.transaction = Some(self.link.connected());
        answered.map_err(|failed| self.claim_failed(doing, failed))
    }

    /// Sends more statements of a transaction.
    fn run_more(&mut self, pipeline: Pipeline) -> Result<Vec<Vec<Row>>, RunError> {
        let connection = self.transaction.ok_or(RunError::Lost)?;
        self.link.try_run_on(connection, pipeline)
    }

    /// Rolls back what was begun and not committed, and gives numbers back that no run has.
    fn end_transaction(&mut self) {
        let open = self.open.take();
        let Some(connection) = self.transaction.take() else { return };
        if let Some((first, last)) = open.and_then(|open| open.numbers) {
            let sql = self.sql.clone();
            let mut pipeline = Pipeline::new();
            pipeline.batch(&sql.lock_numbers);
            let unused = vec![parameter(first - 1, Type::INT8), parameter(last, Type::INT8)];
            pipeline.query(&sql.return_numbers, unused);
            // After an error the server takes no more statements: then they are left out.
            let _ = self.link.try_run_on(connection, pipeline);
        }
        let mut pipeline = Pipeline::new();
        pipeline.batch(&"ROLLBACK".into());
        if self.link.try_run_on(connection, pipeline).is_err() {
            // The server rolls back what a connection leaves behind.
            self.link.disconnect();
        }
    }

    fn unreadable_keys(&self) -> Vec<i64> {
        self.unreadable.keys().copied().collect()
    }

    fn quarantine(&mut self, key: i64, version: i64, id: &str, what: String) {
        let place = format!("{}, table jobs, id {id:?}", self.options);
        let quarantined = Quarantined { kind: QuarantineKind::Job, id: id.to_owned(), place, what };
        self.unreadable.insert(key, (version, id.to_owned()));
        self.quarantined.retain(|known| known.kind != QuarantineKind::Job || known.id != id);
        self.quarantined.push(quarantined);
    }

    fn quarantine_run(&mut self, run: i64, what: String) {
        let (id, place) = (run.to_string(), format!("{}, run {run}", self.options));
        if self.quarantined.iter().all(|known| known.kind != QuarantineKind::Run || known.id != id) {
            self.quarantined.push(Quarantined { kind: QuarantineKind::Run, id, place, what });
        }
    }

    fn check_not_quarantined(&self, id: &JobId) -> Result<(), StoreError> {
        let quarantined =
            self.quarantined.iter().find(|job| job.kind == QuarantineKind::Job && job.id == id.as_str());
        quarantined.map_or(Ok(()), |job| Err(damaged(job)))
    }

    /// Jobs that were changed since they were quarantined are tried again.
    fn look_at_quarantined(&mut self) -> Result<(), StoreError> {
        if self.unreadable.is_empty() {
            return Ok(());
        }
        let keys = vec![parameter(self.unreadable_keys(), Type::INT8_ARRAY)];
        let rows = self.read(
            "looking at jobs that are quarantined",
            "SELECT key, version FROM {s}.jobs WHERE key = ANY ($1)",
            keys,
        )?;
        let same: BTreeMap<i64, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        self.unreadable.retain(|key, (version, _)| same.get(key) == Some(version));
        let ids: Vec<&String> = self.unreadable.values().map(|(_, id)| id).collect();
        self.quarantined
            .retain(|quarantined| quarantined.kind != QuarantineKind::Job || ids.contains(&&quarantined.id));
        Ok(())
    }
}

fn damaged(job: &Quarantined) -> StoreError {
    let cure = "correct the row or delete it, or start a scheduler that can read it";
    StoreError::Damaged { place: job.place.clone(), what: job.what.clone(), cure, source: None }
}

impl ClaimStore for PostgresStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::SHARED
    }

    fn join(&mut self, node: &Node) -> Result<Joined, StoreError> {
        self.joined(node)
    }

    fn serve(&mut self, served: &Served) -> Result<(), StoreError> {
        self.serves(served)
    }

    fn heartbeat(&mut self) -> Result<Heartbeat, StoreError> {
        self.beat()
    }

    fn claim(&mut self, want: &Want<'_>) -> Result<Claim, StoreError> {
        let claim = self.claimed(want)?;
        if want.takes_over {
            self.clock_offset = Some(want.at - claim.now);
        }
        Ok(claim)
    }

    fn settle(&mut self, settlement: Settlement) -> Result<Settled, StoreError> {
        self.settled(settlement)
    }

    fn release(&mut self) {
        self.end_transaction();
    }

    fn cancel(&mut self, run: RunId) -> Result<bool, StoreError> {
        self.cancelled(run)
    }

    fn held(&mut self) -> Result<Vec<Run>, StoreError> {
        self.runs_held()
    }

    fn next(&mut self, fires: bool) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.next_claim(fires)
    }

    fn on_change(&mut self, wake: &Arc<Wake>) -> WakeUp {
        self.wake_on_change(wake)
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        self.imported(&jobs, &runs, on_conflict)
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        let sql = "SELECT j.key, j.version, j.id, j.body::text, d.next_fire FROM {s}.jobs j JOIN {s}.due d USING (key) WHERE j.id = $1";
        let rows = self.read("reading a job", sql, vec![parameter(id.as_str().to_owned(), Type::TEXT)])?;
        let Some(row) = rows.first() else { return Ok(None) };
        match rows::job(row.get(3), row.get(4)) {
            Ok(job) => Ok(Some(job)),
            Err(what) => {
                self.quarantine(row.get(0), row.get(1), row.get(2), what);
                self.check_not_quarantined(id).map(|()| None)
            }
        }
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        self.listed(query)
    }

    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        self.counted(query)
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        self.listed_runs(query)
    }

    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        self.counted_runs(query)
    }

    fn quarantined(&self) -> &[Quarantined] {
        &self.quarantined
    }

    fn as_job_store(&mut self) -> Option<&mut dyn JobStore> {
        None
    }

    fn into_job_store(self: Box<Self>) -> Option<Box<dyn JobStore>> {
        None
    }

    fn shared(&mut self) -> Option<&mut dyn SharedStore> {
        Some(self)
    }

    fn leave(&mut self) -> Result<(), StoreError> {
        self.left()
    }
}

impl Drop for PostgresStore {
    /// What is claimed is free at once, and not only when the server has noticed that the connection is gone.
    fn drop(&mut self) {
        self.end_transaction();
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("options", &self.options)
            .field("member", &self.number)
            .finish_non_exhaustive()
    }
}
