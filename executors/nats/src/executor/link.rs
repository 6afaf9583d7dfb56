//! An executor's connection: the streams that it creates, what it hears, and the runs that hear it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull, push};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, RawMessageErrorKind, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, Subscriber};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::roster::Roster;
use crate::names::{Address, Names, last_part};
use crate::protocol::{
    AliveFrame, CancelFrame, ClaimFrame, Note, NoteFrame, ResultFrame, RunFrame, VERSION, Withdrawn,
};
use crate::server_calls::{Failed, Stored, next, payload, read, store, store_first};
use crate::{NatsError, NatsServer};

/// A run's message is kept until a worker has ended it, and no longer than this.
pub(super) const KEEPS_RUNS: Duration = Duration::from_secs(24 * 3600);

/// Claims and results are kept longer than any message that they belong to, so that none is ever begun twice.
const KEEPS_CLAIMS: Duration = Duration::from_secs(25 * 3600);

/// Within this time the server drops a second message with the same id.
const SAME_MESSAGE: Duration = Duration::from_secs(120);

/// What is heard of a run.
pub(super) enum Heard {
    Note(Note),
    Ended(ResultFrame),
}

/// How much the streams hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) runs: Option<u32>,
    pub(super) replicas: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs: None, replicas: 1 }
    }
}

pub(crate) struct Link {
    pub(super) server: NatsServer,
    client: Client,
    jetstream: Context,
    names: Names,
    pub(super) roster: Roster,
    /// The tasks that have a consumer.
    consumers: tokio::sync::Mutex<HashSet<String>>,
    runs: Mutex<HashMap<String, UnboundedSender<Heard>>>,
    /// Of the streams, where they are to be created.
    limits: Limits,
    leaving: watch::Sender<bool>,
    /// What this executor's own signs of life come back as.
    name: String,
}

/// A run that is heard of; dropping it ends that.
pub(super) struct Registered {
    link: Arc<Link>,
    id: String,
}

impl Registered {
    pub(super) fn forget(&mut self) {
        self.link.lock().remove(&self.id);
    }
}

impl Link {
    pub(super) async fn open(
        server: NatsServer,
        names: Names,
        limits: Limits,
    ) -> Result<Arc<Self>, NatsError> {
        let client = server.connect("matins scheduler").await?;
        let jetstream = jetstream::new(client.clone());
        let link = Self {
            roster: Roster::new(server.silence()),
            name: client.new_inbox().rsplit('.').next().unwrap_or_default().to_owned(),
            client,
            jetstream,
            names,
            consumers: tokio::sync::Mutex::default(),
            runs: Mutex::default(),
            leaving: watch::Sender::new(false),
            limits,
            server,
        };
        link.create_streams(limits).await?;
        let link = Arc::new(link);
        link.listen().await?;
        Ok(link)
    }

    fn setup_failed(&self, doing: &str, source: impl std::error::Error + Send + Sync + 'static) -> NatsError {
        NatsError::Setup {
            doing: doing.to_owned(),
            server: self.server.to_string(),
            source: Box::new(source),
        }
    }

    async fn create_streams(&self, limits: Limits) -> Result<(), NatsError> {
        let base = Config {
            storage: StorageType::File,
            num_replicas: limits.replicas,
            discard: DiscardPolicy::New,
            max_messages: -1,
            max_bytes: -1,
            max_consumers: -1,
            max_message_size: -1,
            allow_direct: true,
            ..Config::default()
        };
        let runs = Config {
            name: self.names.runs(),
            subjects: vec![self.names.all_runs()],
            retention: RetentionPolicy::WorkQueue,
            max_messages: limits.runs.map_or(-1, i64::from),
            max_messages_per_subject: -1,
            max_age: KEEPS_RUNS,
            duplicate_window: SAME_MESSAGE,
            ..base.clone()
        };
        let results = Config {
            name: self.names.results(),
            subjects: vec![self.names.all_results()],
            max_messages_per_subject: 1,
            discard_new_per_subject: true,
            max_age: KEEPS_CLAIMS,
            ..base.clone()
        };
        let claims = Config {
            name: self.names.claims(),
            subjects: vec![self.names.all_claims()],
            max_messages_per_subject: 1,
            max_age: KEEPS_CLAIMS,
            allow_rollup: true,
            deny_delete: true,
            ..base
        };
        for stream in [runs, results, claims] {
            let name = stream.name.clone();
            let made = self.jetstream.get_or_create_stream(stream).await;
            made.map_err(|error| self.setup_failed(&format!("create the stream {name}"), error))?;
        }
        Ok(())
    }

    /// Hears what workers say, and what comes of runs.
    async fn listen(self: &Arc<Self>) -> Result<(), NatsError> {
        let subscribe = async |subject: String| {
            let doing = format!("subscribe to {subject}");
            self.client.subscribe(subject).await.map_err(|error| self.setup_failed(&doing, error))
        };
        let notes = subscribe(self.names.notes_of_pool()).await?;
        let alive = subscribe(self.names.alive("*")).await?;
        let results = self.names.results();
        let stream = self.jetstream.get_stream_no_info(&results).await;
        let stream = stream.map_err(|error| self.setup_failed("look at the stream of results", error))?;
        let config = push::OrderedConfig {
            deliver_subject: self.client.new_inbox(),
            filter_subject: self.names.results_of_pool(),
            deliver_policy: DeliverPolicy::New,
            ..push::OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await;
        let consumer = consumer.map_err(|error| self.setup_failed("read the stream of results", error))?;
        let results = consumer.messages().await;
        let results = results.map_err(|error| self.setup_failed("read the stream of results", error))?;
        tokio::spawn(self.clone().hear_notes(notes));
        tokio::spawn(self.clone().hear_alive(alive));
        tokio::spawn(self.clone().hear_results(results));
        tokio::spawn(self.clone().beat());
        Ok(())
    }

    async fn hear_notes(self: Arc<Self>, mut notes: Subscriber) {
        while let Some(message) = next(&mut notes).await {
            if let Ok(NoteFrame { note, .. }) = serde_json::from_slice(&message.payload) {
                self.tell(last_part(&message.subject), Heard::Note(note));
            }
        }
    }

    async fn hear_alive(self: Arc<Self>, mut alive: Subscriber) {
        while let Some(message) = next(&mut alive).await {
            let (worker, now) = (last_part(&message.subject), Instant::now());
            if worker == self.name {
                self.roster.hear_own(now);
            } else if let Ok(AliveFrame { runs, .. }) = serde_json::from_slice(&message.payload) {
                self.roster.hear(worker, runs, now);
            }
        }
    }

    async fn hear_results(self: Arc<Self>, mut results: push::Ordered) {
        // An error is one of reading again after the connection was lost, which is tried until it works.
        while let Some(message) = next(&mut results).await {
            let Ok(message) = message else { continue };
            if let Ok(ended) = serde_json::from_slice(&message.payload) {
                self.tell(last_part(&message.subject), Heard::Ended(ended));
            }
        }
    }

    /// Says that we are here, to hear whether anything can be heard.
    async fn beat(self: Arc<Self>) {
        let frame = payload(&AliveFrame { version: VERSION, runs: Vec::new() });
        loop {
            // Where it cannot be said, it is not heard.
            let _ = self.client.publish(self.names.alive(&self.name), frame.clone().into()).await;
            tokio::time::sleep(self.ack_wait() / 3).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, UnboundedSender<Heard>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, id: &str, heard: Heard) {
        if let Some(run) = self.lock().get(id) {
            // It has just ended.
            let _ = run.send(heard);
        }
    }

    /// Hears of a run from now on.
    pub(super) fn register(self: &Arc<Self>, run: &Address) -> (UnboundedReceiver<Heard>, Registered) {
        let (sender, receiver) = unbounded_channel();
        self.lock().insert(run.id.clone(), sender);
        (receiver, Registered { link: self.clone(), id: run.id.clone() })
    }

    pub(super) fn ack_wait(&self) -> Duration {
        self.server.silence()
    }

    pub(super) fn leave(&self) {
        self.leaving.send_replace(true);
    }

    pub(super) fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Waits until the executor lets go of its runs.
    pub(super) async fn left(&self) {
        let mut leaving = self.leaving.subscribe();
        // The sender is part of this.
        let _ = leaving.wait_for(|leaving| *leaving).await;
    }

    /// Has the server hand out the runs of a task.
    async fn create_consumer(&self, task: &str) -> Result<(), Failed> {
        let mut consumers = self.consumers.lock().await;
        if consumers.contains(task) {
            return Ok(());
        }
        let name = self.names.consumer(task);
        let config = pull::Config {
            durable_name: Some(name),
            filter_subject: self.names.run(task),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait(),
            max_deliver: -1,
            max_ack_pending: -1,
            ..pull::Config::default()
        };
        let stream = self.jetstream.get_stream_no_info(self.names.runs()).await.map_err(|_| Failed::Again)?;
        // An earlier one with another `ack_wait` has this one from now on.
        stream.create_consumer(config).await.map_err(|_| Failed::Again)?;
        consumers.insert(task.to_owned());
        Ok(())
    }

    /// Stores a run for the workers. The server takes the same run once, within two minutes; but for one whose first message it has lost.
    pub(super) async fn hand_over(
        &self,
        run: &Address,
        frame: &RunFrame,
        was_lost: bool,
    ) -> Result<u64, Failed> {
        self.create_consumer(&run.task).await?;
        let id = if was_lost { format!("{}-again", run.id) } else { run.id.clone() };
        let message = PublishMessage::build().payload(payload(frame).into()).message_id(id);
        match store(&self.jetstream, self.names.run(&run.task), message).await {
            Ok(sequence) => Ok(sequence),
            Err(error) => {
                if error.kind() == PublishErrorKind::StreamNotFound {
                    // Somebody has deleted it, and the consumers with it.
                    self.consumers.lock().await.clear();
                    let _ = self.create_streams(self.limits).await;
                }
                Err(error.into())
            }
        }
    }

    /// Returns whether the server still holds a run's message.
    pub(super) async fn holds(&self, sequence: u64) -> Result<bool, Failed> {
        let stream = self.jetstream.get_stream_no_info(self.names.runs()).await;
        let stream = stream.map_err(|_| Failed::Again)?;
        match stream.get_raw_message(sequence).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(false),
            Err(_) => Err(Failed::Again),
        }
    }

    /// Deletes the message of a run that was taken back. Where that fails, the next worker drops it.
    pub(super) async fn discard(&self, sequence: u64) {
        if let Ok(stream) = self.jetstream.get_stream_no_info(self.names.runs()).await {
            let _ = stream.delete_message(sequence).await;
        }
    }

    pub(super) async fn claim(&self, run: &Address) -> Result<Option<ClaimFrame>, Failed> {
        read(&self.jetstream, self.names.claims(), self.names.claim(run)).await
    }

    pub(super) async fn result(&self, run: &Address) -> Result<Option<ResultFrame>, Failed> {
        read(&self.jetstream, self.names.results(), self.names.result(run)).await
    }

    pub(super) async fn withdraw(&self, run: &Address, why: Withdrawn) -> Result<Stored, Failed> {
        let claim = ClaimFrame {
            version: VERSION,
            worker: None,
            sequence: None,
            delivered: None,
            withdrawn: Some(why),
        };
        store_first(&self.jetstream, self.names.claim(run), &claim).await
    }

    /// Ends a run whose worker is lost, unless it has ended.
    pub(super) async fn end(&self, run: &Address, ended: &ResultFrame) -> Result<Stored, Failed> {
        store_first(&self.jetstream, self.names.result(run), ended).await
    }

    pub(super) async fn ask_to_stop(&self, worker: &str, run: &Address) {
        let frame = CancelFrame { version: VERSION, id: run.id.clone() };
        // It is asked again.
        let _ = self.client.publish(self.names.cancel(worker), payload(&frame).into()).await;
    }
}
