//! Which runs a query asks for.

use matins_core::{Run, RunOrder, RunQuery};

/// Which runs a [`RunQuery`] asks for.
///
/// ```
/// use chrono::DateTime;
/// use matins_core::{JobId, Run, RunId, RunQuery};
/// use matins_store_query::RunQueryExt;
///
/// let run = Run::waiting(RunId(1), JobId::new("backup")?, DateTime::UNIX_EPOCH);
/// assert!(RunQuery::of_job(&run.job).unfinished().matches(&run));
/// assert!(!RunQuery::default().after(run.id).matches(&run));
/// # Ok::<(), matins_core::NameError>(())
/// ```
pub trait RunQueryExt {
    /// Returns whether `run` meets the conditions of the query, `after` included. Order and limit do not count.
    fn matches(&self, run: &Run) -> bool;
}

impl RunQueryExt for RunQuery {
    fn matches(&self, run: &Run) -> bool {
        self.job.as_ref().is_none_or(|job| run.job == *job)
            && self.outcome.is_none_or(|outcome| run.outcome == Some(outcome))
            && (!self.unfinished || run.outcome.is_none())
            && self.since.is_none_or(|since| run.fires.first >= since)
            && self.until.is_none_or(|until| run.fires.first < until)
            && self.after.is_none_or(|after| match self.order {
                RunOrder::NewestFirst => run.id < after,
                _ => run.id > after,
            })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use matins_core::{JobId, Outcome, RunId};

    use super::*;

    #[test]
    fn each_condition_leaves_out_what_does_not_meet_it() {
        let (epoch, hour) = (DateTime::UNIX_EPOCH, TimeDelta::hours(1));
        let run = |id, job, fire| Run::waiting(RunId(id), JobId::new(job).unwrap(), fire);
        let failed = run(3, "b", epoch + hour).with(|run| run.outcome = Some(Outcome::Failed));
        let runs = [run(1, "a", epoch - hour), run(2, "b", epoch), failed];
        let all = RunQuery::default;
        let cases: [(RunQuery, &[u64]); 8] = [
            (all(), &[1, 2, 3]),
            (RunQuery::of_job(&JobId::new("b").unwrap()), &[2, 3]),
            (all().outcome(Outcome::Failed), &[3]),
            (all().unfinished(), &[1, 2]),
            (all().since(epoch), &[2, 3]),
            // The end is not included.
            (all().since(epoch - hour).until(epoch), &[1]),
            (all().after(RunId(2)), &[3]),
            (all().order(RunOrder::NewestFirst).after(RunId(2)), &[1]),
        ];
        for (query, expected) in cases {
            let found: Vec<u64> = runs.iter().filter(|run| query.matches(run)).map(|run| run.id.0).collect();
            assert_eq!(found, expected, "{query:?}");
        }
    }
}
