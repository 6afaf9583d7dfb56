//! What the other schedulers of a shared store have to do with a fire.

use std::collections::BTreeMap;

use matins_core::{Job, JobState, Member, Run, RunId, StoreName};

use super::question::Question;
use super::{Explanation, ExplanationKind};
use crate::{Operator, Problem};

/// The schedulers that share the store of a job, and who of them has begun which of its runs.
pub(super) struct Sharing {
    members: Vec<Member>,
    owners: BTreeMap<RunId, String>,
}

impl Sharing {
    /// Returns `None` for a store that is not shared.
    pub(super) fn of(operator: &Operator, store: &StoreName, runs: &[Run]) -> Result<Option<Self>, Problem> {
        let Some(members) = operator.members_of(store)? else { return Ok(None) };
        let runs: Vec<RunId> = runs.iter().map(|run| run.id).collect();
        Ok(Some(Self { members, owners: operator.owners(store, &runs)? }))
    }

    /// Whether one of them fires jobs.
    pub(super) fn is_any_alive(&self) -> bool {
        self.members.iter().any(Member::is_alive)
    }

    fn is_served(&self, job: &Job) -> bool {
        self.members
            .iter()
            .any(|member| member.is_alive() && member.served.includes(&job.task, &job.executor))
    }

    fn is_alive(&self, label: &str) -> bool {
        self.members.iter().any(|member| member.label == label && member.is_alive())
    }
}

impl Question {
    /// Says which scheduler has a run, and whether any can start the job.
    pub(super) fn with_sharing(&self, why: Explanation) -> Explanation {
        let Some(sharing) = &self.past.sharing else { return why };
        let run = why.run.and_then(|run| self.past.runs.iter().find(|known| known.id.0 == run));
        let mut said = self.said();
        said.join(&why.sentences);
        if let Some((run, node)) = run.and_then(|run| Some((run, sharing.owners.get(&run.id)?))) {
            said.say(match (run.outcome, sharing.is_alive(node)) {
                (Some(_), _) => format!("run {} was on {node}", run.id),
                (None, true) => format!("run {} is on {node}", run.id),
                (None, false) => format!(
                    "run {} is on {node}, which does not renew its lease any more: another scheduler takes the run over",
                    run.id
                ),
            });
            return said.into_answer(Explanation { node: Some(node.clone()), ..why });
        }
        let is_to_come = matches!(why.kind, ExplanationKind::Running | ExplanationKind::WillFire);
        let unserved = self
            .job
            .as_ref()
            .filter(|job| is_to_come && job.state == JobState::Active && !sharing.is_served(job));
        let Some(job) = unserved else { return why };
        if sharing.is_any_alive() {
            said.say(format!(
                "no scheduler that is running on its store has the task {} and the executor {}: start one that has both",
                job.task, job.executor
            ));
        } else {
            said.say("no scheduler is running on its store: start one, as with `matins run`".to_owned());
        }
        said.into_answer(Explanation { kind: ExplanationKind::NotServed, ..why })
    }
}
