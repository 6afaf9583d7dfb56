//! Server-sent events: what happens, sent to all clients that listen.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use hyper::body::{Bytes, Frame};
use matins_control::{EventView, Operator, secrets};
use matins_scheduler::SchedulerState;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};

/// How many events a client may be behind. Further events are dropped, and it is sent their number.
const BEHIND: usize = 256;

/// How often a client is sent something while nothing happens, so that one that has gone is noticed.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);

pub(crate) type Events = broadcast::Sender<Arc<str>>;

/// Begins to pass events on, on a thread of its own that ends with the scheduler.
pub(crate) fn follow(operator: &Arc<Operator>) -> std::io::Result<Events> {
    let (sender, _) = broadcast::channel(BEHIND);
    let (operator, events) = (operator.clone(), sender.clone());
    let subscribed = operator.handle().subscribe();
    let pass_on = move || {
        while operator.handle().state() != SchedulerState::ShutDown {
            let Some(event) = subscribed.next_within(Duration::from_secs(1)) else { continue };
            if sender.receiver_count() == 0 {
                continue;
            }
            let Some(view) = EventView::of(event) else { continue };
            let Ok(mut value) = serde_json::to_value(view.at(operator.now())) else { continue };
            secrets::hide(&mut value);
            let name = value.get("event").and_then(|name| name.as_str()).unwrap_or("event");
            let _ = sender.send(format!("event: {name}\ndata: {value}\n\n").into());
        }
    };
    thread::Builder::new().name("matins-http-events".to_owned()).spawn(pass_on)?;
    Ok(events)
}

/// Answers with the events from now on.
pub(crate) fn response(events: &Events, place: OwnedSemaphorePermit) -> Response {
    let receiver = events.subscribe();
    let first: Arc<str> = "retry: 2000\n\n".into();
    let next = next(receiver);
    answer(EventStream { first: Some(first), next: Box::pin(next), _place: place })
}

/// Answers with the texts of a channel.
pub(crate) fn stream(texts: mpsc::Receiver<String>, place: OwnedSemaphorePermit) -> Response {
    answer(TextStream { texts, _place: place })
}

fn answer(stream: impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + 'static) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::new(http_body_util::StreamBody::new(stream))).into_response()
}

struct TextStream {
    texts: mpsc::Receiver<String>,
    _place: OwnedSemaphorePermit,
}

impl Stream for TextStream {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.texts.poll_recv(context).map(|text| text.map(|text| Ok(Frame::data(Bytes::from(text)))))
    }
}

type Receiver = broadcast::Receiver<Arc<str>>;

/// The next text to send, and where further ones come from; `None` at the end.
async fn next(mut receiver: Receiver) -> Option<(Arc<str>, Receiver)> {
    let text = match tokio::time::timeout(HEARTBEAT, receiver.recv()).await {
        Ok(Ok(text)) => text,
        Ok(Err(RecvError::Lagged(count))) => {
            format!("event: lost\ndata: {{\"event\":\"lost\",\"count\":{count}}}\n\n").into()
        }
        Ok(Err(RecvError::Closed)) => return None,
        Err(_) => ": nothing has happened\n\n".into(),
    };
    Some((text, receiver))
}

type Next = Pin<Box<dyn Future<Output = Option<(Arc<str>, Receiver)>> + Send>>;

struct EventStream {
    first: Option<Arc<str>>,
    next: Next,
    _place: OwnedSemaphorePermit,
}

impl Stream for EventStream {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frame = |text: &str| Some(Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes()))));
        if let Some(first) = self.first.take() {
            return Poll::Ready(frame(&first));
        }
        let Poll::Ready(ready) = self.next.as_mut().poll(context) else { return Poll::Pending };
        let Some((text, receiver)) = ready else { return Poll::Ready(None) };
        self.next = Box::pin(next(receiver));
        Poll::Ready(frame(&text))
    }
}
