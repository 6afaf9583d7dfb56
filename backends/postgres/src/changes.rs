//! Changes: jobs that are added, runs that are to be cancelled, and how the schedulers tell each other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use matins_core::{Job, JobId, OnConflict, Run, RunId, StoreError, Wake, WakeUp};
use tokio_postgres::types::Type;

use crate::PostgresStore;
use crate::batch::LiveRow;
use crate::connection::{Pipeline, parameter};
use crate::rows::check_run;
use crate::settle::{self, put_jobs};

/// How often changes of others are looked for where notifications come; they may be lost with a connection.
const POLL: Duration = Duration::from_secs(5);

/// How often where none come: a pool of connections does not pass them on.
const POLL_WITHOUT_NOTIFICATIONS: Duration = Duration::from_secs(1);

/// So long a notification to itself may take.
const OWN_NOTIFICATION: Duration = Duration::from_secs(1);

/// At most so many jobs in one statement.
const JOBS_AT_ONCE: usize = 1_000;

/// A transaction that has failed since another one had locked what it needs is tried so often.
const TRIES: usize = 4;
const DEADLOCK: &str = "40P01";

impl PostgresStore {
    pub(crate) fn imported(
        &mut self,
        jobs: &[Job],
        runs: &[Run],
        on_conflict: OnConflict,
    ) -> Result<(), StoreError> {
        self.end_transaction();
        runs.iter().try_for_each(check_run)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let imported = self.import_once(jobs, runs, on_conflict);
            self.end_transaction();
            match imported {
                Err(ImportError::Deadlock) if tries < TRIES => {}
                Err(ImportError::Deadlock) => {
                    let doing = format!("adding jobs in {}", self.options);
                    return Err(StoreError::Backend {
                        doing,
                        source: "others are changing them; try again".into(),
                    });
                }
                Err(ImportError::Store(error)) => return Err(error),
                Ok(()) => break,
            }
        }
        for job in jobs {
            self.cache.forget(&job.id);
            self.take_back(&job.id);
        }
        (self.seen, self.expects) = (None, None);
        Ok(())
    }

    fn import_once(
        &mut self,
        jobs: &[Job],
        runs: &[Run],
        on_conflict: OnConflict,
    ) -> Result<(), ImportError> {
        self.begin()?;
        let sql = self.sql.clone();
        let ids: Vec<String> = jobs.iter().map(|job| job.id.as_str().to_owned()).collect();
        let mut pipeline = Pipeline::new();
        let ids = || parameter(ids.clone(), Type::TEXT_ARRAY);
        if on_conflict == OnConflict::Replace {
            pipeline.query(&sql.lock_ids, vec![ids()]);
        }
        let taken = pipeline.query(&sql.taken, vec![ids()]);
        let answers = self.run_import(pipeline)?;
        let mut taken: std::collections::HashSet<String> =
            answers[taken].iter().map(|row| row.get(0)).collect();
        let mut new: Vec<Job> = Vec::with_capacity(jobs.len());
        for job in jobs {
            let is_taken = !taken.insert(job.id.as_str().to_owned());
            match on_conflict {
                OnConflict::Keep if is_taken => {}
                OnConflict::Replace | OnConflict::Keep => {
                    // Of two with the same id the later one stays.
                    new.retain(|before| before.id != job.id);
                    new.push(job.clone());
                }
                _ if is_taken => return Err(StoreError::Conflict { id: job.id.clone() }.into()),
                _ => new.push(job.clone()),
            }
        }
        for part in new.chunks(JOBS_AT_ONCE) {
            let mut pipeline = Pipeline::new();
            put_jobs(&mut pipeline, &sql, part, on_conflict == OnConflict::Replace)?;
            let answers = self.run_import(pipeline)?;
            // Another scheduler may have added one of them since.
            let put: Vec<&str> = answers.last().into_iter().flatten().map(|row| row.get(0)).collect();
            let missing = part.iter().find(|job| !put.contains(&job.id.as_str()));
            if let Some(job) = missing.filter(|_| on_conflict != OnConflict::Keep) {
                return Err(StoreError::Conflict { id: job.id.clone() }.into());
            }
        }
        for part in runs.chunks(JOBS_AT_ONCE) {
            self.import_runs(part)?;
        }
        let mut pipeline = Pipeline::new();
        if let Some(last) = runs.iter().map(|run| run.id.0 as i64).max() {
            pipeline.batch(&sql.lock_numbers);
            pipeline.query(&sql.numbers_above, vec![parameter(last, Type::INT8)]);
            pipeline.batch(&sql.unlock_numbers);
        }
        pipeline.query(&sql.notify, vec![parameter(self.number.to_string(), Type::TEXT)]);
        pipeline.batch(&"COMMIT".into());
        self.run_import(pipeline)?;
        self.transaction = None;
        Ok(())
    }

    /// Rows of the ledger. Those that have not ended are beside their jobs, as far as these are there.
    fn import_runs(&mut self, runs: &[Run]) -> Result<(), ImportError> {
        let sql = self.sql.clone();
        let ids: Vec<i64> = runs.iter().map(|run| run.id.0 as i64).collect();
        let twice =
            runs.iter().enumerate().find(|(at, run)| runs[..*at].iter().any(|before| before.id == run.id));
        if let Some((_, run)) = twice {
            return Err(StoreError::RunExists { run: run.id }.into());
        }
        let jobs: Vec<String> = runs.iter().map(|run| run.job.as_str().to_owned()).collect();
        let mut pipeline = Pipeline::new();
        let taken = pipeline.query(&sql.taken_runs, vec![parameter(ids, Type::INT8_ARRAY)]);
        let places = pipeline.query(&sql.places, vec![parameter(jobs, Type::TEXT_ARRAY)]);
        let answers = self.run_import(pipeline)?;
        if let Some(row) = answers[taken].first() {
            return Err(StoreError::RunExists { run: RunId(row.get::<_, i64>(0) as u64) }.into());
        }
        let places: HashMap<&str, (i64, i32)> =
            answers[places].iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        let (ended, others): (Vec<Run>, Vec<Run>) =
            runs.iter().cloned().partition(|run| run.outcome.is_some());
        let live: Vec<LiveRow> = others
            .into_iter()
            .map(|run| {
                let (key, lane) = places.get(run.job.as_str()).copied().unwrap_or_default();
                LiveRow { run, key, lane, group: None }
            })
            .collect();
        let mut pipeline = Pipeline::new();
        if !ended.is_empty() {
            pipeline.query(&sql.record_ended, settle::ended(&ended));
        }
        if !live.is_empty() {
            pipeline.query(&sql.record_live, settle::live(&live, self.number));
            pipeline.query(&sql.open_imported, vec![parameter(self.number, Type::INT8)]);
        }
        self.run_import(pipeline).map(drop)
    }

    fn run_import(&mut self, pipeline: Pipeline) -> Result<Vec<Vec<tokio_postgres::Row>>, ImportError> {
        self.run_more(pipeline).map_err(|failed| match failed.code() {
            Some(DEADLOCK) => ImportError::Deadlock,
            _ => ImportError::Store(self.link.failed("adding jobs", failed)),
        })
    }

    pub(crate) fn cancelled(&mut self, run: RunId) -> Result<bool, StoreError> {
        let sql = self.sql.clone();
        let mut pipeline = Pipeline::new();
        let asked = pipeline.query(&sql.cancel, vec![parameter(run.0 as i64, Type::INT8)]);
        pipeline.query(&sql.notify, vec![parameter(self.number.to_string(), Type::TEXT)]);
        let rows = self.link.run("asking for a run to be cancelled", pipeline)?;
        Ok(!rows[asked].is_empty())
    }

    /// Has `wake` called at changes of others. Whether notifications come is found out by one to itself.
    pub(crate) fn wake_on_change(&mut self, wake: &Arc<Wake>) -> WakeUp {
        if self.options.visits {
            return WakeUp::Poll(POLL_WITHOUT_NOTIFICATIONS);
        }
        self.wake = Some(Arc::downgrade(wake));
        if self.listen() { WakeUp::Poll(POLL) } else { WakeUp::Poll(POLL_WITHOUT_NOTIFICATIONS) }
    }

    fn listen(&mut self) -> bool {
        let Some(wake) = self.wake.clone() else { return false };
        let (heard, number) = (Arc::new(AtomicBool::new(false)), self.number.to_string());
        let (hears, own) = (heard.clone(), number.clone());
        let notified = move |payload: &str| {
            hears.store(true, Ordering::Release);
            if payload != own
                && let Some(wake) = Weak::upgrade(&wake)
            {
                wake();
            }
        };
        let listen = format!("LISTEN {}", self.options.schema);
        self.listener = self.link.listen(&listen, Box::new(notified)).ok();
        if self.listener.is_none() {
            return false;
        }
        let told = vec![parameter(number, Type::TEXT)];
        if self.link.query("telling itself", &self.sql.notify.clone(), told).is_err() {
            return false;
        }
        let until = Instant::now() + OWN_NOTIFICATION;
        while !heard.load(Ordering::Acquire) && Instant::now() < until {
            // Each answer gives a notification that has come before it the time to be heard.
            if self.link.batch("waiting for a notification", "SELECT pg_sleep(0.002)").is_err() {
                return false;
            }
        }
        heard.load(Ordering::Acquire)
    }

    /// Listens again where the connection for that was lost.
    pub(crate) fn listen_again(&mut self) {
        if self.listener.as_ref().is_some_and(crate::connection::Listener::is_closed) {
            self.listen();
        }
    }

    /// A job whose body was replaced is no longer quarantined.
    fn take_back(&mut self, id: &JobId) {
        self.quarantined.retain(|quarantined| {
            quarantined.kind != matins_core::QuarantineKind::Job || quarantined.id != id.as_str()
        });
        let known = &self.quarantined;
        self.unreadable.retain(|_, (_, quarantined)| known.iter().any(|job| job.id == *quarantined));
    }
}

/// Why jobs were not added.
enum ImportError {
    Deadlock,
    Store(StoreError),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
