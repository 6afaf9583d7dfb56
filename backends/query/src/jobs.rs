//! Which jobs a query asks for.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use matins_core::{Job, JobId, JobQuery};

/// Which jobs a [`JobQuery`] asks for.
///
/// ```
/// use matins_core::{Job, JobQuery, JobState};
/// use matins_store_query::JobQueryExt;
///
/// fn paused(jobs: Vec<Job>) -> Vec<Job> {
///     JobQuery::default().state(JobState::Paused).select(jobs)
/// }
/// ```
pub trait JobQueryExt {
    /// Returns whether `job` meets the conditions of the query. Order, `after` and limit do not count.
    ///
    /// ```
    /// use matins_core::{Job, JobQuery};
    /// use matins_store_query::JobQueryExt;
    ///
    /// fn count_tagged(jobs: &[Job], tag: &str) -> usize {
    ///     let query = JobQuery::default().tag(tag);
    ///     jobs.iter().filter(|job| query.matches(job)).count()
    /// }
    /// assert_eq!(count_tagged(&[], "disk"), 0);
    /// ```
    fn matches(&self, job: &Job) -> bool;

    /// Returns whether a job with this next fire time and this id comes after the place at which the query begins.
    ///
    /// ```
    /// use matins_core::{JobId, JobPosition, JobQuery};
    /// use matins_store_query::JobQueryExt;
    ///
    /// let (b, c) = (JobId::new("b")?, JobId::new("c")?);
    /// let query = JobQuery::default().after(JobPosition { id: b.clone(), next_fire: None });
    /// assert!(query.is_after(None, &c) && !query.is_after(None, &b));
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    fn is_after(&self, next_fire: Option<DateTime<Utc>>, id: &JobId) -> bool;

    /// Returns the jobs of `jobs` that the query asks for, in its order, from its place on and as many as it wants.
    fn select(&self, jobs: impl IntoIterator<Item = Job>) -> Vec<Job>;
}

impl JobQueryExt for JobQuery {
    fn matches(&self, job: &Job) -> bool {
        self.id_prefix.as_ref().is_none_or(|prefix| job.id.as_str().starts_with(prefix.as_str()))
            && self.task.as_ref().is_none_or(|task| job.task == *task)
            && self.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
            && self.metadata_key.as_ref().is_none_or(|key| job.metadata.contains_key(key))
            && self.state.is_none_or(|state| job.state == state)
            && (!self.follows || job.trigger.after().is_some())
            && self.due_before.is_none_or(|before| job.next_fire.is_some_and(|fire| fire < before))
    }

    fn is_after(&self, next_fire: Option<DateTime<Utc>>, id: &JobId) -> bool {
        self.after.as_ref().is_none_or(|after| {
            self.order.compare((next_fire, id), (after.next_fire, &after.id)) == Ordering::Greater
        })
    }

    fn select(&self, jobs: impl IntoIterator<Item = Job>) -> Vec<Job> {
        let is_wanted = |job: &Job| self.matches(job) && self.is_after(job.next_fire, &job.id);
        let mut jobs: Vec<Job> = jobs.into_iter().filter(is_wanted).collect();
        jobs.sort_by(|a, b| self.order.compare((a.next_fire, &a.id), (b.next_fire, &b.id)));
        jobs.truncate(self.limit.unwrap_or(usize::MAX));
        jobs
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use matins_core::{AfterOutcome, JobOrder, JobPosition, JobState, TaskName};
    use matins_triggers::{AfterTrigger, DateTrigger};

    use super::*;

    /// Due at the beginning of 1970.
    fn job(id: &str) -> Job {
        let epoch = DateTime::UNIX_EPOCH;
        let trigger = Arc::new(DateTrigger::new(epoch));
        Job::new(JobId::new(id).unwrap(), TaskName::new("work").unwrap(), trigger, Some(epoch), epoch)
    }

    fn all() -> JobQuery {
        JobQuery::default()
    }

    #[test]
    fn each_condition_leaves_out_what_does_not_meet_it() {
        let epoch = DateTime::UNIX_EPOCH;
        let named = JobId::new("backup").unwrap();
        let other_task = job("other").with(|job| job.task = TaskName::new("play").unwrap());
        let tagged = job("tagged").with(|job| job.tags.extend(["disk".to_owned()]));
        let owned = job("owned").with(|job| job.metadata.extend([("owner".to_owned(), "Ada".into())]));
        let paused = job("paused").with(|job| job.state = JobState::Paused);
        let later = job("later").with(|job| job.next_fire = Some(epoch + TimeDelta::seconds(1)));
        let follower = job("follower").with(|job| {
            (job.trigger, job.next_fire) = (Arc::new(AfterTrigger::new(named, AfterOutcome::Any)), None);
        });
        let jobs = [job("backup"), other_task, tagged, owned, paused, later, follower];
        let cases = [
            (all(), "backup other tagged owned paused later follower"),
            (all().id_prefix("o"), "other owned"),
            (all().task(TaskName::new("play").unwrap()), "other"),
            (all().tag("disk"), "tagged"),
            (all().metadata_key("owner"), "owned"),
            (all().state(JobState::Paused), "paused"),
            (all().follows(), "follower"),
            (all().due_before(epoch), ""),
            (all().due_before(epoch + TimeDelta::nanoseconds(1)), "backup other tagged owned paused"),
            (all().tag("disk").state(JobState::Paused), ""),
        ];
        for (query, expected) in cases {
            let found: Vec<&str> =
                jobs.iter().filter(|job| query.matches(job)).map(|job| job.id.as_str()).collect();
            assert_eq!(found.join(" "), expected, "{query:?}");
        }
    }

    #[test]
    fn pages_have_each_job_once_in_the_order_that_was_asked_for() {
        let later = job("a").with(|job| job.next_fire = job.next_fire.map(|fire| fire + TimeDelta::hours(1)));
        let jobs = [later, job("c"), job("d").with(|job| job.next_fire = None), job("b")];
        for (order, expected) in [(JobOrder::Id, "a b c d"), (JobOrder::NextFire, "b c a d")] {
            for limit in 1..=5 {
                let (mut query, mut ids) = (all().order(order).limit(limit), Vec::new());
                loop {
                    let page = query.select(jobs.clone());
                    assert!(page.len() <= limit);
                    let Some(last) = page.last() else { break };
                    query.after = Some(JobPosition::of(last));
                    ids.extend(page.into_iter().map(|job| job.id.as_str().to_owned()));
                }
                assert_eq!(ids.join(" "), expected, "{order:?}, {limit} in a page");
            }
        }
    }
}
