//! What a scheduler is made of: stores, executors, defaults of jobs, groups.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use matins_config::{ExecutorConfig, SchedulerConfig, StoreConfig};
use matins_core::{ExecutorName, Group, GroupName, StoreName};
use matins_triggers::Zone;
use serde::Deserialize;
use toml::Spanned;

use super::job::{Places, Written};
use super::{File, Reader};
use crate::defaults::GroupLimits;
use crate::definition::Definition;

impl Reader<'_> {
    pub(super) fn scheduler(
        &mut self,
        file: &File,
        timezone: Option<Zone>,
        default_places: &Places,
    ) -> SchedulerConfig {
        let mut scheduler = SchedulerConfig::default();
        scheduler.stores = self.stores(file);
        scheduler.executors = self.executors(&file.executors);
        scheduler.timezone = timezone;
        scheduler.ledger = file.ledger;
        if let Some(defaults) = &file.job_defaults {
            let start = defaults.span().start;
            let written =
                Written { spec: defaults.get_ref(), start, places: default_places, is_incomplete: false };
            if let Some(policy) = self.policy(written) {
                scheduler.job_defaults = (&policy).into();
                self.defaults.policy = policy;
            }
        }
        scheduler
    }

    fn stores(&mut self, file: &File) -> BTreeMap<StoreName, StoreConfig> {
        let mut named = BTreeMap::new();
        for (name, written) in &file.stores {
            let store = self.store(written);
            match StoreName::new(name.get_ref()) {
                Ok(name) => named.extend(store.map(|store| (name, store))),
                Err(error) => drop(self.fault::<()>(name.span().start, error)),
            }
        }
        if let Some(written) = &file.store
            && let Some(store) = self.store(written)
            && named.insert(StoreName::default(), store).is_some()
        {
            self.fault::<()>(
                written.span().start,
                "`store` and `stores.default` are the same store; keep one of them",
            );
        }
        named
    }

    fn store(&mut self, written: &Spanned<toml::Value>) -> Option<StoreConfig> {
        let store = StoreConfig::deserialize(written.get_ref().clone());
        store.map_err(|error| self.fault::<()>(written.span().start, error.message())).ok()
    }

    fn executors(
        &mut self,
        executors: &BTreeMap<Spanned<String>, ExecutorConfig>,
    ) -> BTreeMap<ExecutorName, ExecutorConfig> {
        let mut named = BTreeMap::new();
        for (name, executor) in executors {
            match ExecutorName::new(name.get_ref()) {
                Ok(name) => drop(named.insert(name, executor.clone())),
                Err(error) => drop(self.fault::<()>(name.span().start, error)),
            }
        }
        named
    }

    pub(super) fn group_limits(&mut self, groups: &BTreeMap<Spanned<String>, Spanned<i64>>) -> GroupLimits {
        let mut limits = GroupLimits::new();
        for (name, limit) in groups {
            let place = limit.span().start;
            let number = self.number(Some(*limit.get_ref()), place, "limit of a group", 1, u32::MAX);
            let Ok(Some(number)) = number else { continue };
            match Group::new(name.get_ref(), number) {
                Ok(group) => limits.extend(NonZeroU32::new(number).map(|limit| (group.name, limit))),
                Err(error) => drop(self.fault::<()>(name.span().start, error)),
            }
        }
        limits
    }

    /// Refuses a group with jobs in two stores: each store would count its own.
    pub(super) fn refuse_a_group_in_two_stores(
        &mut self,
        definition: &Definition,
        job: Written<'_>,
        groups: &mut BTreeMap<GroupName, StoreName>,
    ) {
        let Some(group) = &definition.policy.group else { return };
        let store = groups.entry(group.name.clone()).or_insert_with(|| definition.store.clone());
        if *store != definition.store {
            let message = format!(
                "the group {:?} has jobs in the stores {store:?} and {:?}, and each store counts its own runs; keep its \
                 jobs in one",
                group.name, definition.store
            );
            self.fault::<()>(job.place("group"), message);
        }
    }

    /// Refuses a job whose store or executor the file does not have.
    pub(super) fn refuse_unknown_places(&mut self, job: Written<'_>, scheduler: &SchedulerConfig) {
        // It may be one of those that were refused.
        if !self.faults.is_empty() {
            return;
        }
        if let Some((name, place)) = job.executor()
            && name != "default"
            && !scheduler.executors.keys().any(|known| known.as_str() == name)
        {
            let message =
                format!("there is no executor `{name}`; add [executors.{name}], or name another one");
            self.fault::<()>(place, message);
        }
        if let Some((name, place)) = job.store()
            && name != "default"
            && !scheduler.stores.keys().any(|known| known.as_str() == name)
        {
            let message = format!(
                "there is no store `{name}`; add it to [stores], as in {name} = \"memory:\", or name another one"
            );
            self.fault::<()>(place, message);
        }
    }
}
