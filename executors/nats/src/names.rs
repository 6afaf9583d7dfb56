//! The names of streams, consumers and subjects, and the id that a run has in them.

use matins_core::RunRequest;

/// A task's part of a subject may be as long as this: with the rest of its name, a consumer fits into a file name.
const LONGEST_TASK: usize = 150;

/// The names of one pool in one namespace.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    namespace: String,
    pool: String,
}

/// Where a run is found: the parts of subjects that are its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    /// The task, as a part of a subject.
    pub(crate) task: String,
    /// The run, as a part of a subject.
    pub(crate) id: String,
}

impl Names {
    /// `None` if one of the two cannot be part of a subject as it is.
    pub(crate) fn new(namespace: &str, pool: &str) -> Option<Self> {
        let is_plain = |name: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            (1..=32).contains(&name.len()) && name.chars().all(is_plain)
        };
        (is_plain(namespace) && is_plain(pool))
            .then(|| Self { namespace: namespace.to_owned(), pool: pool.to_owned() })
    }

    /// The stream of the runs that wait for a worker or are in progress.
    pub(crate) fn runs(&self) -> String {
        format!("matins_{}_runs", self.namespace)
    }

    /// The stream of the results: the first one of each run.
    pub(crate) fn results(&self) -> String {
        format!("matins_{}_results", self.namespace)
    }

    /// The stream behind the key-value bucket of the claims.
    pub(crate) fn claims(&self) -> String {
        format!("KV_{}", self.bucket())
    }

    fn bucket(&self) -> String {
        format!("matins_{}_claims", self.namespace)
    }

    /// The subjects of all runs, results and claims of the namespace.
    pub(crate) fn all_runs(&self) -> String {
        format!("matins.{}.run.>", self.namespace)
    }

    pub(crate) fn all_results(&self) -> String {
        format!("matins.{}.result.>", self.namespace)
    }

    pub(crate) fn all_claims(&self) -> String {
        format!("$KV.{}.>", self.bucket())
    }

    /// The consumer that hands out the runs of a task. A pool has no `=` in it, so that no two have one name.
    pub(crate) fn consumer(&self, task: &str) -> String {
        format!("{}={task}", self.pool)
    }

    pub(crate) fn run(&self, task: &str) -> String {
        format!("matins.{}.run.{}.{task}", self.namespace, self.pool)
    }

    pub(crate) fn claim(&self, run: &Address) -> String {
        format!("$KV.{}.{}.{}.{}", self.bucket(), self.pool, run.task, run.id)
    }

    pub(crate) fn result(&self, run: &Address) -> String {
        format!("matins.{}.result.{}.{}.{}", self.namespace, self.pool, run.task, run.id)
    }

    pub(crate) fn results_of_pool(&self) -> String {
        format!("matins.{}.result.{}.>", self.namespace, self.pool)
    }

    pub(crate) fn note(&self, run: &Address) -> String {
        format!("matins.{}.note.{}.{}.{}", self.namespace, self.pool, run.task, run.id)
    }

    pub(crate) fn notes_of_pool(&self) -> String {
        format!("matins.{}.note.{}.>", self.namespace, self.pool)
    }

    pub(crate) fn alive(&self, who: &str) -> String {
        format!("matins.{}.alive.{}.{who}", self.namespace, self.pool)
    }

    pub(crate) fn cancel(&self, worker: &str) -> String {
        format!("matins.{}.cancel.{}.{worker}", self.namespace, self.pool)
    }
}

/// The last part of a subject: a run's id, or who says something.
pub(crate) fn last_part(subject: &str) -> &str {
    subject.rsplit('.').next().unwrap_or_default()
}

/// The task as a part of a subject: what is not a letter, a digit, `-` or `_` is written as `=` and the two hexadecimal digits of each
/// byte. `None` if it is too long then.
pub(crate) fn task_part(task: &str) -> Option<String> {
    let part = encoded(task);
    (part.len() <= LONGEST_TASK).then_some(part)
}

fn encoded(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("={byte:02X}"));
        }
    }
    part
}

/// The id of a run: of all runs of all time the only one in its namespace, and the same after a restart of its scheduler.
pub(crate) fn id_of(run: &RunRequest) -> String {
    format!("{}-{}-{}", encoded(run.store.as_str()), run.run, run.recorded.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_one_part_of_a_subject_and_no_other_task() {
        assert_eq!(task_part("send_report-2").as_deref(), Some("send_report-2"));
        assert_eq!(task_part("a.b >*=").as_deref(), Some("a=2Eb=20=3E=2A=3D"));
        assert_eq!(task_part("ü").as_deref(), Some("=C3=BC"));
        assert_eq!(task_part(&"ü".repeat(100)), None);
    }

    #[test]
    fn names_that_are_no_part_of_a_subject_are_refused() {
        for name in ["", "a.b", "a b", "a*", "a>", "ä", "a=b", &"x".repeat(33)] {
            assert!(Names::new(name, "default").is_none() && Names::new("app", name).is_none(), "{name:?}");
        }
        let names = Names::new("app", "gpu").unwrap();
        assert_eq!(names.run("t"), "matins.app.run.gpu.t");
        assert_eq!(
            last_part(&names.result(&Address { task: "t".into(), id: "default-1-0".into() })),
            "default-1-0"
        );
    }
}
