//! What a run prints, sent while it prints it.

use std::time::Duration;

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use matins_control::{OutputNews, OutputSoFar, Problem, Request, RunState, RunView};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::Query;
use super::runs::StoreQuery;
use super::views::Run;
use crate::access::Who;
use crate::ask::Asker;
use crate::events::{self, HEARTBEAT};
use crate::problem::{ProblemDocument, Refusal};
use crate::routes::Listeners;

/// How often the scheduler is asked for what is new.
const PAUSE: Duration = Duration::from_millis(300);

/// Sends what a run prints, as server-sent events.
///
/// `output` has `{"output": ...}`, all that is kept so far, or `{"append": ...}`, what follows it. `state` has `{"state": ...}` when
/// the run begins. `ended` has the run, without its output, and is the last.
#[utoipa::path(get, path = "/runs/{id}/output", operation_id = "follow_output", tag = "runs", params(("id" = u64, Path), StoreQuery),
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn follow(
    State(asker): State<Asker>,
    State(listeners): State<Listeners>,
    Extension(Who(by)): Extension<Who>,
    Path(run): Path<u64>,
    Query(StoreQuery { store }): Query<StoreQuery>,
) -> Result<Response, Refusal> {
    let place = listeners.take()?;
    let watched = Watched { asker, by, request: Request::Run { run, store } };
    let first = watched.ask().await?;
    let (sender, texts) = mpsc::channel(1);
    tokio::spawn(watched.send_all(first, sender));
    Ok(events::stream(texts, place))
}

/// A run that a client watches.
struct Watched {
    asker: Asker,
    by: String,
    request: Request,
}

impl Watched {
    async fn ask(&self) -> Result<RunView, Problem> {
        let request = self.request.clone();
        self.asker.with(|question| question.ask_for(request), &self.by).await
    }

    /// Sends what is new until the run has ended, it is removed, or the client is gone.
    async fn send_all(self, first: RunView, to: mpsc::Sender<String>) {
        let (mut view, mut seen) = (first, Seen::default());
        let mut last_sent = Instant::now();
        loop {
            let mut text = seen.news_of(&mut view);
            let has_ended = view.run.outcome.is_some();
            if has_ended {
                text += &event("ended", &Run::from(view));
            } else if text.is_empty() && last_sent.elapsed() >= HEARTBEAT {
                text.push_str(": nothing is new\n\n");
            }
            if !text.is_empty() {
                if to.send(text).await.is_err() {
                    return;
                }
                last_sent = Instant::now();
            }
            if has_ended || to.is_closed() {
                return;
            }
            sleep(PAUSE).await;
            view = match self.ask().await {
                Ok(view) => view,
                Err(_) => return,
            };
        }
    }
}

/// What a client has been sent.
#[derive(Default)]
struct Seen {
    output: OutputSoFar,
    has_output: bool,
    state: Option<RunState>,
}

impl Seen {
    /// Takes the output out of a view. Returns the events for what the client does not have yet.
    fn news_of(&mut self, view: &mut RunView) -> String {
        let mut text = String::new();
        if view.state != self.state {
            self.state = view.state;
            if let Some(state) = view.state {
                text += &event("state", &json!({"state": state.as_str()}));
            }
        }
        let output = view.run.output.take().unwrap_or_default();
        let is_first = !self.has_output;
        self.has_output |= !output.is_empty();
        if let Some(news) = self.output.take_up(output) {
            let data = match news {
                OutputNews::Appended(rest) if !is_first => json!({"append": rest}),
                OutputNews::Appended(output) | OutputNews::Replaced { output, .. } => {
                    json!({"output": output})
                }
            };
            text += &event("output", &data);
        }
        text
    }
}

fn event(name: &str, data: &impl Serialize) -> String {
    // What the API answers is always JSON.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use matins_core::{JobId, Run as Row, RunId};

    use super::*;

    #[test]
    fn a_client_is_sent_what_it_does_not_have_yet() {
        let due = "2026-11-25T10:00:00Z".parse().unwrap();
        let view = |output: &str| {
            let row = Row::started(RunId(7), JobId::new("report").unwrap(), due, due);
            RunView {
                state: Some(RunState::Running),
                ..RunView::from(row.with(|row| row.output = Some(output.to_owned())))
            }
        };
        let mut seen = Seen::default();
        let news = seen.news_of(&mut view("one\n"));
        assert_eq!(
            news,
            "event: state\ndata: {\"state\":\"running\"}\n\nevent: output\ndata: {\"output\":\"one\\n\"}\n\n"
        );
        assert_eq!(seen.news_of(&mut view("one\n")), "");
        let news = seen.news_of(&mut view("one\ntwo"));
        assert_eq!(news, "event: output\ndata: {\"append\":\"two\"}\n\n");
        let news = seen.news_of(&mut view("[the first 3 bytes are left out]\ntwo"));
        assert!(news.contains("{\"output\":\"[the first"), "{news}");
    }
}
