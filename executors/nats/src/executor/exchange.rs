//! What is said about one run, between its executor and the server: handed over, watched, taken back, ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use matins_core::{
    CancelToken, MissedReason, Outcome, Progress, RunLog, RunNote, RunRequest, Task, TaskContext, TaskError,
    TaskFuture, TaskOutput, TaskResult, Value,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, sleep_until};

use super::link::{Heard, KEEPS_RUNS, Link, Registered};
use super::roster::Known;
use crate::names::{Address, id_of, task_part};
use crate::protocol::{ClaimFrame, Note, ResultFrame, RunFrame, VERSION, Withdrawn};
use crate::server_calls::{Failed, Stored, payload};

/// Arguments are JSON of at most so many bytes, so that a run fits into a message of a server with its default settings.
const LONGEST_ARGUMENTS: usize = 512 << 10;

/// What failed is tried again after this time, which doubles up to the second.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_LONGEST: Duration = Duration::from_secs(5);

/// A stream that had no room for so long is full.
const FULL_FOR: Duration = Duration::from_millis(500);

/// A run that no worker has begun is looked for in the server at longer and longer intervals, up to this one.
const LOOK_LONGEST: Duration = Duration::from_secs(600);

/// A worker that was asked to stop a run is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What came of a run.
pub(super) enum Verdict {
    /// It ended on a worker, or with it.
    Ended(ResultFrame),
    /// No worker has begun it, nor ever will.
    NotBegun(Outcome, String),
    /// It continues: this executor lets go of it.
    Left,
}

/// A run's task, as its layers see it: somebody else does it.
pub(super) struct Remote {
    exchange: Arc<Exchange>,
}

struct Exchange {
    link: Arc<Link>,
    address: Option<Address>,
    run: RunFrame,
    cancel: CancelToken,
    begin_by: Option<DateTime<Utc>>,
    clock: Arc<dyn matins_core::Clock>,
    recorded: DateTime<Utc>,
    was_submitted: bool,
    verdict: Mutex<Option<Verdict>>,
}

impl Remote {
    pub(super) fn new(link: Arc<Link>, run: &RunRequest, was_submitted: bool) -> Self {
        let task = task_part(run.task_name.as_str());
        let address = task.map(|task| Address { task, id: id_of(run) });
        let time_limit_us = run.time_limit.and_then(|limit| u64::try_from(limit.as_micros()).ok());
        let frame = RunFrame {
            version: VERSION,
            id: address.as_ref().map(|address| address.id.clone()).unwrap_or_default(),
            run: run.run.0,
            job: run.job.as_str().to_owned(),
            task: run.task_name.as_str().to_owned(),
            arguments: run.arguments.clone(),
            scheduled: run.scheduled,
            attempt: run.attempt,
            cause: run.cause.map(|run| run.0),
            time_limit_us,
            ack_wait_ms: u64::try_from(link.ack_wait().as_millis()).unwrap_or(u64::MAX),
        };
        let exchange = Exchange {
            link,
            address,
            run: frame,
            cancel: run.cancel.clone(),
            begin_by: run.begin_by,
            clock: run.clock.clone(),
            recorded: run.recorded,
            was_submitted,
            verdict: Mutex::default(),
        };
        Self { exchange: Arc::new(exchange) }
    }

    /// What came of it, once its future has ended.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.exchange.verdict.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Task for Remote {
    fn run(&self, _arguments: &Value, _context: &TaskContext) -> TaskResult {
        Err(TaskError::new("a run on a worker is awaited, and cannot be waited for by a thread"))
    }

    fn future(&self, _arguments: &Value, context: &TaskContext) -> Option<TaskFuture> {
        let (exchange, log) = (self.exchange.clone(), context.log.clone());
        Some(Box::pin(async move {
            let Some(address) = exchange.address.clone() else {
                return Err(TaskError::new(
                    "the task has a name that is too long for NATS. Give it one of at most 50 characters",
                ));
            };
            let verdict = exchange.until_it_ends(&address, &log).await?;
            let result = match &verdict {
                Verdict::Ended(ended) => as_task_result(ended),
                Verdict::NotBegun(_, message) => Err(TaskError::new(message.clone())),
                Verdict::Left => Err(TaskError::new("the run continues without this scheduler")),
            };
            *exchange.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
            result
        }))
    }
}

fn as_task_result(ended: &ResultFrame) -> TaskResult {
    if ended.outcome == Outcome::Succeeded {
        let mut succeeded = TaskOutput::default();
        (succeeded.result, succeeded.output) = (ended.result.clone(), ended.output.clone());
        return Ok(succeeded);
    }
    let message = ended.message.clone().unwrap_or_else(|| ended.outcome.to_string());
    let mut error = TaskError::new(message);
    (error.output, error.not_started) = (ended.output.clone(), ended.not_started);
    Err(error)
}

/// How far a run has come, as far as is known here.
struct Course<'a> {
    address: &'a Address,
    /// The number of its message in the stream.
    sequence: Option<u64>,
    /// Its message was lost once.
    was_lost: bool,
    /// Who does it, and when that was heard.
    worker: Option<(String, Instant)>,
    /// So often its worker did not name it among its runs.
    not_named: u32,
}

impl Exchange {
    async fn until_it_ends(&self, address: &Address, log: &RunLog) -> Result<Verdict, TaskError> {
        let (heard, _registered) = self.link.register(address);
        let mut course = Course { address, sequence: None, was_lost: false, worker: None, not_named: 0 };
        let mut heard = heard;
        let begun = tokio::select! {
            biased;
            () = self.link.left() => return Ok(Verdict::Left),
            begun = self.hand_over_or_find(&mut course), if !self.cancel.is_cancelled() => begun?,
            () = self.cancel.cancelled() => None,
            () = self.until_too_late() => None,
        };
        if let Some(verdict) = begun {
            return Ok(verdict);
        }
        self.watch(&mut course, &mut heard, log).await
    }

    async fn watch(
        &self,
        course: &mut Course<'_>,
        heard: &mut UnboundedReceiver<Heard>,
        log: &RunLog,
    ) -> Result<Verdict, TaskError> {
        let step = self.link.ack_wait();
        let (mut interval, mut is_cancelled) = (step, self.cancel.is_cancelled());
        let mut look_at = tokio::time::Instant::now() + if is_cancelled { Duration::ZERO } else { interval };
        let too_late = self.until_too_late();
        tokio::pin!(too_late);
        loop {
            let looked = tokio::select! {
                biased;
                () = self.link.left() => return Ok(Verdict::Left),
                heard = heard.recv() => match heard {
                    Some(Heard::Ended(ended)) => return Ok(Verdict::Ended(ended)),
                    Some(Heard::Note(note)) => {
                        noted(note, course, log);
                        continue;
                    }
                    // The link is gone with its executor.
                    None => return Ok(Verdict::Left),
                },
                () = self.cancel.cancelled(), if !is_cancelled => {
                    is_cancelled = true;
                    self.stop(course).await
                }
                () = &mut too_late, if course.worker.is_none() && !is_cancelled => {
                    let verdict = self.take_back(course, Withdrawn::TooLate).await;
                    if !matches!(verdict, Ok(Some(_))) && course.worker.is_none() {
                        too_late.set(Box::pin(sleep(ASK_AGAIN)));
                    }
                    verdict
                }
                () = sleep_until(look_at) => if is_cancelled {
                    self.stop(course).await
                } else {
                    self.look(course).await
                },
            };
            // What failed is tried again at the next look.
            if let Ok(Some(verdict)) = looked {
                return Ok(verdict);
            }
            let wait = match (&course.worker, is_cancelled) {
                (_, true) => ASK_AGAIN,
                (Some(_), false) => step / 2,
                (None, false) => {
                    interval = (interval * 2).min(LOOK_LONGEST.max(step));
                    interval
                }
            };
            look_at = tokio::time::Instant::now() + wait;
        }
    }

    fn until_too_late(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        match self.begin_by {
            Some(begin_by) => {
                let rest = (begin_by - self.clock.now()).to_std().unwrap_or_default();
                Box::pin(sleep(rest))
            }
            None => Box::pin(std::future::pending()),
        }
    }

    /// Hands the run over; one that was submitted earlier, only if it is nowhere to be found.
    async fn hand_over_or_find(&self, course: &mut Course<'_>) -> Result<Option<Verdict>, TaskError> {
        let arguments = payload(&self.run.arguments).len();
        if arguments > LONGEST_ARGUMENTS {
            return Err(TaskError::new(format!(
                "the arguments have {arguments} bytes, and a run on a worker may have {LONGEST_ARGUMENTS}. Store the data where \
                 the worker can read it, and pass its place"
            )));
        }
        let mut again = AGAIN_FIRST;
        loop {
            let found = if self.was_submitted { self.find(course).await } else { Ok(None) };
            let failed = match found {
                Ok(Some(verdict)) => return Ok(Some(verdict)),
                Ok(None) if course.worker.is_some() => return Ok(None),
                // Its message, its claim and its result may have come and gone: it may have been done, or be in progress.
                Ok(None) if self.was_submitted && self.is_older_than_what_is_kept() => {
                    match self.take_back(course, Withdrawn::Lost).await {
                        Ok(Some(Verdict::NotBegun(..))) => {
                            let message = "the NATS server keeps nothing of it for so long: whether it was done is not known";
                            return Ok(Some(Verdict::NotBegun(Outcome::Interrupted, message.to_owned())));
                        }
                        Ok(verdict) => return Ok(verdict),
                        Err(failed) => failed,
                    }
                }
                Ok(None) => match self.link.hand_over(course.address, &self.run, false).await {
                    Ok(sequence) => {
                        course.sequence = Some(sequence);
                        return Ok(None);
                    }
                    Err(failed) => failed,
                },
                Err(failed) => failed,
            };
            match failed {
                // A worker may be about to acknowledge a run that has ended.
                Failed::Full(_) if again < FULL_FOR => {}
                Failed::Full(why) => {
                    let message = format!("the NATS server has no room for the run: {why}");
                    return Ok(Some(Verdict::NotBegun(Outcome::Missed(MissedReason::ExecutorFull), message)));
                }
                Failed::TooLarge(why) => {
                    return Err(TaskError::new(format!("the NATS server does not take the run: {why}")));
                }
                Failed::Again => {}
            }
            sleep(again).await;
            again = (again * 2).min(AGAIN_LONGEST);
        }
    }

    fn is_older_than_what_is_kept(&self) -> bool {
        let age = self.clock.now().signed_duration_since(self.recorded);
        age.to_std().is_ok_and(|age| age >= KEEPS_RUNS)
    }

    /// Looks for a result, and for a claim.
    async fn find(&self, course: &mut Course<'_>) -> Result<Option<Verdict>, Failed> {
        if let Some(ended) = self.link.result(course.address).await? {
            return Ok(Some(Verdict::Ended(ended)));
        }
        Ok(match self.link.claim(course.address).await? {
            Some(claim) => claimed(claim, course),
            None => None,
        })
    }

    /// A run of which nothing was heard for a while: is it still where it was?
    async fn look(&self, course: &mut Course<'_>) -> Result<Option<Verdict>, Failed> {
        let Some((worker, since)) = course.worker.clone() else { return self.look_for_message(course).await };
        match self.link.roster.known(&worker, &course.address.id, since, Instant::now()) {
            Known::Lost => {
                let silent = self.link.ack_wait() * 2;
                self.end(course, format!("its worker {worker} is lost: it was not heard for {silent:?}"))
                    .await
            }
            Known::Alive { at, has_run: false } if at > since + self.link.ack_wait() / 2 => {
                course.not_named += 1;
                if course.not_named < 3 {
                    return Ok(None);
                }
                self.end(course, format!("its worker {worker} has it no more, and its result is lost")).await
            }
            Known::Alive { has_run: true, .. } => {
                course.not_named = 0;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    async fn look_for_message(&self, course: &mut Course<'_>) -> Result<Option<Verdict>, Failed> {
        if let Some(verdict) = self.find(course).await? {
            return Ok(Some(verdict));
        }
        let Some(sequence) = course.sequence.filter(|_| course.worker.is_none()) else { return Ok(None) };
        if self.link.holds(sequence).await? {
            return Ok(None);
        }
        // A worker may have taken it and ended it meanwhile.
        if let Some(verdict) = self.find(course).await? {
            return Ok(Some(verdict));
        }
        if course.worker.is_some() {
            return Ok(None);
        }
        if course.was_lost {
            return self.take_back(course, Withdrawn::Lost).await;
        }
        course.sequence = Some(self.link.hand_over(course.address, &self.run, true).await?);
        course.was_lost = true;
        Ok(None)
    }

    /// The run has no worker any more. Its result may have come at the last moment: the first one counts.
    async fn end(&self, course: &Course<'_>, message: String) -> Result<Option<Verdict>, Failed> {
        let interrupted = ResultFrame::interrupted(message);
        Ok(match self.link.end(course.address, &interrupted).await? {
            Stored::New => Some(Verdict::Ended(interrupted)),
            Stored::NotFirst => self.link.result(course.address).await?.map(Verdict::Ended),
        })
    }

    /// The run is cancelled: it never begins, or its worker is asked to stop it.
    async fn stop(&self, course: &mut Course<'_>) -> Result<Option<Verdict>, Failed> {
        if course.worker.is_none()
            && let Some(verdict) = self.take_back(course, Withdrawn::Cancelled).await?
        {
            return Ok(Some(verdict));
        }
        if let Some((worker, _)) = course.worker.clone() {
            self.link.ask_to_stop(&worker, course.address).await;
            return self.look(course).await;
        }
        Ok(None)
    }

    /// Takes a run back that no worker has begun. Where one has, it is known then.
    async fn take_back(&self, course: &mut Course<'_>, why: Withdrawn) -> Result<Option<Verdict>, Failed> {
        match self.link.withdraw(course.address, why).await? {
            Stored::New => {
                if let Some(sequence) = course.sequence {
                    self.link.discard(sequence).await;
                }
                Ok(Some(withdrawn(why)))
            }
            Stored::NotFirst => self.find(course).await,
        }
    }
}

/// Takes in what a worker says.
fn noted(note: Note, course: &mut Course<'_>, log: &RunLog) {
    match note {
        Note::Started(worker) => course.worker = Some((worker, Instant::now())),
        Note::Line(line) => log.note(RunNote::Line(line)),
        Note::Progress { done, total } => log.note(RunNote::Progress(Progress { done, total })),
    }
}

/// Takes in what a claim says.
fn claimed(claim: ClaimFrame, course: &mut Course<'_>) -> Option<Verdict> {
    if let Some(worker) = claim.worker {
        course.worker = Some((worker, Instant::now()));
        return None;
    }
    claim.withdrawn.map(withdrawn)
}

fn withdrawn(why: Withdrawn) -> Verdict {
    let (outcome, message) = match why {
        Withdrawn::Cancelled => (Outcome::Cancelled, "cancelled before it began"),
        Withdrawn::TooLate => {
            (Outcome::Missed(MissedReason::TooLate), "it waited for a worker longer than its misfire grace")
        }
        Withdrawn::Lost => (Outcome::Interrupted, "the NATS server has lost its message twice"),
    };
    Verdict::NotBegun(outcome, message.to_owned())
}

/// Forgets a run when it has ended.
impl Drop for Registered {
    fn drop(&mut self) {
        self.forget();
    }
}
