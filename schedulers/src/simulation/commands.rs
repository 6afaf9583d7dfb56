//! Commands of the simulation: jobs are added, changed, paused, resumed and removed, and the model hears of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use matins_core::{
    Backoff, Coalesce, JobId, JobStore, OnConflict, OnExhausted, OnInterrupt, Overlap, Retry, Trigger,
};
use matins_triggers::{CronTrigger, IntervalTrigger, JitterTrigger};

use super::Simulation;
use super::fragile::Fragile;
use super::groups::group;
use super::model::Known;
use crate::add_commands::AddOutcome;
use crate::schedule::Schedule;

impl Simulation {
    fn trigger(&mut self) -> Arc<dyn Trigger> {
        let cron = |text: &str| -> Arc<dyn Trigger> { Arc::new(CronTrigger::parse(text, "UTC").unwrap()) };
        let which = self.below(3) as usize;
        let period = TimeDelta::seconds((1 + self.below(40) as i64) * self.scale);
        let trigger: Arc<dyn Trigger> = match self.below(8) {
            0 | 1 => cron(match self.scale {
                1 => ["*/7 * * * * *", "5,40 * * * * *", "* * * * * *"][which],
                60 => ["0 */7 * * * *", "0 5,40 * * * *", "0 * * * * *"][which],
                _ => ["0 0 */7 * * *", "0 30 * * * *", "0 0 * * * *"][which],
            }),
            // Fixed local times.
            2 | 3 => cron(match self.scale {
                1 => ["0 0,20,40 0-4 * * *", "*/10 5 0,1,2,12 * * *", "0 30 1,2 * * *"][which],
                _ => ["0 30 */4 * * *", "0 0,30 1,2,3,9 * * *", "0 0 9 * * MON"][which],
            }),
            // As `every` makes it of a period without a start.
            4 => Arc::new(IntervalTrigger::new(self.now() + period, period).unwrap()),
            5 => {
                let of = IntervalTrigger::new(self.now() - period, period).unwrap();
                let seed = self.below(1_000);
                Arc::new(JitterTrigger::new(Arc::new(of), period / 3, seed).unwrap())
            }
            _ => {
                let start = self.now() - self.seconds(50);
                let trigger = IntervalTrigger::new(start, period).unwrap();
                match self.below(4) {
                    0 => {
                        let end = self.now() + TimeDelta::seconds(100 * self.scale);
                        Arc::new(trigger.until(end).unwrap())
                    }
                    _ => Arc::new(trigger),
                }
            }
        };
        if self.below(4) == 0 { Arc::new(Fragile { of: trigger }) } else { trigger }
    }

    fn add(&mut self) {
        self.jobs += 1;
        let id = JobId::new(format!("job {}", self.jobs)).unwrap();
        if self.below(4) == 0
            && let Some(leader) = self.any_job()
        {
            return self.add_follower(&id, leader);
        }
        let trigger = self.trigger();
        let coalesce = [Coalesce::Latest, Coalesce::Earliest, Coalesce::All][self.below(3) as usize];
        let (overlap, on_interrupt) = (self.overlap(), self.on_interrupt());
        let times = self.below(3) as u32;
        let backoff = Backoff::Fixed(Duration::from_secs(self.below(20)));
        let mut new =
            (trigger.clone() as Arc<dyn Trigger>).task("task").id(&id).coalesce(coalesce).overlap(overlap);
        new = new
            .on_interrupt(on_interrupt)
            .on_exhausted(OnExhausted::Keep)
            .retry(Retry::times(times).backoff(backoff));
        if let limit @ 1..=2 = self.below(4) {
            new = new.group(group(limit as u32).name, limit as u32);
        }
        // Each one of the fires of years would run otherwise.
        if coalesce == Coalesce::All || self.below(2) == 0 {
            let grace = self.seconds(60).to_std().unwrap();
            new = new.misfire_grace(grace);
        }
        let since = self.now();
        let given = if self.below(6) == 0 { trigger.next_after(since + self.seconds(20_000)) } else { None };
        if let Some(given) = given {
            new = new.first_fire(given);
        }
        match self.engine.add(new) {
            Ok(added) => drop(self.known.insert(added.id, Known::new(trigger, since, given))),
            Err(crate::SchedulerError::NeverFires { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) fn overlap(&mut self) -> Overlap {
        [Overlap::Skip, Overlap::QueueOne, Overlap::Allow(3)][self.below(3) as usize]
    }

    pub(super) fn on_interrupt(&mut self) -> OnInterrupt {
        [OnInterrupt::Leave, OnInterrupt::RunAgain][self.below(2) as usize]
    }

    fn any_job(&mut self) -> Option<JobId> {
        let jobs: BTreeSet<JobId> = self.disk.jobs().into_iter().map(|job| job.id).collect();
        let number = self.below(jobs.len().max(1) as u64) as usize;
        jobs.into_iter().nth(number)
    }

    pub(super) fn command(&mut self) {
        if self.below(3) == 0 {
            let by = self.seconds(90);
            self.clock.advance(by);
        }
        if !self.takes_commands() {
            return;
        }
        self.do_command();
        self.latest = self.latest.max(self.now());
        // The model knows what commands do.
        self.disk.take_changes();
        self.note_next_fires();
    }

    fn do_command(&mut self) {
        let now = self.now();
        let which = self.below(8);
        let Some(id) = self.any_job().filter(|_| which > 1) else { return self.add() };
        let trigger = self.trigger();
        self.chains.touch(&id);
        if which > 5 {
            return self.define_again(
                &id,
                trigger,
                [OnConflict::Update, OnConflict::Replace][which as usize - 6],
            );
        }
        let next = self.disk.next_fire(&id);
        let Some(known) = self.known.get_mut(&id) else { return };
        match which {
            2 => {
                self.engine.pause_job(&id).unwrap();
                known.close(next, now);
            }
            3 => {
                let was_paused = known.since.is_none();
                self.engine.resume_job(&id).unwrap();
                if was_paused {
                    known.since = Some(now);
                    // Where the clock was ahead when it was added, it counts from now.
                    known.trigger = self.disk.get(&id).unwrap().unwrap().trigger;
                }
            }
            4 => {
                let was_paused = known.since.is_none();
                // A run that follows may wait, and would be told as a fire of the new trigger where it is folded into one.
                let stays = *known.trigger == *trigger || known.trigger.after().is_some();
                if !stays && self.engine.modify(&id, |job| job.trigger = trigger.clone()).is_ok() {
                    known.close(next, now);
                    known.trigger = trigger;
                    known.since = (!was_paused).then_some(now);
                }
            }
            _ => {
                if self.below(2) == 0 {
                    drop(self.engine.run_now(&id).unwrap());
                } else {
                    self.engine.remove(&id).unwrap();
                    self.known.get_mut(&id).unwrap().close(next, now);
                }
            }
        }
    }

    /// The same job, with another trigger every other time.
    fn define_again(&mut self, id: &JobId, trigger: Arc<dyn Trigger>, on_conflict: OnConflict) {
        let now = self.now();
        let keeps_trigger = self.below(2) == 0;
        let coalesce = [Coalesce::Latest, Coalesce::All][self.below(2) as usize];
        let next = self.disk.next_fire(id);
        let Some(known) = self.known.get_mut(id) else { return };
        let keeps_trigger = keeps_trigger || known.trigger.after().is_some();
        let trigger = if keeps_trigger { known.trigger.clone() } else { trigger };
        let mut new = trigger.clone().task("task").id(id).coalesce(coalesce).on_exhausted(OnExhausted::Keep);
        // Runs that wait for a retry wait no longer than with the job before.
        new = new.retry(Retry::times(1).backoff(Backoff::Fixed(Duration::from_secs(20))));
        if coalesce == Coalesce::All {
            new = new.misfire_grace(Duration::from_secs(30 * self.scale as u64));
        }
        match self.engine.add(new.on_conflict(on_conflict)) {
            Ok(added) if added.outcome == AddOutcome::Replaced => {
                known.close(next, now);
                (known.trigger, known.since) = (trigger, Some(now));
            }
            Ok(_) if *known.trigger != *trigger => {
                let was_paused = known.since.is_none();
                known.close(next, now);
                (known.trigger, known.since) = (trigger, (!was_paused).then_some(now));
            }
            Ok(_) | Err(crate::SchedulerError::NeverFires { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
