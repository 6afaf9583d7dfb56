//! Membership: the row of this scheduler among the others, its lease, and what it serves.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use matins_core::{Heartbeat, JobId, Joined, Node, Run, RunId, Served, StoreError};
use tokio_postgres::types::Type;

use crate::PostgresStore;
use crate::connection::{Parameter, Pipeline, parameter};
use crate::found::Mine;
use crate::rows;
use crate::schema::{self, FORMAT};

/// A renewal of a lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Renewal {
    member: i64,
    beat: i64,
    until: DateTime<Utc>,
}

impl PostgresStore {
    /// The number of this scheduler, if it has joined. One that only visits joins now.
    pub(crate) fn member(&mut self) -> Result<i64, StoreError> {
        if let Some(node) = self.visits_as.take() {
            let served = std::mem::take(&mut self.served);
            self.join_as(&node)?;
            if served != Served::default() {
                self.serves(&served)?;
            }
        }
        if self.number > 0 { Ok(self.number) } else { Err(StoreError::Fenced) }
    }

    pub(crate) fn tasks(&self) -> Vec<String> {
        self.served.tasks.iter().map(|task| task.as_str().to_owned()).collect()
    }

    pub(crate) fn executors(&self) -> Vec<String> {
        self.served.executors.iter().map(|executor| executor.as_str().to_owned()).collect()
    }

    pub(crate) fn joined(&mut self, node: &Node) -> Result<Joined, StoreError> {
        self.end_transaction();
        if self.options.visits {
            (self.visits_as, self.number) = (Some(node.clone()), 0);
            return Ok(Joined::new(0).with_lease(self.options.lease.unwrap_or(node.lease)));
        }
        self.join_as(node)
    }

    fn join_as(&mut self, node: &Node) -> Result<Joined, StoreError> {
        let lease = self.options.lease.unwrap_or(node.lease);
        let label = self.options.label.clone().unwrap_or_else(|| label(&node.label));
        let time_zones = self.options.time_zones.clone().unwrap_or_else(|| node.time_zones.clone());
        let parameters = vec![
            parameter(label.clone(), Type::TEXT),
            parameter(lease.as_secs_f64(), Type::FLOAT8),
            parameter(FORMAT, Type::INT4),
            parameter(env!("CARGO_PKG_VERSION"), Type::TEXT),
            parameter(time_zones, Type::TEXT),
        ];
        let has_lost_history = self.has_lost_history()?;
        let sql = self.sql.clone();
        if has_lost_history {
            let doing = "moving numbers on, as the database has lost history";
            if let Err(error) = self.link.batch(doing, &sql.after_lost_history) {
                // It has begun a transaction, and the server refuses whatever follows in it.
                self.link.disconnect();
                return Err(error);
            }
        }
        let mut pipeline = Pipeline::new();
        pipeline.query(&sql.forget_dead, Vec::new());
        let joined = pipeline.query(&sql.join, parameters);
        let rows = self.link.run("joining the schedulers", pipeline)?;
        let Some(row) = rows[joined].first() else {
            // The tables were upgraded while this scheduler was running.
            schema::check(&mut self.link, &self.options.schema)?;
            return Err(StoreError::Fenced);
        };
        self.number = row.get(0);
        self.renewed = Some(Renewal { member: self.number, beat: 0, until: row.get(1) });
        // For those who look at the server: `pg_stat_activity` shows it.
        let name = format!("matins {} {} {label}", self.options.schema, self.number);
        let name = vec![parameter(name, Type::TEXT)];
        self.link.query("naming the connection", &NAME_CONNECTION.into(), name)?;
        (self.lease, self.served) = (lease, Served::default());
        (self.seen, self.expects, self.known_connection) = (None, None, self.link.connected());
        self.mine.clear();
        let member = u64::try_from(self.number).unwrap_or(0);
        Ok(Joined::new(member).with_lease(lease).with_lost_history(has_lost_history))
    }

    /// Whether the server has less than it has acknowledged: another one has taken its place, or it was restored from a copy.
    fn has_lost_history(&mut self) -> Result<bool, StoreError> {
        let Some(renewed) = self.renewed else { return Ok(false) };
        let parameters = vec![
            parameter(renewed.member, Type::INT8),
            parameter(renewed.beat, Type::INT8),
            parameter(renewed.until, Type::TIMESTAMPTZ),
        ];
        let doing = "looking at the earlier membership";
        let rows = self.link.query(doing, &self.sql.has_lost_history.clone(), parameters)?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// A member, and how often the server has acknowledged that its lease was renewed.
    pub(crate) fn fence_parameters(&self, me: i64) -> Vec<Parameter> {
        let beat = self.renewed.map_or(0, |renewed| renewed.beat);
        vec![parameter(me, Type::INT8), parameter(beat, Type::INT8)]
    }

    pub(crate) fn serves(&mut self, served: &Served) -> Result<(), StoreError> {
        if self.visits_as.is_some() {
            self.served = served.clone();
            return Ok(());
        }
        let (me, before) = (self.member()?, std::mem::replace(&mut self.served, served.clone()));
        let parameters = vec![
            parameter(me, Type::INT8),
            parameter(self.tasks(), Type::TEXT_ARRAY),
            parameter(self.executors(), Type::TEXT_ARRAY),
        ];
        let told =
            self.link.query("saying what this scheduler can start", &self.sql.serve.clone(), parameters);
        let told = told.and_then(|rows| if rows.is_empty() { Err(StoreError::Fenced) } else { Ok(()) });
        if told.is_err() {
            self.served = before;
        }
        (self.seen, self.expects) = (None, None);
        told
    }

    pub(crate) fn beat(&mut self) -> Result<Heartbeat, StoreError> {
        if self.visits_as.is_some() {
            return Ok(Heartbeat::default());
        }
        let me = self.member()?;
        let ahead = self.clock_offset.map(chrono::TimeDelta::as_seconds_f64);
        let mut parameters = self.fence_parameters(me);
        parameters.push(parameter(ahead, Type::FLOAT8));
        parameters.push(parameter(self.lease.as_secs_f64(), Type::FLOAT8));
        let rows = self.link.query("renewing the lease", &self.sql.beat.clone(), parameters)?;
        let Some(row) = rows.first() else { return Err(StoreError::Fenced) };
        self.renewed = Some(Renewal { member: me, beat: row.get(0), until: row.get(1) });
        let (cancel, unserved): (Vec<i64>, Vec<String>) = (row.get(2), row.get(3));
        self.listen_again();
        self.look_at_quarantined()?;
        let mut heartbeat = Heartbeat::cancelling(cancel.into_iter().map(|run| RunId(run as u64)).collect());
        heartbeat.unserved = unserved.iter().filter_map(|id| JobId::new(id).ok()).collect();
        Ok(heartbeat)
    }

    /// [`StoreError::Fenced`] where others have declared this scheduler dead.
    pub(crate) fn check_membership(&mut self) -> Result<(), StoreError> {
        let me = self.member()?;
        let alive = self.fence_parameters(me);
        let rows = self.link.query("looking at the membership", &self.sql.am_i_alive.clone(), alive)?;
        if rows.first().is_some_and(|row| row.get(0)) { Ok(()) } else { Err(StoreError::Fenced) }
    }

    /// The runs that the database has as begun here.
    pub(crate) fn runs_held(&mut self) -> Result<Vec<Run>, StoreError> {
        self.end_transaction();
        self.check_membership()?;
        let me = vec![parameter(self.number, Type::INT8)];
        let rows = self.link.query("reading the runs in progress", &self.sql.held.clone(), me)?;
        let (mut held, mut mine) = (Vec::new(), std::collections::HashMap::new());
        for row in &rows {
            match rows::run(row) {
                Ok(run) => {
                    let (key, group): (i64, Option<&str>) = (row.get(15), row.get(17));
                    let group = group.and_then(|group| matins_core::GroupName::new(group).ok());
                    let of_job =
                        mine.entry(run.job.clone()).or_insert_with(|| Mine { key, runs: Vec::new() });
                    of_job.runs.push((run.id.0 as i64, group));
                    held.push(run);
                }
                Err(what) => self.quarantine_run(row.get(0), what),
            }
        }
        self.mine = mine;
        Ok(held)
    }

    /// Whether others may be declared dead. After the connection was lost, not for one lease: it may have been lost for all of them, and
    /// each is given time to renew its lease.
    pub(crate) fn may_take_over(&mut self) -> bool {
        let connection = self.link.connected();
        if connection != self.known_connection {
            (self.known_connection, self.patient_until) =
                (connection, Instant::now().checked_add(self.lease));
        }
        self.patient_until.is_none_or(|until| Instant::now() >= until)
    }

    pub(crate) fn left(&mut self) -> Result<(), StoreError> {
        self.end_transaction();
        if self.visits_as.take().is_some() {
            return Ok(());
        }
        let me = vec![parameter(self.member()?, Type::INT8)];
        (self.number, self.renewed) = (0, None);
        // One that visited and has no tasks has begun nothing that its row would have to name.
        let is_forgotten = self.options.visits && self.served.tasks.is_empty();
        let leave = if is_forgotten { &self.sql.forget } else { &self.sql.leave }.clone();
        self.link.query("leaving the schedulers", &leave, me).map(drop)
    }
}

const NAME_CONNECTION: &str = "SELECT set_config('application_name', $1, false)";

/// The lease of a scheduler that has not joined.
pub(crate) const NO_LEASE: Duration = Duration::ZERO;

/// The host's name, the number of the process, and the name of the store.
fn label(store: &str) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let host = host.trim();
    let process = std::process::id();
    let store = if store == "default" { String::new() } else { format!(" ({store})") };
    if host.is_empty() { format!("process {process}{store}") } else { format!("{host}:{process}{store}") }
}
