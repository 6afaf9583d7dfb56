//! Runs that follow those of another job, and why there was none.

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{After, Job, MissedReason, Outcome, Run, RunId, RunOrder, RunQuery};

use super::question::Question;
use super::said::{self, Said};
use super::{Explanation, ExplanationKind};
use crate::{Operator, Problem};

/// What is known of the job that another one runs after.
pub(super) struct Followed {
    after: After,
    /// `None` if it is not there.
    job: Option<Job>,
    /// The newest first.
    runs: Vec<Run>,
}

impl Followed {
    pub(super) fn of(operator: &Operator, after: &After) -> Result<Self, Problem> {
        let query = RunQuery::of_job(&after.job).order(RunOrder::NewestFirst);
        let job = operator.handle().get(after.job.as_str())?;
        let store = operator.store_of(&after.job)?;
        Ok(Self { after: after.clone(), job, runs: operator.handle().runs_in(&store, &query)? })
    }

    /// The run that was in progress then, or else the last one before.
    fn run_at(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<&Run> {
        let begun = || self.runs.iter().filter(|run| run.scheduled() < until);
        let last = |run: &&Run| (run.scheduled(), run.attempt, run.id);
        let going = begun().filter(|run| run.finished.is_none_or(|finished| finished >= from));
        going.max_by_key(last).or_else(|| begun().max_by_key(last))
    }

    /// The last attempt at what a run is for.
    fn last_attempt<'a>(&'a self, run: &'a Run) -> &'a Run {
        let attempts = self
            .runs
            .iter()
            .filter(|other| other.scheduled() == run.scheduled() && other.manual == run.manual);
        attempts.max_by_key(|run| (run.attempt, run.id)).unwrap_or(run)
    }
}

/// How a run ended, and when: `succeeded at 04:30 on 29 March 2026`.
fn end(run: &Run, said: &Said<'_>) -> String {
    let at = run.finished.map(|at| format!(" at {}", said.instant(at))).unwrap_or_default();
    format!("{}{at}", run.outcome.map_or("is in progress", said::ended))
}

impl Question {
    /// What a run followed.
    pub(super) fn cause(&self, cause: RunId, said: &Said<'_>) -> String {
        let followed = self.followed.as_ref();
        match followed.and_then(|followed| followed.runs.iter().find(|run| run.id == cause)) {
            Some(run) => format!("it followed run {cause} of {}, which {}", run.job, end(run, said)),
            None => format!("it followed run {cause} of another job"),
        }
    }

    /// Explanation nothing of a job that runs after another is due then.
    pub(super) fn about_no_cause(&self, followed: &Followed, at: DateTime<Utc>) -> Explanation {
        let Followed { after, job, .. } = followed;
        let mut said = self.said();
        let own = self.job.as_ref().is_some_and(|job| job.next_fire.is_some());
        let times = if own { "" } else { ", and at no time of its own" };
        said.say(format!("{} runs {after}{times}", self.id));
        if at > self.now {
            match job {
                None => said.say(format!("there is no job {}", after.job)),
                Some(job) => {
                    if let Some(next) = job.next_fire {
                        said.say(format!("the next fire of {} is at {}", after.job, said.instant(next)));
                    }
                }
            }
            return self.answer(ExplanationKind::NotInTrigger, at, said);
        }
        let Some(run) = followed.run_at(at, at + self.within) else {
            said.say(match job {
                Some(_) => format!("no run of {} is recorded from before that", after.job),
                None => format!("there is no job {}, and no run of it is recorded", after.job),
            });
            return self.answer(ExplanationKind::NotFollowed, at, said);
        };
        let last = followed.last_attempt(run);
        if last.id != run.id {
            said.say(format!(
                "run {} of {} {}, and was tried again: of several attempts the last one counts",
                run.id,
                run.job,
                end(run, &said)
            ));
        }
        self.about_followed(after, last, at, said)
    }

    fn about_followed(&self, after: &After, run: &Run, at: DateTime<Utc>, mut said: Said<'_>) -> Explanation {
        let Run { id, job, .. } = run;
        let answer = |kind: ExplanationKind, said: Said<'_>| Explanation {
            cause: Some(id.0),
            ..self.answer(kind, at, said)
        };
        let Some(outcome) = run.outcome else {
            said.say(if self.past.is_up {
                format!("run {id} of {job} has not ended yet")
            } else {
                format!("run {id} of {job} had not ended when the scheduler went")
            });
            return answer(ExplanationKind::NotFollowed, said);
        };
        if let Outcome::Missed(reason) = outcome {
            let reason = MissedReason::describe(reason);
            let due = said.instant(run.scheduled());
            said.say(format!(
                "the fire of {job} at {due} was missed ({reason}): nothing follows what did not run"
            ));
            return answer(ExplanationKind::NotFollowed, said);
        }
        if !after.outcome.includes(outcome) {
            said.say(format!("run {id} of {job} {}, so that no run followed it", end(run, &said)));
            return answer(ExplanationKind::NotFollowed, said);
        }
        said.say(format!("run {id} of {job} {}", end(run, &said)));
        if let Some(following) = self.past.following(*id) {
            let what = self.about_run(following.scheduled(), following);
            said.join(&what.sentences);
            return said.into_answer(what);
        }
        let ended = run.finished.unwrap_or(at);
        if let Some(this) = &self.job {
            let why = self.before_it_was_there(this, ended);
            let why = why.or_else(|| self.about_pause(this, ended));
            if let Some(why) = why {
                said.join(&why.sentences);
                return said.into_answer(Explanation { cause: Some(id.0), ..why });
            }
        }
        said.say(format!("nothing is recorded of a run of {} after it", self.id));
        if let Some(edit) = self.past.edited_after(ended - TimeDelta::microseconds(1)) {
            said.say(format!("the job was changed at {} by {}", said.instant(edit.at), edit.by));
        }
        answer(ExplanationKind::NotRecorded, said)
    }
}
