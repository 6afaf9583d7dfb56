//! What happens to fires of a job that are late, overlap or fail: a row for each part that it has.

use std::time::Duration;

use matins::{Backoff, Job, Overlap, Retry, Value};
use serde_json::json;

use super::job::runs_of_all;

/// The parts of a job's policy, each with its key and written as a configuration has it.
pub fn rows(job: &Job) -> Vec<(String, String)> {
    let policy = json!(job.policy);
    let parts = policy.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    parts.map(|(key, value)| (key.clone(), text(job, key, value))).collect()
}

fn text(job: &Job, key: &str, value: &Value) -> String {
    let policy = &job.policy;
    let span = |span: Option<Duration>| span.map(written).unwrap_or_default();
    match (key, value) {
        ("misfire_grace", _) => span(policy.misfire_grace),
        ("time_limit", _) => span(policy.time_limit),
        ("delay", _) => span(policy.delay),
        ("group", _) => policy.group.as_ref().map(ToString::to_string).unwrap_or_default(),
        ("max_runs", _) => runs_of_all(job).unwrap_or_default(),
        ("retry", _) => retry(&policy.retry),
        (_, Value::String(text)) => text.clone(),
        ("overlap", _) if matches!(policy.overlap, Overlap::Allow(_)) => {
            format!("{{ allow = {} }}", value["allow"])
        }
        (_, value) => value.to_string(),
    }
}

fn written(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

fn retry(retry: &Retry) -> String {
    let wait = match &retry.backoff {
        Backoff::Fixed(wait) => format!("wait = {:?}", written(*wait)),
        Backoff::Exponential { first, longest } => {
            format!("first = {:?}, longest = {:?}", written(*first), written(*longest))
        }
        other => format!("wait = {other:?}"),
    };
    let outcomes = if retry.outcomes == Retry::default().outcomes {
        String::new()
    } else {
        let words: Vec<&str> = retry.outcomes.iter().map(|outcome| outcome.as_str()).collect();
        format!(", after {}", words.join(", "))
    };
    format!("{{ times = {}, {wait} }}{outcomes}", retry.times)
}

#[cfg(test)]
mod tests {
    use matins::Outcome;

    use super::*;

    #[test]
    fn it_is_written_as_a_configuration_has_it() {
        let wait = Retry::times(3).backoff(Backoff::Fixed(Duration::from_secs(90)));
        assert_eq!(retry(&wait), "{ times = 3, wait = \"1m 30s\" }");
        let only = retry(&wait.after_outcomes([Outcome::TimedOut]));
        assert_eq!(only, "{ times = 3, wait = \"1m 30s\" }, after timed out");
        assert!(retry(&Retry::times(1)).starts_with("{ times = 1, first = \""));
        let trigger = std::sync::Arc::new(matins::triggers::NeverTrigger::new("never"));
        let now = chrono::DateTime::UNIX_EPOCH;
        let (id, task) = (matins::JobId::new("a").unwrap(), matins::TaskName::new("b").unwrap());
        let job = Job::new(id, task, trigger, None, now).with(|job| {
            job.policy.overlap = Overlap::Allow(2);
            job.policy.time_limit = Some(Duration::from_secs(60));
        });
        let rows = rows(&job);
        let row = |key: &str| rows.iter().find(|(name, _)| name == key).map(|(_, text)| text.as_str());
        assert_eq!(
            (row("overlap"), row("time_limit"), row("retry")),
            (Some("{ allow = 2 }"), Some("1m"), None)
        );
    }
}
