//! A run as a row of a table.

use chrono::TimeDelta;
use matins::control::display as show;
use matins::control::{RunState, RunView};
use matins::triggers::Zone;

/// The columns of a table of runs.
pub const HEADING: [&str; 7] = ["RUN", "JOB", "DUE", "LATE", "TOOK", "OUTCOME", "MESSAGE"];

/// A run as a row under [`HEADING`], with times of the zone.
pub fn row(view: &RunView, zone: Zone) -> Vec<String> {
    let run = &view.run;
    let due = match run.fires.count {
        1 => show::local(run.scheduled(), zone),
        count => format!("{} and {} more", show::local(run.scheduled(), zone), count - 1),
    };
    let late = run.started.map(|started| show::span((started - run.scheduled()).max(TimeDelta::zero())));
    let took = run.started.zip(run.finished).map(|(from, to)| show::span((to - from).max(TimeDelta::zero())));
    let number = match &view.store {
        None => run.id.to_string(),
        Some(store) => format!("{} in {store}", run.id),
    };
    vec![
        number,
        run.job.to_string(),
        due,
        late.unwrap_or_default(),
        took.unwrap_or_default(),
        outcome(view).to_owned(),
        note(view),
    ]
}

/// What it follows, and the first line of its message.
fn note(view: &RunView) -> String {
    let message = view.run.message.as_deref().and_then(|message| message.lines().next());
    match (view.cause(), message) {
        (None, message) => message.unwrap_or_default().to_owned(),
        (Some(cause), None) => format!("after {cause}"),
        (Some(cause), Some(message)) => format!("after {cause}: {message}"),
    }
}

/// The outcome of a run, or what it does meanwhile.
pub fn outcome(view: &RunView) -> &'static str {
    match (view.run.outcome, view.state) {
        (Some(outcome), _) => outcome.as_str(),
        (None, Some(state)) => state.as_str(),
        // As a daemon of an earlier version answers.
        (None, None) if view.run.started.is_some() => RunState::Running.as_str(),
        (None, None) => RunState::Waiting.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use matins::{JobId, Run, RunId};

    use super::*;

    #[test]
    fn a_row_says_what_a_run_does_what_it_follows_and_in_which_store_it_is() {
        let due = "2026-11-25T10:00:00Z".parse().unwrap();
        let mut run = Run::waiting(RunId(7), JobId::new("report").unwrap(), due);
        run.cause = Some(RunId(1));
        let view = RunView {
            store: Some("archive".to_owned()),
            state: Some(RunState::Queued),
            cause_job: Some("dump".to_owned()),
            ..RunView::from(run)
        };
        let row = row(&view, Zone::utc());
        let expected = ["7 in archive", "report", "queued", "after run 1 of dump"];
        assert_eq!([&row[0], &row[1], &row[5], &row[6]], expected);
    }
}
