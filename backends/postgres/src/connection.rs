//! The connection to the database: made when it is needed, made again when it is lost, and used from any thread.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use matins_core::{RunId, StoreError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, Row};

use crate::PostgresOptions;
use crate::tls::connect;

/// How long an answer may take, in all. The server gives up a statement before that.
const ANSWER_WITHIN: Duration = Duration::from_secs(12);

/// A value for a statement, and its type. Types are given, so that no statement has to be prepared: a pool between the scheduler and the
/// server gives each transaction another connection.
pub(crate) type Parameter = (Box<dyn ToSql + Sync + Send>, Type);

/// A value for a statement.
pub(crate) fn parameter(value: impl ToSql + Sync + Send + 'static, kind: Type) -> Parameter {
    (Box::new(value), kind)
}

type Answer = Result<Vec<Row>, tokio_postgres::Error>;

/// Statements that are sent together. The server answers them in order.
#[derive(Default)]
pub(crate) struct Pipeline {
    statements: Vec<Statement>,
}

enum Statement {
    Query(Arc<str>, Vec<Parameter>),
    /// Several, separated by semicolons, without values and answers.
    Batch(Arc<str>),
}

impl Pipeline {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a statement. Returns where its answer will be.
    pub(crate) fn query(&mut self, sql: &Arc<str>, parameters: Vec<Parameter>) -> usize {
        self.statements.push(Statement::Query(sql.clone(), parameters));
        self.statements.len() - 1
    }

    /// Adds statements without values and answers.
    pub(crate) fn batch(&mut self, sql: &Arc<str>) -> usize {
        self.statements.push(Statement::Batch(sql.clone()));
        self.statements.len() - 1
    }

    /// Sends all of them, and returns all answers; the error of the first that failed.
    async fn send(self, client: Arc<Client>) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
        let mut pending: Vec<Pin<Box<dyn Future<Output = Answer> + Send>>> = Vec::new();
        for statement in self.statements {
            let client = client.clone();
            pending.push(Box::pin(async move {
                match statement {
                    Statement::Query(sql, parameters) => {
                        let parameters: Vec<(&(dyn ToSql + Sync), Type)> = parameters
                            .iter()
                            .map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone()))
                            .collect();
                        client.query_typed(&sql, &parameters).await
                    }
                    Statement::Batch(sql) => client.batch_execute(&sql).await.map(|()| Vec::new()),
                }
            }));
        }
        // Each sends its statement when it is first polled, so they are sent in order, before the first answer.
        let mut answers: Vec<Option<Answer>> = pending.iter().map(|_| None).collect();
        poll_fn(|context| {
            for (future, answer) in pending.iter_mut().zip(&mut answers) {
                if answer.is_none()
                    && let Poll::Ready(ready) = future.as_mut().poll(context)
                {
                    *answer = Some(ready);
                }
            }
            if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        answers.into_iter().flatten().collect()
    }
}

/// A thread that does the work of connections.
#[derive(Debug)]
struct Runtime {
    handle: Handle,
    /// Its end ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Runtime {
    fn start() -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(not_started)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("matins-postgres".to_owned())
            .spawn(move || runtime.block_on(stopped))
            .map_err(not_started)?;
        Ok(Self { handle, _stop: stop })
    }
}

fn not_started(source: std::io::Error) -> StoreError {
    StoreError::Backend {
        doing: "starting the thread that talks to PostgreSQL".to_owned(),
        source: source.into(),
    }
}

/// What is called with each notification: its payload.
pub(crate) type Notified = Box<dyn FnMut(&str) + Send>;

/// A way to the database.
pub(crate) struct Link {
    runtime: Runtime,
    options: Arc<PostgresOptions>,
    client: Option<Arc<Client>>,
    /// How often a connection was made.
    connected: u64,
}

impl Link {
    pub(crate) fn new(options: Arc<PostgresOptions>) -> Result<Self, StoreError> {
        Ok(Self { runtime: Runtime::start()?, options, client: None, connected: 0 })
    }

    /// How often a connection was made: another number tells of another connection.
    pub(crate) fn connected(&self) -> u64 {
        self.connected
    }

    /// The database, as it is shown.
    pub(crate) fn place(&self) -> String {
        self.options.to_string()
    }

    /// The role that it connects as.
    pub(crate) fn user(&self) -> String {
        self.options.user()
    }

    fn error(&self, doing: &str, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
        StoreError::Backend { doing: format!("{doing} in {}", self.options), source }
    }

    /// Drops the connection. The server rolls back what it had begun.
    pub(crate) fn disconnect(&mut self) {
        self.client = None;
    }

    fn client(&mut self) -> Result<Arc<Client>, StoreError> {
        if let Some(client) = self.client.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let client = Arc::new(self.open(None)?);
        self.connected += 1;
        self.client = Some(client.clone());
        Ok(client)
    }

    fn open(&self, notified: Option<Notified>) -> Result<Client, StoreError> {
        let failed =
            |source| StoreError::Backend { doing: format!("connecting to {}", self.options), source };
        let config = self.options.config().map_err(failed)?;
        let (options, runtime) = (self.options.clone(), self.runtime.handle.clone());
        let opened = self.wait(async move {
            let (client, driver) = connect(&options, &config, notified).await?;
            runtime.spawn(driver);
            Ok(client)
        });
        opened.unwrap_or_else(|late| Err(late.into())).map_err(failed)
    }

    /// Runs a future on the thread of the connection, and waits for it here. It works in and outside of asynchronous code.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Late> {
        let (done, answer) = mpsc::sync_channel(1);
        self.runtime.handle.spawn(async move {
            let finished = tokio::time::timeout(ANSWER_WITHIN, work).await;
            // Nobody may wait any more.
            let _ = done.send(finished.map_err(|_| Late));
        });
        answer.recv().unwrap_or(Err(Late))
    }

    /// Sends statements, and returns their answers.
    pub(crate) fn run(&mut self, doing: &str, pipeline: Pipeline) -> Result<Vec<Vec<Row>>, StoreError> {
        self.try_run(pipeline).map_err(|failed| self.failed(doing, failed))
    }

    /// Says what has failed.
    pub(crate) fn failed(&self, doing: &str, failed: RunError) -> StoreError {
        match failed {
            RunError::Connecting(error) => error,
            RunError::Late => self.error(doing, Late.into()),
            RunError::Lost => self.error(doing, "the connection was lost".into()),
            RunError::Postgres(error) => self.error(doing, error.into()),
        }
    }

    /// As [`run`](Self::run), with an error that tells what the server said.
    pub(crate) fn try_run(&mut self, pipeline: Pipeline) -> Result<Vec<Vec<Row>>, RunError> {
        let client = self.client().map_err(RunError::Connecting)?;
        let answered = self.wait(pipeline.send(client));
        match answered {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(error)) => {
                let failed = RunError::Postgres(error);
                if failed.is_lost() {
                    self.disconnect();
                }
                Err(failed)
            }
            Err(Late) => {
                // Whatever it still does, nobody knows: another connection is a clean start.
                self.disconnect();
                Err(RunError::Late)
            }
        }
    }

    /// As [`try_run`](Self::try_run), on this connection and no other: on another one, what was begun is not there any more.
    pub(crate) fn try_run_on(
        &mut self,
        connection: u64,
        pipeline: Pipeline,
    ) -> Result<Vec<Vec<Row>>, RunError> {
        let is_there = self.client.as_ref().is_some_and(|client| !client.is_closed());
        if self.connected == connection && is_there { self.try_run(pipeline) } else { Err(RunError::Lost) }
    }

    /// Sends one statement, and returns its answer.
    pub(crate) fn query(
        &mut self,
        doing: &str,
        sql: &Arc<str>,
        parameters: Vec<Parameter>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.query(sql, parameters);
        Ok(self.run(doing, pipeline)?.pop().unwrap_or_default())
    }

    /// Sends statements without values and answers.
    pub(crate) fn batch(&mut self, doing: &str, sql: &str) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.batch(&Arc::from(sql));
        self.run(doing, pipeline).map(drop)
    }

    /// Opens a second connection that listens.
    pub(crate) fn listen(&self, sql: &str, notified: Notified) -> Result<Listener, StoreError> {
        let client = Arc::new(self.open(Some(notified))?);
        let (listening, sql) = (client.clone(), sql.to_owned());
        let listened = self.wait(async move { listening.batch_execute(&sql).await });
        let failed = |source| self.error("listening for changes", source);
        listened.map_err(|late| failed(late.into()))?.map_err(|error| failed(error.into()))?;
        Ok(Listener { client })
    }
}

/// A connection that listens, until it is dropped.
pub(crate) struct Listener {
    client: Arc<Client>,
}

impl Listener {
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

/// The database has not answered in time.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no answer within {} s; is the server reachable?", ANSWER_WITHIN.as_secs())]
pub(crate) struct Late;

/// Why statements have no answers.
#[derive(Debug)]
pub(crate) enum RunError {
    Connecting(StoreError),
    Late,
    /// The connection on which the transaction was begun is gone.
    Lost,
    Postgres(tokio_postgres::Error),
}

impl RunError {
    /// The code of the error by which the server refused a statement.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Postgres(error) => error.code().map(tokio_postgres::error::SqlState::code),
            _ => None,
        }
    }

    /// The number in an error of a key that is taken.
    pub(crate) fn conflicting_key(&self) -> Option<RunId> {
        let Self::Postgres(error) = self else { return None };
        let (_, number) = error.as_db_error()?.detail()?.split_once("(id)=(")?;
        number.split_once(')')?.0.parse().ok().map(RunId)
    }

    /// Whether the connection was lost, so that it is not known what was done.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Postgres(error) => error.as_db_error().is_none_or(|error| {
                // The server shuts down, or an operator or a timeout has ended the session.
                error.code().code().starts_with("57P") || error.code().code() == "25P03"
            }),
            _ => true,
        }
    }
}

/// The work of a connection, and what its notifications go to.
pub(crate) async fn drive<S, T>(mut connection: Connection<S, T>, mut notified: Option<Notified>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let (AsyncMessage::Notification(notification), Some(notified)) = (message, &mut notified) {
            notified(notification.payload());
        }
    }
}
