//! The model of a shared store keeps the laws of two owners; one that breaks a rule is found out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_conformance::shared::{self, Member, SharedModel, SharedStoreFactory};
use matins_core::{ClaimStore, Clock};
use matins_scheduler::VirtualClock;

struct Models(VirtualClock, SharedModel);

impl Default for Models {
    fn default() -> Self {
        let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
        let store = SharedModel::new(Arc::new(clock.clone()));
        Self(clock, store)
    }
}

impl SharedStoreFactory for Models {
    fn create(&mut self) {
        self.1 = SharedModel::new(Arc::new(self.0.clone()));
    }

    fn open(&mut self) -> Box<dyn ClaimStore> {
        Box::new(self.1.member())
    }

    fn expire(&mut self, member: u64) {
        self.1.expire(member);
    }

    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

matins_conformance::shared_store_suite!(Models::default());

/// Gives each owner a store of its own, or never ends a lease.
struct Broken {
    models: Models,
    shares: bool,
    ends_leases: bool,
}

impl SharedStoreFactory for Broken {
    fn create(&mut self) {
        self.models.create();
    }

    fn open(&mut self) -> Box<dyn ClaimStore> {
        if !self.shares {
            self.models.create();
        }
        let member: Member = self.models.1.member();
        Box::new(member)
    }

    fn expire(&mut self, member: u64) {
        if self.ends_leases {
            self.models.expire(member);
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.models.now()
    }
}

/// Lets several owners decide about jobs of one group at once.
#[derive(Default)]
struct WithoutGroups(Models);

impl SharedStoreFactory for WithoutGroups {
    fn create(&mut self) {
        self.0.create();
        self.0.1 = self.0.1.clone().without_claims_of_groups();
    }

    fn open(&mut self) -> Box<dyn ClaimStore> {
        self.0.open()
    }

    fn expire(&mut self, member: u64) {
        self.0.expire(member);
    }

    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

#[test]
fn a_store_whose_claims_do_not_claim_the_group_is_found_out() {
    let law = || shared::two_owners_never_begin_more_of_a_group_than_its_limit(&mut WithoutGroups::default());
    assert!(catch_unwind(AssertUnwindSafe(law)).is_err());
}

#[test]
fn a_store_that_breaks_a_rule_is_found_out() {
    let fails = |law: fn(&mut dyn SharedStoreFactory), shares, ends_leases| {
        let mut broken = Broken { models: Models::default(), shares, ends_leases };
        catch_unwind(AssertUnwindSafe(|| law(&mut broken))).is_err()
    };
    let sharing: [fn(&mut dyn SharedStoreFactory); 4] = [
        shared::a_claim_shows_the_runs_of_all_owners,
        shared::of_two_updates_at_one_revision_one_wins,
        shared::what_one_owner_adds_changes_and_removes_the_others_see,
        shared::what_waits_is_started_by_whoever_claims_next,
    ];
    for law in sharing {
        assert!(!fails(law, true, true) && fails(law, false, true));
    }
    let leasing: [fn(&mut dyn SharedStoreFactory); 3] = [
        shared::each_abandoned_run_is_taken_over_once_and_only_after_the_lease,
        shared::a_member_whose_lease_has_ended_changes_nothing,
        shared::a_late_finish_is_named_and_changes_nothing,
    ];
    for law in leasing {
        assert!(!fails(law, true, true) && fails(law, true, false));
    }
}
