//! Claiming: the transaction that locks jobs, in few round trips.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Claim, Claimed, Coalesce, GroupName, GroupTurn, Job, StoreError, Want};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::PostgresStore;
use crate::assembly::{assemble, empty};
use crate::connection::{Pipeline, RunError, parameter};
use crate::found::{Found, Locked, Open};
use crate::rows;

/// At most so many jobs in one claim, whoever asks for more.
const MOST_JOBS: usize = 1_000;

/// So long before the first fire time of a full claim the next one begins to look.
const MARGIN: TimeDelta = TimeDelta::seconds(5);

/// How many full claims begin at a low-water mark before one looks at everything.
const FULL_CLAIMS: u32 = 50;

/// A job that runs all fires that are due takes so many numbers at once, at most.
const ALL_FIRES: usize = 128;

/// The server has given up waiting for a lock.
const LOCK_NOT_AVAILABLE: &str = "55P03";

impl PostgresStore {
    pub(crate) fn claimed(&mut self, want: &Want<'_>) -> Result<Claim, StoreError> {
        self.end_transaction();
        self.outside = want.outside.to_vec();
        let is_idle = want.jobs.is_empty() && want.ended.is_empty();
        if is_idle && let Some(now) = self.has_nothing_to_do(want)? {
            return Ok(empty(now));
        }
        let claimed = self.claim_in_transaction(want);
        self.found_nothing = claimed.as_ref().is_ok_and(|claim| claim.jobs.is_empty());
        if claimed.is_err() || self.found_nothing {
            self.end_transaction();
        }
        claimed
    }

    /// The time, if there is nothing to claim. It is asked only where the last look has not said that something is due by now.
    fn has_nothing_to_do(&mut self, want: &Want<'_>) -> Result<Option<DateTime<Utc>>, StoreError> {
        if self.expects.is_some_and(|expected| Instant::now() >= expected) {
            return Ok(None);
        }
        let look = self.look()?;
        let (now, is_due) = (look.now, |at: Option<DateTime<Utc>>| at.is_some_and(|at| at <= look.now));
        let has_work = (want.limit > 0 && is_due(look.fire))
            || (want.starts && (is_due(look.turn) || look.is_vacant))
            || (want.takes_over && look.has_dead);
        self.seen = Some(look);
        Ok((!has_work).then_some(now))
    }

    fn claim_in_transaction(&mut self, want: &Want<'_>) -> Result<Claim, StoreError> {
        let mut found = self.lock_due(want)?;
        if want.takes_over && found.has_expired && self.may_take_over() {
            self.end_transaction();
            let me = vec![parameter(self.number, Type::INT8)];
            self.link.query("declaring schedulers dead", &self.sql.reap.clone(), me)?;
            found = self.lock_due(want)?;
        }
        self.lock_work(want, &mut found)?;
        self.read_bodies(&mut found)?;
        self.lock_groups(want, &mut found)?;
        found.leave_out_of_dropped();
        self.count_abandoned(&mut found)?;
        let given = found.runs_abandoned();
        let (claim, jobs) = assemble(want, &mut found, &self.mine);
        if let Some(gone) = want.jobs.iter().find(|id| !jobs.contains_key(*id)) {
            self.check_not_quarantined(gone)?;
        }
        let numbers = self.enough_numbers(want, &claim, found.numbers)?;
        let open = self.open.get_or_insert_default();
        (open.given, open.jobs, open.followers, open.numbers) =
            (given, jobs, found.places_of_followers, numbers);
        let first = numbers.map_or(0, |(first, _)| first);
        Ok(Claim { first_run: matins_core::RunId(first as u64), ..claim })
    }

    /// The first round trip: membership, what is named, what is due, and their runs.
    fn lock_due(&mut self, want: &Want<'_>) -> Result<Found, StoreError> {
        let me = self.member()?;
        let sql = self.sql.clone();
        let named: Vec<String> = want.jobs.iter().map(|id| id.as_str().to_owned()).collect();
        let ended = want.ended.iter().filter(|id| !want.jobs.contains(id));
        let ended: Vec<i64> = ended.filter_map(|id| self.mine.get(id).map(|mine| mine.key)).collect();
        let limit = want.limit.min(MOST_JOBS) as i64;
        let mut pipeline = Pipeline::new();
        pipeline.batch(&sql.begin);
        let fence = pipeline.query(&sql.fence, self.fence_parameters(me));
        let of_named = (!named.is_empty() || !ended.is_empty()).then(|| {
            let parameters = vec![parameter(named, Type::TEXT_ARRAY), parameter(ended, Type::INT8_ARRAY)];
            pipeline.query(&sql.lock_named, parameters)
        });
        let due = (limit > 0).then(|| {
            let (lanes, lows) = self.low_water();
            let parameters = vec![
                parameter(self.tasks(), Type::TEXT_ARRAY),
                parameter(self.executors(), Type::TEXT_ARRAY),
                parameter(self.turn, Type::INT4),
                parameter(lanes, Type::INT4_ARRAY),
                parameter(lows, Type::TIMESTAMPTZ_ARRAY),
                parameter(self.unreadable_keys(), Type::INT8_ARRAY),
                parameter(limit, Type::INT8),
            ];
            pipeline.query(&sql.claim_due, parameters)
        });
        let live = pipeline.query(&sql.runs_of_locked, Vec::new());
        let followed: Vec<String> =
            want.ended.iter().chain(want.jobs).map(|id| id.as_str().to_owned()).collect();
        let followers = (!followed.is_empty())
            .then(|| pipeline.query(&sql.followers, vec![parameter(followed, Type::TEXT_ARRAY)]));
        let need = 4 * (want.ended.len() + want.jobs.len()) as i64;
        pipeline.batch(&sql.lock_numbers);
        let numbers = pipeline.query(&sql.take_numbers, vec![parameter(need, Type::INT8)]);
        pipeline.batch(&sql.unlock_numbers);
        self.open = Some(Open { is_command: !want.jobs.is_empty(), ..Open::default() });
        self.turn = self.turn.wrapping_add(1) & 0xffff;

        let answers = self.run_first("claiming jobs", pipeline)?;
        let fence = answers[fence].first().ok_or(StoreError::Fenced)?;
        let mut found = Found {
            now: fence.get(0),
            has_work: fence.get(1),
            has_dead: fence.get(2),
            has_expired: fence.get(3),
            numbers: numbers_of(&answers[numbers]),
            ..Found::default()
        };
        if let Some(due) = due {
            answers[due].iter().for_each(|row| found.lock(row, true));
            self.was_full = answers[due].len() as i64 == limit;
            self.note_low_water(&found.locked, self.was_full);
        }
        if let Some(named) = of_named {
            answers[named].iter().for_each(|row| found.lock(row, false));
        }
        self.read_live(&answers[live], &mut found);
        if let Some(followers) = followers {
            answers[followers].iter().for_each(|row| found.follow(row));
        }
        Ok(found)
    }

    /// Another round trip where there are runs that wait, or runs of dead schedulers.
    fn lock_work(&mut self, want: &Want<'_>, found: &mut Found) -> Result<(), StoreError> {
        let (starts, takes_over) = (want.starts && found.has_work, want.takes_over && found.has_dead);
        if !starts && !takes_over {
            return Ok(());
        }
        let sql = self.sql.clone();
        let (groups, more) = self.other_than_rows(want);
        let known: Vec<i64> = found.keys.iter().copied().collect();
        let mut but = self.unreadable_keys();
        but.extend(&known);
        let mut pipeline = Pipeline::new();
        let parameters = vec![
            parameter(self.tasks(), Type::TEXT_ARRAY),
            parameter(self.executors(), Type::TEXT_ARRAY),
            parameter(groups, Type::TEXT_ARRAY),
            parameter(more, Type::INT8_ARRAY),
            parameter(starts, Type::BOOL),
            parameter(takes_over, Type::BOOL),
            parameter(but, Type::INT8_ARRAY),
        ];
        let work = pipeline.query(&sql.claim_work, parameters);
        let live = pipeline.query(&sql.runs_of_locked, Vec::new());
        let abandoned =
            takes_over.then(|| pipeline.query(&sql.abandoned, vec![parameter(known, Type::INT8_ARRAY)]));
        let answers = self.run_claim("claiming runs that wait", pipeline)?;
        answers[work].iter().for_each(|row| found.lock(row, false));
        self.read_live(&answers[live], found);
        let Some(abandoned) = abandoned else { return Ok(()) };
        for row in &answers[abandoned] {
            match rows::run(row) {
                Ok(run) => found.abandoned.push((run, row.get(15))),
                Err(what) => self.quarantine_run(row.get(0), what),
            }
        }
        let of: BTreeSet<&str> = found.abandoned.iter().map(|(run, _)| run.job.as_str()).collect();
        if of.is_empty() {
            return Ok(());
        }
        let of: Vec<String> = of.into_iter().map(str::to_owned).collect();
        let mut pipeline = Pipeline::new();
        pipeline.query(&sql.followers, vec![parameter(of, Type::TEXT_ARRAY)]);
        let answers = self.run_claim("reading which jobs follow", pipeline)?;
        answers.iter().flatten().for_each(|row| found.follow(row));
        Ok(())
    }

    fn read_live(&mut self, live: &[Row], found: &mut Found) {
        for row in live.iter().filter(|row| found.runs.insert(row.get(0))) {
            match rows::run(row) {
                Ok(run) => found.live.push((run, row.get(15))),
                Err(what) => self.quarantine_run(row.get(0), what),
            }
        }
    }

    /// Reads the bodies that are not known yet. Jobs that cannot be read are quarantined, and left out.
    fn read_bodies(&mut self, found: &mut Found) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        for locked in &mut found.locked {
            locked.job = self.cache.job(locked.held.key, locked.version, locked.held.next_fire);
            if locked.job.is_none() {
                missing.push(locked.held.key);
            }
        }
        if !missing.is_empty() {
            let mut pipeline = Pipeline::new();
            pipeline.query(&self.sql.bodies.clone(), vec![parameter(missing, Type::INT8_ARRAY)]);
            let answers = self.run_claim("reading jobs", pipeline)?;
            let bodies: HashMap<i64, &Row> = answers.iter().flatten().map(|row| (row.get(0), row)).collect();
            for locked in found.locked.iter_mut().filter(|locked| locked.job.is_none()) {
                let Some(row) = bodies.get(&locked.held.key) else { continue };
                locked.job = self.read_job(row, locked.version, locked.held.next_fire);
            }
        }
        found.locked.retain_mut(|locked| {
            let Some(job) = &locked.job else { return false };
            locked.held.revision = job.revision;
            let waits = locked.turn.zip(locked.group.as_ref().and_then(|group| GroupName::new(group).ok()));
            locked.held.turn = waits.map(|((limit, priority, fire), name)| {
                GroupTurn::new(name, usize::try_from(limit).unwrap_or(1), priority, fire)
            });
            true
        });
        Ok(())
    }

    fn read_job(&mut self, row: &Row, version: i64, next_fire: Option<DateTime<Utc>>) -> Option<Arc<Job>> {
        match rows::job(row.get(3), next_fire) {
            Ok(job) => {
                let job = Arc::new(job);
                self.cache.put(row.get(0), version, job.clone());
                Some(job)
            }
            Err(what) => {
                self.quarantine(row.get(0), version, row.get(2), what);
                None
            }
        }
    }

    /// Locks the groups of the jobs. Those of jobs that are named, or whose runs have ended, are waited for. A due job whose group
    /// another scheduler has is left to that one.
    fn lock_groups(&mut self, want: &Want<'_>, found: &mut Found) -> Result<(), StoreError> {
        let all: BTreeSet<String> = found.locked.iter().filter_map(|locked| locked.group.clone()).collect();
        if all.is_empty() {
            return Ok(());
        }
        let is_waited_for = |job: &Job| want.jobs.contains(&job.id) || want.ended.contains(&job.id);
        let waited: Vec<String> = (found.locked.iter())
            .filter(|locked| locked.job.as_ref().is_some_and(|job| is_waited_for(job)))
            .filter_map(|locked| locked.group.clone())
            .collect();
        let sql = self.sql.clone();
        let all: Vec<String> = all.into_iter().collect();
        let mut pipeline = Pipeline::new();
        if !waited.is_empty() {
            pipeline.query(&sql.wait_for_groups, vec![parameter(waited, Type::TEXT_ARRAY)]);
        }
        let free = pipeline.query(&sql.lock_groups, vec![parameter(all.clone(), Type::TEXT_ARRAY)]);
        let counts = pipeline.query(&sql.count_groups, vec![parameter(all, Type::TEXT_ARRAY)]);
        let answers = self.run_claim("claiming groups", pipeline)?;
        let free: BTreeSet<String> = answers[free].iter().map(|row| row.get(0)).collect();
        found.locked.retain(|locked| locked.group.as_ref().is_none_or(|group| free.contains(group)));
        found.groups = free.iter().filter_map(|name| Some((GroupName::new(name).ok()?, 0))).collect();
        for row in &answers[counts] {
            let (name, count): (&str, i64) = (row.get(0), row.get(1));
            if let Some(known) = GroupName::new(name).ok().and_then(|name| found.groups.get_mut(&name)) {
                *known = usize::try_from(count).unwrap_or(0);
            }
        }
        let outside = want.outside.iter().filter(|(group, _)| found.groups.contains_key(group));
        for (group, count) in outside.cloned().collect::<Vec<_>>() {
            *found.groups.entry(group).or_default() += count;
        }
        Ok(())
    }

    /// The runs that are taken over do not count for their groups any more.
    fn count_abandoned(&mut self, found: &mut Found) -> Result<(), StoreError> {
        if found.abandoned.is_empty() || found.groups.is_empty() {
            return Ok(());
        }
        let runs: Vec<i64> = found.runs_abandoned();
        let mut pipeline = Pipeline::new();
        pipeline.query(&self.sql.count_given.clone(), vec![parameter(runs, Type::INT8_ARRAY)]);
        for row in self.run_claim("counting the runs of groups", pipeline)?.iter().flatten() {
            let (name, count): (&str, i64) = (row.get(0), row.get(1));
            if let Some(known) = GroupName::new(name).ok().and_then(|name| found.groups.get_mut(&name)) {
                *known = known.saturating_sub(usize::try_from(count).unwrap_or(0));
            }
        }
        Ok(())
    }

    /// Takes other numbers where those that were taken may not be enough.
    fn enough_numbers(
        &mut self,
        want: &Want<'_>,
        claim: &Claim,
        taken: Option<(i64, i64)>,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let need = most_numbers(want, claim);
        if claim.jobs.is_empty() || taken.is_some_and(|(first, last)| last - first + 1 >= need) {
            return Ok(taken);
        }
        let sql = self.sql.clone();
        let mut pipeline = Pipeline::new();
        pipeline.batch(&sql.lock_numbers);
        let numbers = pipeline.query(&sql.take_so_many, vec![parameter(need, Type::INT8)]);
        pipeline.batch(&sql.unlock_numbers);
        Ok(numbers_of(&self.run_claim("taking numbers for runs", pipeline)?[numbers]))
    }

    /// By how much other work is in progress in groups than rows say: what no row tells of, less what ends by this claim.
    pub(crate) fn other_than_rows(&self, want: &Want<'_>) -> (Vec<String>, Vec<i64>) {
        let mut more: BTreeMap<&GroupName, i64> = BTreeMap::new();
        for (group, count) in want.outside {
            *more.entry(group).or_default() += *count as i64;
        }
        let ending = want.ended.iter().filter_map(|id| self.mine.get(id)).flat_map(|mine| &mine.runs);
        for group in ending.filter_map(|(_, group)| group.as_ref()) {
            *more.entry(group).or_default() -= 1;
        }
        more.into_iter().map(|(group, count)| (group.as_str().to_owned(), count)).unzip()
    }

    /// Sends more statements of an open claim.
    fn run_claim(&mut self, doing: &str, pipeline: Pipeline) -> Result<Vec<Vec<Row>>, StoreError> {
        self.run_more(pipeline).map_err(|failed| self.claim_failed(doing, failed))
    }

    pub(crate) fn claim_failed(&self, doing: &str, failed: RunError) -> StoreError {
        if failed.code() == Some(LOCK_NOT_AVAILABLE) {
            let doing = format!("{doing} in {}: another scheduler has one of them", self.options);
            return StoreError::Backend { doing, source: "try again".into() };
        }
        self.link.failed(doing, failed)
    }

    /// Where each lane is looked at from, if the last claims of it were full.
    fn low_water(&mut self) -> (Vec<i32>, Vec<DateTime<Utc>>) {
        self.full_claims += 1;
        if self.full_claims >= FULL_CLAIMS {
            (self.full_claims, self.low) = (0, HashMap::new());
        }
        self.low.iter().map(|(lane, low)| (*lane, *low)).unzip()
    }

    fn note_low_water(&mut self, due: &[Locked], is_full: bool) {
        if !is_full {
            return self.low.clear();
        }
        let mut first: HashMap<i32, DateTime<Utc>> = HashMap::new();
        for Locked { held, .. } in due {
            let Some(fire) = held.next_fire else { continue };
            let first = first.entry(held.lane).or_insert(fire);
            *first = fire.min(*first);
        }
        self.low.extend(first.into_iter().map(|(lane, fire)| (lane, fire - MARGIN)));
    }
}

/// How many runs a claim may record: the fires of each job, another attempt for each run that ends, and a run of each job that follows.
fn most_numbers(want: &Want<'_>, claim: &Claim) -> i64 {
    let of_job = |claimed: &Claimed| {
        let fires = match &claimed.job {
            Some(job) if job.policy.coalesce == Coalesce::All => ALL_FIRES,
            Some(_) => 4,
            None => 0,
        };
        let ends = claimed.abandoned.len() + claimed.runs.running.len();
        fires + ends * (2 + claimed.followers.len())
    };
    let reports = 2 * (want.ended.len() + want.jobs.len());
    (claim.jobs.iter().map(of_job).sum::<usize>() + reports) as i64
}

fn numbers_of(rows: &[Row]) -> Option<(i64, i64)> {
    let row = rows.first()?;
    let (count, last): (i64, Option<i64>) = (row.get(0), row.get(1));
    last.map(|last| (last - count + 1, last))
}
