//! The schedulers that share a store, as answers have them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Member, RunId, StoreName};
use serde::{Deserialize, Serialize};

use crate::{Operator, Problem, RunView};

/// A scheduler that has left, or was declared dead, is shown for so long.
const SHOWN: TimeDelta = TimeDelta::hours(1);

/// One of the schedulers that share a store.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use matins_control::{NodeState, NodeView};
/// use matins_core::Member;
///
/// let member = Member::new(4, "rack 3", DateTime::UNIX_EPOCH).with(|member| member.lease_left = TimeDelta::seconds(-2));
/// let view = NodeView::of(&member);
/// assert_eq!((view.state, view.lease_left_seconds), (NodeState::Late, -2.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its number: that of this start of the scheduler, and of no other.
    pub id: u64,
    /// Its label.
    pub label: String,
    /// Whether it is alive.
    pub state: NodeState,
    /// Whether it is the scheduler that answers.
    #[serde(default, rename = "self")]
    pub is_self: bool,
    /// When it joined.
    pub joined: DateTime<Utc>,
    /// How much of its lease is left; negative when it has ended.
    pub lease_left_seconds: f64,
    /// How many runs it has in progress.
    pub running: u64,
    /// The tasks that it has.
    pub tasks: Vec<String>,
    /// The executors that it has.
    pub executors: Vec<String>,
    /// Its version.
    pub version: String,
    /// The tz database that it uses, if it said so.
    pub tz_database: String,
    /// By how much its clock was ahead of the database's at its last claim.
    pub clock_offset_seconds: Option<f64>,
}

/// Whether a scheduler that shares a store is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeState {
    /// It renews its lease.
    Up,
    /// Its lease has ended, and nobody has declared it dead yet.
    Late,
    /// It has left, or others have declared it dead.
    Dead,
}

impl NodeState {
    /// Returns its name, as in JSON.
    ///
    /// ```
    /// assert_eq!(matins_control::NodeState::Late.as_str(), "late");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Late => "late",
            Self::Dead => "dead",
        }
    }
}

impl NodeView {
    /// Returns the view of a member.
    pub fn of(member: &Member) -> Self {
        let state = match (member.is_dead, member.is_alive()) {
            (true, _) => NodeState::Dead,
            (false, true) => NodeState::Up,
            (false, false) => NodeState::Late,
        };
        Self {
            id: member.id,
            label: member.label.clone(),
            state,
            is_self: member.is_self,
            joined: member.joined,
            lease_left_seconds: member.lease_left.as_seconds_f64(),
            running: member.running,
            tasks: member.served.tasks.iter().map(ToString::to_string).collect(),
            executors: member.served.executors.iter().map(ToString::to_string).collect(),
            version: member.version.clone(),
            tz_database: member.time_zones.clone(),
            clock_offset_seconds: member.clock_offset.map(TimeDelta::as_seconds_f64),
        }
    }
}

/// What is known of a store that schedulers share, beside its jobs and runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedView {
    /// The server and its version.
    pub server: String,
    /// Where in the server the tables are.
    pub place: String,
    /// The format of the tables.
    pub format: u32,
    /// The tables, each with its length in bytes, indexes included; the longest first.
    pub tables: Vec<(String, u64)>,
    /// The schedulers.
    pub nodes: Vec<NodeView>,
}

impl Operator {
    /// All that have joined a store, whether they are alive or not; `None` for a store that is not shared.
    pub(crate) fn members_of(&self, store: &StoreName) -> Result<Option<Vec<Member>>, Problem> {
        let members = self.handle().with_shared_store(store, |store| store.members())?;
        Ok(members.transpose().map_err(matins_scheduler::SchedulerError::from)?)
    }

    /// The schedulers that share the stores. Of those that are gone, the latest.
    pub(crate) fn nodes(&self) -> Result<Vec<NodeView>, Problem> {
        let mut nodes = Vec::new();
        for store in self.stores()? {
            let members = self.members_of(&store)?.unwrap_or_default();
            let is_shown =
                |member: &&Member| !member.is_dead || member.running > 0 || member.lease_left > -SHOWN;
            nodes.extend(members.iter().filter(is_shown).map(NodeView::of));
        }
        Ok(nodes)
    }

    /// The first store that is shared.
    pub(crate) fn shared_view(&self) -> Result<Option<SharedView>, Problem> {
        for store in self.stores()? {
            let facts = self.handle().with_shared_store(&store, |store| store.facts())?;
            let Some(facts) = facts else { continue };
            let facts = facts.map_err(matins_scheduler::SchedulerError::from)?;
            return Ok(Some(SharedView {
                server: facts.server,
                place: facts.place,
                format: facts.format,
                tables: facts.sizes,
                nodes: self.nodes()?,
            }));
        }
        Ok(None)
    }

    /// The labels of those who have begun runs of a store.
    pub(crate) fn owners(
        &self,
        store: &StoreName,
        runs: &[RunId],
    ) -> Result<BTreeMap<RunId, String>, Problem> {
        if runs.is_empty() {
            return Ok(BTreeMap::new());
        }
        let owners = self.handle().with_shared_store(store, |store| store.owners(runs))?;
        Ok(owners.transpose().map_err(matins_scheduler::SchedulerError::from)?.unwrap_or_default())
    }

    /// Says which scheduler has begun a run.
    pub(crate) fn name_owner(&self, store: &StoreName, view: &mut RunView) -> Result<(), Problem> {
        view.node = self.owners(store, &[view.run.id])?.remove(&view.run.id);
        Ok(())
    }
}
