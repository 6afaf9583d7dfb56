//! How a worker gets runs: it asks for as many as it has places for, and gives back what has no place by then.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::{AckKind, Message};
use matins_core::Executor;
use tokio::time::{sleep, timeout};

use super::{Shared, run};
use crate::server_calls::next;

/// The server keeps a request for runs so long.
const ASKS_FOR: Duration = Duration::from_secs(5);

/// A task that no scheduler has handed over yet is looked for at longer and longer intervals.
const LOOK_FIRST: Duration = Duration::from_millis(50);
const LOOK_LONGEST: Duration = Duration::from_secs(2);

/// At most so many runs at a time.
const MOST_AT_A_TIME: usize = 64;

/// Takes runs of a task until the worker stops.
pub(super) async fn take_runs(shared: Arc<Shared>, executor: Arc<Mutex<Box<dyn Executor>>>, task: String) {
    let mut draining = shared.draining.subscribe();
    tokio::select! {
        biased;
        _ = draining.wait_for(|draining| *draining) => {}
        () = take_for_ever(&shared, &executor, &task) => {}
    }
}

async fn take_for_ever(shared: &Arc<Shared>, executor: &Arc<Mutex<Box<dyn Executor>>>, task: &str) {
    loop {
        let consumer = consumer(shared, task).await;
        // Where the server does not know it any more, it is looked for again.
        while let Ok(places) = shared.places.acquire().await {
            drop(places);
            if take_some(shared, executor, task, &consumer).await.is_err() {
                sleep(LOOK_FIRST).await;
                break;
            }
        }
    }
}

/// What hands out the runs of a task. The executor that hands over the first of them creates it.
async fn consumer(shared: &Shared, task: &str) -> Consumer<pull::Config> {
    let mut again = LOOK_FIRST;
    loop {
        let (name, stream) = (shared.names.consumer(task), shared.names.runs());
        match shared.jetstream.get_consumer_from_stream(name, stream).await {
            Ok(consumer) => return consumer,
            Err(_) => sleep(again).await,
        }
        again = (again * 2).min(LOOK_LONGEST);
    }
}

async fn take_some(
    shared: &Arc<Shared>,
    executor: &Arc<Mutex<Box<dyn Executor>>>,
    task: &str,
    consumer: &Consumer<pull::Config>,
) -> Result<(), ()> {
    let count = shared.places.available_permits().clamp(1, MOST_AT_A_TIME);
    let batch = consumer.batch().max_messages(count).expires(ASKS_FOR).messages().await;
    let mut batch = batch.map_err(drop)?;
    // The server ends the request; where it has gone away, nobody does.
    while let Ok(message) = timeout(ASKS_FOR * 2, next(&mut batch)).await {
        match message {
            Some(Ok(message)) => begin(shared, executor, task, message).await,
            Some(Err(_)) => return Err(()),
            None => return Ok(()),
        }
    }
    Err(())
}

async fn begin(shared: &Arc<Shared>, executor: &Arc<Mutex<Box<dyn Executor>>>, task: &str, message: Message) {
    match shared.places.clone().try_acquire_owned() {
        Ok(place) => {
            tokio::spawn(run::handle(shared.clone(), executor.clone(), task.to_owned(), message, place));
        }
        // Another task has taken the last place: another worker may have one.
        Err(_) => drop(message.ack_with(AckKind::Nak(None)).await),
    }
}
