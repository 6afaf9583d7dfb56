//! What a job gets of which it says nothing.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use matins_core::{GroupName, Policy};
use matins_triggers::Zone;

/// The limits of concurrency groups, by name: the table `groups` of a configuration.
pub type GroupLimits = BTreeMap<GroupName, NonZeroU32>;

/// What a job gets of which it says nothing.
///
/// ```
/// use matins_definitions::{Definition, Defaults};
/// use matins_triggers::Zone;
/// use serde_json::json;
///
/// let mut defaults = Defaults::new(Zone::named("Europe/Berlin")?);
/// defaults.policy.priority = 7;
/// let keys = json!({"cron": "30 2 * * *", "shell": "pg_dump shop"});
/// let backup = Definition::from_keys("backup", keys.as_object().unwrap(), &defaults)?;
/// assert_eq!(backup.policy.priority, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Defaults {
    /// The zone of cron expressions and dates without one.
    pub zone: Zone,
    /// What happens to fires that are late, overlap or fail.
    pub policy: Policy,
    /// The limits of groups that a job names without one. If there are any, a name that is not among them is refused.
    pub groups: GroupLimits,
}

impl Defaults {
    /// Returns the library's, with this zone.
    ///
    /// ```
    /// use matins_definitions::Defaults;
    /// use matins_triggers::Zone;
    ///
    /// assert!(Defaults::new(Zone::utc()).groups.is_empty());
    /// ```
    pub fn new(zone: Zone) -> Self {
        Self { zone, policy: Policy::default(), groups: GroupLimits::new() }
    }
}
