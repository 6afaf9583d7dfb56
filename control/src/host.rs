//! What the process that serves a scheduler adds to the operator.

use std::collections::BTreeMap;
use std::path::PathBuf;

use matins_core::OnConflict;
use serde_json::{Map, Value};

use crate::{Operator, OrphanView, Problem, ProblemKind, Request, StopMode};

/// What a process adds to the [`Operator`] of its scheduler: requests that concern the process, and facts that only it knows.
///
/// Every method has a default, which is that of an application with a scheduler in it: it defines its jobs in code, and nobody
/// can stop it through the socket. Each default that refuses a request says so in its message. An application that allows more
/// implements the method:
///
/// ```
/// use matins_control::{Host, Operator, Problem, StopMode};
/// use matins_core::Shutdown;
/// use serde_json::{Value, json};
///
/// /// Lets `matins stop` shut the scheduler down.
/// struct Stoppable;
///
/// impl Host for Stoppable {
///     fn stop(&self, operator: &Operator, how: StopMode) -> Result<Value, Problem> {
///         operator.handle().request_shutdown(match how {
///             StopMode::Wait => Shutdown::Wait,
///             StopMode::Now => Shutdown::Now,
///         });
///         Ok(json!({"pid": std::process::id()}))
///     }
/// }
/// ```
///
/// A host with a configuration, files and commands of its own implements the other methods too:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::path::PathBuf;
///
/// use matins_control::{Host, Operator, OrphanView, Problem, ProblemKind, Request};
/// use matins_core::OnConflict;
/// use serde_json::{Map, Value, json};
///
/// /// Everybody may look, nobody may change anything, and files can be read again.
/// struct ReadOnly;
///
/// impl Host for ReadOnly {
///     fn refuse(&self, _: &Operator, request: &Request) -> Option<Problem> {
///         let is_allowed = request.is_read_only() || matches!(request, Request::Reload { .. });
///         (!is_allowed).then(|| Problem::new(ProblemKind::Forbidden, "look, and do not touch"))
///     }
///
///     fn fires_jobs(&self) -> bool {
///         true
///     }
///
///     fn add(&self, _: &Operator, job: &str, _: &Map<String, Value>, _: OnConflict, _: &str) -> Result<Value, Problem> {
///         Err(Problem::bad(format!("{job} cannot be added")))
///     }
///
///     fn edit(&self, _: &Operator, job: &str, _: &Map<String, Value>, _: &str) -> Result<Value, Problem> {
///         Err(Problem::bad(format!("{job} cannot be changed")))
///     }
///
///     fn reload(&self, _: &Operator, dry_run: bool) -> Result<Value, Problem> {
///         Ok(json!({"changes": [], "dry_run": dry_run}))
///     }
///
///     fn orphans(&self) -> Vec<OrphanView> {
///         Vec::new()
///     }
///
///     fn files_refused(&self) -> Option<String> {
///         None
///     }
///
///     fn store_files(&self) -> BTreeMap<String, u64> {
///         BTreeMap::from([("jobs.db".to_owned(), 4096)])
///     }
///
///     fn scratch_directory(&self) -> Option<PathBuf> {
///         Some("/var/tmp".into())
///     }
/// }
/// # use matins_scheduler::SchedulerBuilder;
/// # use matins_store_memory::MemoryStore;
/// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background().unwrap();
/// let operator = Operator::new(&scheduler.handle()).with_host(ReadOnly);
/// let ask = |request| operator.answer(request, "ada", &[], &mut |_item| true);
/// assert_eq!(ask(Request::Pause { job: "backup".to_owned() }).unwrap_err().kind, ProblemKind::Forbidden);
/// assert_eq!(ask(Request::Reload { dry_run: true }).unwrap()["dry_run"], true);
/// assert_eq!(ask(Request::Info).unwrap()["files"]["jobs.db"], 4096);
/// ```
pub trait Host: Send + Sync + 'static {
    /// Refuses a request, whatever it is, by returning a problem. By default, only an import is refused.
    fn refuse(&self, operator: &Operator, request: &Request) -> Option<Problem> {
        let what = "which adds its jobs in its code: jobs are imported only into the store of `matins run`";
        matches!(request, Request::Import { .. }).then(|| operator.unsupported(what))
    }

    /// Returns whether jobs fire in this process. By default, they do.
    fn fires_jobs(&self) -> bool {
        true
    }

    /// Adds a job. `keys` are those of a job in a configuration, and `by` is the client's user.
    ///
    /// # Errors
    /// By default, always.
    fn add(
        &self,
        operator: &Operator,
        job: &str,
        keys: &Map<String, Value>,
        on_conflict: OnConflict,
        by: &str,
    ) -> Result<Value, Problem> {
        let _ = (job, keys, on_conflict, by);
        Err(operator.unsupported(
            "which adds its jobs in its code: jobs are added only to the daemon of `matins run`",
        ))
    }

    /// Changes a job. `keys` are those of a job in a configuration, and `by` is the client's user.
    ///
    /// # Errors
    /// By default, always.
    fn edit(
        &self,
        operator: &Operator,
        job: &str,
        keys: &Map<String, Value>,
        by: &str,
    ) -> Result<Value, Problem> {
        let _ = (job, keys, by);
        Err(operator.unsupported(
            "which defines its jobs in its code: jobs are changed only in the daemon of `matins run`",
        ))
    }

    /// Reads configuration files again and applies what has changed, or reports it only.
    ///
    /// # Errors
    /// By default, always.
    fn reload(&self, operator: &Operator, dry_run: bool) -> Result<Value, Problem> {
        let _ = dry_run;
        Err(operator.unsupported(
            "which has no configuration or crontab to read again: only the daemon of `matins run` has",
        ))
    }

    /// Shuts the scheduler down.
    ///
    /// # Errors
    /// By default, always.
    fn stop(&self, operator: &Operator, how: StopMode) -> Result<Value, Problem> {
        let _ = how;
        let process = std::process::id();
        Err(operator.unsupported(&format!("which is not stopped from here: stop its process, {process}")))
    }

    /// Returns the commands that an earlier process has left running.
    fn orphans(&self) -> Vec<OrphanView> {
        Vec::new()
    }

    /// Returns why the configuration files were refused when they were read last, if they were.
    fn files_refused(&self) -> Option<String> {
        None
    }

    /// Returns the files of the store, with their lengths in bytes.
    fn store_files(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// Returns the directory for the temporary file of an export, or `None` for the system's.
    fn scratch_directory(&self) -> Option<PathBuf> {
        None
    }
}

/// The host of a scheduler in an application.
pub(crate) struct Application;

impl Host for Application {}

impl Operator {
    /// Returns the problem of a request that the application does not do. `why` is a clause about the application.
    ///
    /// ```
    /// use matins_control::Operator;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// let operator = Operator::new(&scheduler.handle()).with_application("reports");
    /// let problem = operator.unsupported("which has no configuration");
    /// assert_eq!(problem.to_string(), "the scheduler is embedded in reports, which has no configuration");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unsupported(&self, why: &str) -> Problem {
        let name = self.application().unwrap_or("this process");
        let message = format!("the scheduler is embedded in {name}, {why}");
        Problem::new(ProblemKind::Unsupported, message)
    }
}
