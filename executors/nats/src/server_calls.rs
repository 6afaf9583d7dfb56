//! What executors and workers ask of the server: messages that are stored once, and messages that are read again.

use std::future::poll_fn;
use std::pin::pin;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::DirectGetErrorKind;
use async_nats::jetstream::{self, Context, ErrorCode};
use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What came of a message that was to be stored.
#[derive(Debug)]
pub(crate) enum Stored {
    /// It was stored.
    New,
    /// There is one with its subject already.
    NotFirst,
}

/// Why a message could not be stored, or read.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The stream has no room.
    Full(String),
    /// It is more than the server takes.
    TooLarge(String),
    /// It may work when it is tried again.
    Again,
}

/// The codes of errors that say that there is no room: in the stream, the account, the server.
const NO_ROOM: [u64; 4] = [10077, 10002, 10023, 10047];

impl From<PublishError> for Failed {
    fn from(error: PublishError) -> Self {
        let code = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<jetstream::Error>())
            .map(jetstream::Error::error_code);
        match (error.kind(), code) {
            (PublishErrorKind::MaxPayloadExceeded, _) => Self::TooLarge(error.to_string()),
            (_, Some(ErrorCode(code))) if NO_ROOM.contains(&code) => Self::Full(error.to_string()),
            _ => Self::Again,
        }
    }
}

/// A frame as the payload of a message.
pub(crate) fn payload(frame: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(frame).unwrap_or_default()
}

/// Stores a message, unless one with its subject exists. Who is first stays first.
pub(crate) async fn store_first(
    jetstream: &Context,
    subject: String,
    frame: &impl Serialize,
) -> Result<Stored, Failed> {
    let message = PublishMessage::build().payload(payload(frame).into()).expected_last_subject_sequence(0);
    match store(jetstream, subject, message).await {
        Ok(_) => Ok(Stored::New),
        Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(Stored::NotFirst),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn store(
    jetstream: &Context,
    subject: String,
    message: PublishMessage,
) -> Result<u64, PublishError> {
    let stored = jetstream.send_publish(subject, message).await?.await?;
    Ok(stored.sequence)
}

/// Reads the message with this subject, if there is one.
///
/// One that cannot be read as such a frame counts as none: it is of a version that we do not know.
pub(crate) async fn read<T: DeserializeOwned>(
    jetstream: &Context,
    stream: String,
    subject: String,
) -> Result<Option<T>, Failed> {
    let stream = jetstream.get_stream_no_info(stream).await.map_err(|_| Failed::Again)?;
    match stream.direct_get_last_for_subject(subject).await {
        Ok(message) => Ok(serde_json::from_slice(&message.payload).ok()),
        Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
        Err(_) => Err(Failed::Again),
    }
}

/// The next of a stream.
pub(crate) async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| pin!(&mut *stream).poll_next(context)).await
}
