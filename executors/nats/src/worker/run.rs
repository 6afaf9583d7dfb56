//! One run on a worker: claimed, done, kept alive, reported.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::{AckKind, Message};
use chrono::{DateTime, Utc};
use matins_core::{
    CancelReason, CancelToken, Clock, Completion, CompletionSink, Executor, JobId, Outcome, Refusal, RunId,
    RunLog, RunReport, RunRequest, TaskName,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::claim::Claimed;
use super::{Held, Shared};
use crate::names::Address;
use crate::protocol::{Note, NoteFrame, ResultFrame, RunFrame, VERSION};
use crate::server_calls::{Failed, payload, store_first};

/// A result is JSON of at most so many bytes.
const LONGEST_RESULT: usize = 256 << 10;

/// What failed is tried again after this time, which doubles up to the second.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_LONGEST: Duration = Duration::from_secs(5);

/// No scheduler asks for signs of life more often than three times in this.
const SHORTEST_SILENCE: Duration = Duration::from_millis(100);

/// The clock of this machine.
#[derive(Debug)]
struct WallClock(Instant);

impl Clock for WallClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep_until(&self, _until: DateTime<Utc>) -> Option<Duration> {
        None
    }
}

/// Where the report of a run goes. What it holds is given back when the work has really ended.
struct Sink {
    report: Mutex<Option<oneshot::Sender<RunReport>>>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Sink {
    fn report(&self, report: RunReport) {
        if let Some(sender) = self.report.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody waits for it where the worker was dropped.
            let _ = sender.send(report);
        }
    }

    fn free(&self) {
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl CompletionSink for Sink {
    fn completed(&self, report: RunReport) {
        self.free();
        self.report(report);
    }

    fn left_behind(&self, report: RunReport) {
        self.report(report);
    }

    fn work_ended(&self, _run: RunId) {
        self.free();
    }
}

/// A message that is being dealt with.
struct Handled(Arc<Shared>);

impl Handled {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.handled.send_modify(|count| *count += 1);
        Self(shared.clone())
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        self.0.handled.send_modify(|count| *count -= 1);
    }
}

/// Does what a message asks for.
pub(super) async fn handle(
    shared: Arc<Shared>,
    executor: Arc<Mutex<Box<dyn Executor>>>,
    task: String,
    message: Message,
    place: OwnedSemaphorePermit,
) {
    let _handled = Handled::begin(&shared);
    let Ok(frame) = serde_json::from_slice::<RunFrame>(&message.payload) else {
        // Nobody can do anything with it. Its executor finds that it is gone.
        let _ = message.ack_with(AckKind::Term).await;
        return;
    };
    let run = Address { task, id: frame.id.clone() };
    let silence = Duration::from_millis(frame.ack_wait_ms).max(SHORTEST_SILENCE);
    match shared.claim(&run, &message, silence).await {
        Claimed::Begin => {
            let begun = if frame.version > VERSION {
                Err(failed(format!(
                    "the run has version {} of the protocol, and this worker knows {VERSION}. Update the worker",
                    frame.version
                )))
            } else {
                begin(&shared, &executor, &run, frame, place)
            };
            shared.carry(&run, message, begun, silence).await;
        }
        Claimed::Again => {
            let held = shared.lock().get(&run.id).cloned();
            if let Some(held) = held {
                held.message.send_replace(Arc::new(message));
            }
        }
        Claimed::Drop => drop(message.double_ack().await),
        Claimed::Lost(ended) => {
            if shared.store_result(&run, &ended).await {
                let _ = message.double_ack().await;
            }
        }
        // Whoever has it acknowledges it.
        Claimed::Outdated => {}
        Claimed::Later => drop(message.ack_with(AckKind::Nak(Some(AGAIN_FIRST))).await),
    }
}

/// A run that has begun in this process.
struct Begun {
    report: oneshot::Receiver<RunReport>,
    cancel: CancelToken,
    /// What it has logged.
    log: RunLog,
}

/// What comes of a run that cannot begin here.
fn failed(message: String) -> ResultFrame {
    ResultFrame { message: Some(message), ..ResultFrame::new(Outcome::Failed) }
}

/// Has the executor of this process begin a run, or says why it cannot.
fn begin(
    shared: &Arc<Shared>,
    executor: &Mutex<Box<dyn Executor>>,
    run: &Address,
    frame: RunFrame,
    place: OwnedSemaphorePermit,
) -> Result<Begun, ResultFrame> {
    let job = JobId::new(&frame.job).map_err(|error| failed(error.to_string()))?;
    let name = TaskName::new(&frame.task).map_err(|error| failed(error.to_string()))?;
    let task = shared.tasks.get(&frame.task);
    let task =
        task.ok_or_else(|| failed(format!("no task is registered as {:?} in this worker", frame.task)))?;
    let clock: Arc<dyn Clock> = Arc::new(WallClock(Instant::now()));
    let mut request = RunRequest::new(RunId(frame.run), job, name, task, clock.clone());
    (request.arguments, request.scheduled, request.attempt) =
        (frame.arguments, frame.scheduled, frame.attempt);
    request.cause = frame.cause.map(RunId);
    request.time_limit = frame.time_limit_us.map(Duration::from_micros);
    let (cancel, log) = (request.cancel.clone(), RunLog::default());
    request.log = shared.forward_notes(run, &log);
    let (sender, report) = oneshot::channel();
    let sink = Sink { report: Mutex::new(Some(sender)), place: Mutex::new(Some(place)) };
    let done = Completion::new(request.run, clock, Arc::new(sink));
    let taken = executor.lock().unwrap_or_else(PoisonError::into_inner).submit(request, done);
    match taken {
        Ok(()) => Ok(Begun { report, cancel, log }),
        Err(refused) => {
            refused.done.forget();
            // Another worker, or this one later, may have room for it.
            let not_started = matches!(refused.reason, Refusal::OutOfResources | Refusal::ShutDown);
            let message = format!("the worker's executor has not taken the run: {:?}", refused.reason);
            Err(ResultFrame { not_started, ..failed(message) })
        }
    }
}

impl Shared {
    /// A log that keeps what a run says for its report, and tells its scheduler at once.
    fn forward_notes(self: &Arc<Self>, run: &Address, kept: &RunLog) -> RunLog {
        let (notes, mut sent) = tokio::sync::mpsc::channel::<Note>(1_000);
        let (client, subject) = (self.client.clone(), self.names.note(run));
        tokio::spawn(async move {
            while let Some(note) = sent.recv().await {
                let frame = payload(&NoteFrame { version: VERSION, note });
                // What is lost is in the report.
                let _ = client.publish(subject.clone(), frame.into()).await;
            }
        });
        let kept = kept.clone();
        RunLog::forwarding(move |note| {
            kept.note(note.clone());
            if let Some(note) = Note::of(note) {
                let _ = notes.try_send(note);
            }
        })
    }

    /// Says that a run has begun, keeps it alive until it has ended, and reports it.
    async fn carry(
        &self,
        run: &Address,
        message: Message,
        begun: Result<Begun, ResultFrame>,
        silence: Duration,
    ) {
        let message = watch::Sender::new(Arc::new(message));
        let ended = match begun {
            Err(ended) => ended,
            Ok(Begun { report, cancel, log }) => {
                let before = self.silence();
                let held = Held { silence, cancel: cancel.clone(), message: message.clone() };
                self.lock().insert(run.id.clone(), held);
                if silence < before {
                    self.hastened.notify_one();
                }
                if self.is_draining() {
                    cancel.note_shutdown().call_in_background();
                }
                let frame = NoteFrame { version: VERSION, note: Note::Started(self.name.clone()) };
                // Where it is lost, the executor finds the claim.
                let _ = self.client.publish(self.names.note(run), payload(&frame).into()).await;
                self.until_reported(&message, report, &cancel, &log, silence).await
            }
        };
        let mut receiver = message.subscribe();
        let stores = async {
            if self.store_result(run, &ended).await {
                let current = receiver.borrow_and_update().clone();
                // Not confirmed, it is handed out again, and whoever gets it finds the result.
                let _ = current.double_ack().await;
            }
        };
        stores.await;
        self.lock().remove(&run.id);
    }

    /// Waits for the report of a run. Meanwhile the server hears that it is in progress. Where it does not, the run is cancelled.
    async fn until_reported(
        &self,
        message: &watch::Sender<Arc<Message>>,
        mut report: oneshot::Receiver<RunReport>,
        cancel: &CancelToken,
        log: &RunLog,
        silence: Duration,
    ) -> ResultFrame {
        let (mut heard_at, mut is_cut_off) = (Instant::now(), false);
        let mut receiver = message.subscribe();
        loop {
            tokio::select! {
                biased;
                report = &mut report => {
                    return match report {
                        Ok(report) => result_of(report, log, is_cut_off.then(|| heard_at.elapsed())),
                        Err(_) => ResultFrame::interrupted("its worker ended before the run did"),
                    };
                }
                // Given out again: from now on the server waits for an answer to this one.
                _ = receiver.changed() => continue,
                () = sleep(silence / 3) => {}
            }
            let (asked_at, current) = (Instant::now(), message.borrow().clone());
            let heard = tokio::select! {
                biased;
                report = &mut report => {
                    return match report {
                        Ok(report) => result_of(report, log, is_cut_off.then(|| heard_at.elapsed())),
                        Err(_) => ResultFrame::interrupted("its worker ended before the run did"),
                    };
                }
                heard = timeout(silence / 5, current.double_ack_with(AckKind::Progress)) => heard,
            };
            if matches!(heard, Ok(Ok(()))) {
                heard_at = asked_at;
            } else if heard_at.elapsed() >= silence * 4 / 5 && !is_cut_off {
                is_cut_off = true;
                // Others will say that it is lost, and it may be tried again.
                cancel.set(CancelReason::Asked).call_in_background();
            }
        }
    }

    /// Stores the result of a run, unless there is one. Tries until the server answers; returns whether it has.
    async fn store_result(&self, run: &Address, ended: &ResultFrame) -> bool {
        let mut again = AGAIN_FIRST;
        let mut ended = ended.clone();
        loop {
            match store_first(&self.jetstream, self.names.result(run), &ended).await {
                Ok(_) => return true,
                Err(Failed::TooLarge(why)) => {
                    let took_us = ended.took_us;
                    ended = ResultFrame { message: Some(why), took_us, ..ResultFrame::new(Outcome::Failed) };
                }
                Err(_) => sleep(again).await,
            }
            again = (again * 2).min(AGAIN_LONGEST);
        }
    }
}

/// A report as it is sent. `cut_off` is for how long the server was not heard, if that was too long.
fn result_of(report: RunReport, log: &RunLog, cut_off: Option<Duration>) -> ResultFrame {
    let RunReport { started, finished, mut outcome, mut message, output, mut result, not_started, .. } =
        report;
    if let Some(silent) = cut_off.filter(|_| outcome == Outcome::Cancelled) {
        outcome = Outcome::Interrupted;
        message =
            Some(format!("its worker was cut off from the NATS server for {silent:?}, and has stopped it"));
    }
    let size = result.as_ref().map_or(0, |result| payload(result).len());
    if size > LONGEST_RESULT {
        (outcome, result) = (Outcome::Failed, None);
        message = Some(format!(
            "the result has {size} bytes, and that of a run on a worker may have {LONGEST_RESULT}. Store it, and return its place"
        ));
    }
    let took = started.map(|started| (finished - started).num_microseconds().unwrap_or(0));
    let output = log.text_before(output).map(|output| end_of(output, 8 << 10));
    ResultFrame {
        version: VERSION,
        outcome,
        message,
        output,
        result,
        not_started,
        took_us: took.map(|took| u64::try_from(took).unwrap_or(0)),
        finished,
    }
}

/// The last bytes of a text, from the beginning of a character.
fn end_of(text: String, bytes: usize) -> String {
    if text.len() <= bytes {
        return text;
    }
    let from = (text.len() - bytes..text.len()).find(|at| text.is_char_boundary(*at));
    text[from.unwrap_or(text.len())..].to_owned()
}
