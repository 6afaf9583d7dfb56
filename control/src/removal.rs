//! Many jobs that are removed together: those that are named, or those that a prefix or a tag finds.

use matins_core::{JobId, JobQuery};
use serde_json::json;

use crate::operator::Done;
use crate::{HistoryEvent, Operator, Problem, RemoveManyRequest};

impl Operator {
    /// Removes jobs, a thousand in a commit, and answers how many. If a job that is named does not exist, none is removed.
    pub(crate) fn remove_many(&self, request: RemoveManyRequest, by: &str) -> Done {
        let RemoveManyRequest { jobs, prefix, tag } = request;
        let mut query = JobQuery::default().limit(1_000);
        (query.id_prefix, query.tag) = (prefix, tag);
        match (jobs.is_empty(), query.id_prefix.is_some() || query.tag.is_some()) {
            (false, false) => {
                for job in &jobs {
                    self.job(job)?;
                }
                Ok(json!({"jobs": self.remove_together(jobs, by)?}))
            }
            (true, true) => {
                let mut count = 0;
                loop {
                    let page = self.handle().list(&query)?;
                    if page.is_empty() {
                        return Ok(json!({"jobs": count}));
                    }
                    count += self.remove_together(page.into_iter().map(|(_, job)| job.id), by)?;
                }
            }
            _ => Err(Problem::bad(
                "name the jobs to remove in `jobs`, or give a `prefix` or a `tag`, not both",
            )),
        }
    }

    fn remove_together(
        &self,
        jobs: impl IntoIterator<Item = impl AsRef<str>>,
        by: &str,
    ) -> Result<usize, Problem> {
        let removed: Vec<JobId> = self.handle().remove_many(jobs)?.into_iter().map(|job| job.id).collect();
        for job in &removed {
            self.note(HistoryEvent::Removed { job: job.to_string() }, by);
        }
        Ok(removed.len())
    }
}
