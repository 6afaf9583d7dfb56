//! Asks the operator on threads that may block, so that the thread that answers clients does not.

use std::sync::Arc;

use matins_control::protocol::Received;
use matins_control::{
    JobView, JobsRequest, Operator, PagePosition, Problem, ProblemKind, Request, RunPosition, RunView,
    RunsRequest,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

/// How many questions are asked at once: more would only wait for the same store.
pub(crate) const AT_ONCE: usize = 4;

/// Asks the operator, a few questions at a time.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    operator: Arc<Operator>,
    turns: Arc<Semaphore>,
}

/// A page of a list, and where the next one begins.
#[derive(Debug)]
pub(crate) struct Listed<T, P> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<P>,
}

impl Asker {
    pub(crate) fn new(operator: Arc<Operator>) -> Self {
        Self { operator, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks in a thread that may wait.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Question) -> Result<T, Problem> + Send + 'static,
        by: &str,
    ) -> Result<T, Problem> {
        let failed = || Problem::new(ProblemKind::Failed, "the server is ending; ask again later");
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| failed())?;
        let question = Question { operator: self.operator.clone(), by: by.to_owned() };
        let work = move || {
            let answer = ask(&question);
            drop(turn);
            answer
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer,
            Err(_) => Err(Problem::new(ProblemKind::Failed, "the answer could not be made; see the log")),
        }
    }

    /// Asks one request.
    pub(crate) async fn ask(&self, request: Request, by: &str) -> Result<Value, Problem> {
        self.with(|question| question.ask(request), by).await
    }
}

/// What somebody asks.
pub(crate) struct Question {
    pub(crate) operator: Arc<Operator>,
    by: String,
}

impl Question {
    /// Secrets are hidden in what is answered.
    fn answer(&self, request: Request, items: &mut Vec<Value>) -> Result<Value, Problem> {
        let received = Received { request, shows_secrets: false };
        let mut put = |item: Value| {
            items.push(item);
            true
        };
        self.operator.answer_received(received, &self.by, &[], &mut put)
    }

    pub(crate) fn ask(&self, request: Request) -> Result<Value, Problem> {
        self.answer(request, &mut Vec::new())
    }

    pub(crate) fn ask_for<T: DeserializeOwned>(&self, request: Request) -> Result<T, Problem> {
        read(self.ask(request)?)
    }

    fn list<T: DeserializeOwned, P: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<Listed<T, P>, Problem> {
        let mut items = Vec::new();
        let end = self.answer(request, &mut items)?;
        let next = end.get("next").cloned().map(read).transpose()?;
        Ok(Listed { items: items.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }

    pub(crate) fn jobs(&self, request: JobsRequest) -> Result<Listed<JobView, PagePosition>, Problem> {
        self.list(Request::Jobs(request))
    }

    pub(crate) fn runs(&self, request: RunsRequest) -> Result<Listed<RunView, RunPosition>, Problem> {
        self.list(Request::Runs(request))
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value)
        .map_err(|error| Problem::new(ProblemKind::Failed, format!("an answer cannot be read: {error}")))
}
