//! Who begins a run: the one worker that creates its claim.

use std::time::Duration;

use async_nats::jetstream::Message;
use tokio::time::sleep;

use super::Shared;
use crate::names::Address;
use crate::protocol::{ClaimFrame, ResultFrame, VERSION};
use crate::server_calls::{Failed, Stored, read, store_first};

/// What a message is good for.
pub(super) enum Claimed {
    /// The run is this worker's: it begins.
    Begin,
    /// This worker has begun it, and has been given its message once more.
    Again,
    /// It is over, was taken back, or has another message.
    Drop,
    /// It was given to another worker later, and that one has it.
    Outdated,
    /// Its worker is lost.
    Lost(ResultFrame),
    /// Nothing can be said now: the server hands it out again.
    Later,
}

impl Shared {
    /// Claims a run.
    pub(super) async fn claim(&self, run: &Address, message: &Message, silence: Duration) -> Claimed {
        let Ok(info) = message.info() else { return Claimed::Drop };
        let (sequence, delivered) = (info.stream_sequence, u64::try_from(info.delivered).unwrap_or(1));
        let frame = ClaimFrame {
            version: VERSION,
            worker: Some(self.name.clone()),
            sequence: Some(sequence),
            delivered: Some(delivered),
            withdrawn: None,
        };
        let mut tries = 0;
        loop {
            match store_first(&self.jetstream, self.names.claim(run), &frame).await {
                Ok(Stored::New) => return Claimed::Begin,
                Ok(Stored::NotFirst) => break,
                // Whether it was stored is not known: then the next try finds it.
                Err(Failed::Again) if tries < 3 => tries += 1,
                Err(_) => return Claimed::Later,
            }
            sleep(silence / 30).await;
        }
        let claim: Option<ClaimFrame> =
            match read(&self.jetstream, self.names.claims(), self.names.claim(run)).await {
                Ok(claim) => claim,
                Err(_) => return Claimed::Later,
            };
        let Some(claim) = claim else { return Claimed::Later };
        match claim.worker {
            None => Claimed::Drop,
            Some(_) if claim.sequence != Some(sequence) => Claimed::Drop,
            Some(worker) if worker == self.name => {
                if self.lock().contains_key(&run.id) {
                    Claimed::Again
                } else if tries > 0 && claim.delivered == Some(delivered) {
                    // Not where another worker, which was given it since, has said that this one is lost.
                    match read::<ResultFrame>(&self.jetstream, self.names.results(), self.names.result(run))
                        .await
                    {
                        Ok(None) => Claimed::Begin,
                        Ok(Some(_)) => Claimed::Drop,
                        Err(_) => Claimed::Later,
                    }
                } else {
                    Claimed::Lost(ResultFrame::interrupted(format!(
                        "its worker {worker} was given the run, and was cut off before it could begin"
                    )))
                }
            }
            // This worker was cut off, or stopped, since it was given the message; the server has given it out again meanwhile.
            Some(_) if delivered <= claim.delivered.unwrap_or(1) => Claimed::Outdated,
            Some(worker) => Claimed::Lost(ResultFrame::interrupted(format!(
                "its worker {worker} is lost: the server has heard nothing from it for {silence:?}"
            ))),
        }
    }
}
