//! What there is to do next, and when.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{StoreError, Want};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::PostgresStore;
use crate::connection::{Parameter, parameter};

/// How soon a claim is tried again that found nothing, though something is due: others have it locked.
const TRY_AGAIN: TimeDelta = TimeDelta::milliseconds(20);

/// What there is to do next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) now: DateTime<Utc>,
    /// The next fire time of a job that can be started here.
    pub(crate) fire: Option<DateTime<Utc>>,
    /// The next turn of a run that waits, and that can be started here.
    pub(crate) turn: Option<DateTime<Utc>>,
    /// A run that waits for others may begin.
    pub(crate) is_vacant: bool,
    /// How many runs have not begun.
    pub(crate) waiting: usize,
    /// There are schedulers whose lease has ended, or runs of theirs.
    pub(crate) has_dead: bool,
    /// Nobody has declared this one dead.
    is_member: bool,
}

impl Look {
    pub(crate) fn of(rows: &[Row]) -> Option<Self> {
        let row = rows.first()?;
        Some(Self {
            now: row.get(0),
            fire: row.get(1),
            turn: row.get(2),
            is_vacant: row.get(3),
            waiting: usize::try_from(row.get::<_, i64>(4)).unwrap_or(0),
            has_dead: row.get(5),
            is_member: row.get(6),
        })
    }
}

impl PostgresStore {
    pub(crate) fn look(&mut self) -> Result<Look, StoreError> {
        let parameters = self.look_parameters();
        let rows = self.link.query("looking for the next due job", &self.sql.look.clone(), parameters)?;
        let look = Look::of(&rows).filter(|look| look.is_member).ok_or(StoreError::Fenced)?;
        self.waiting = look.waiting;
        Ok(look)
    }

    pub(crate) fn look_parameters(&self) -> Vec<Parameter> {
        let outside = self.outside.clone();
        let (groups, more) = self.other_than_rows(&Want::default().outside(&outside));
        let mut parameters = vec![
            parameter(self.tasks(), Type::TEXT_ARRAY),
            parameter(self.executors(), Type::TEXT_ARRAY),
            parameter(groups, Type::TEXT_ARRAY),
            parameter(more, Type::INT8_ARRAY),
            parameter(self.unreadable_keys(), Type::INT8_ARRAY),
        ];
        parameters.extend(self.fence_parameters(self.number));
        parameters
    }

    /// When there is something to claim next. It notes that, so that the claim at that time asks for nothing before.
    pub(crate) fn next_claim(&mut self, fires: bool) -> Result<Option<DateTime<Utc>>, StoreError> {
        if std::mem::take(&mut self.was_full) && self.seen.is_none() && fires {
            self.expects = Some(Instant::now());
            return Ok(Some(DateTime::UNIX_EPOCH));
        }
        let look = match self.seen.take() {
            Some(look) => look,
            None => self.look()?,
        };
        let fire = look.fire.filter(|_| fires);
        let vacant = look.is_vacant.then_some(look.now);
        let mut next = fire.into_iter().chain(look.turn).chain(vacant).min();
        if self.found_nothing {
            next = next.map(|next| next.max(look.now + TRY_AGAIN));
        }
        let wait = next.map(|next| (next - look.now).to_std().unwrap_or_default());
        self.expects = wait.and_then(|wait| Instant::now().checked_add(wait)).filter(|_| !self.found_nothing);
        Ok(next)
    }
}
