//! Rows that cannot be read: they are quarantined, and taken back when they can be.

use std::collections::HashSet;

use matins_core::{JobId, QuarantineKind, Quarantined, StoreError};

use crate::SqliteStore;

impl SqliteStore {
    /// The version of the file. It changes when another connection has written: a person, perhaps, who edited a job.
    pub(crate) fn version(&self) -> rusqlite::Result<i64> {
        self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
    }

    /// The rest of a condition, which leaves out what cannot be read.
    pub(crate) fn but_those_aside(&self) -> String {
        if self.unreadable.is_empty() {
            return String::new();
        }
        let keys: Vec<String> = self.unreadable.iter().map(ToString::to_string).collect();
        format!(" AND key NOT IN ({})", keys.join(", "))
    }

    /// The same of rows of the ledger.
    pub(crate) fn but_runs_aside(&self) -> String {
        if self.unreadable_runs.is_empty() {
            return String::new();
        }
        let numbers: Vec<String> = self.unreadable_runs.iter().map(ToString::to_string).collect();
        format!(" AND id NOT IN ({})", numbers.join(", "))
    }

    pub(crate) fn quarantine(&mut self, jobs: Vec<(i64, Quarantined)>) {
        for (key, job) in jobs {
            if !self.unreadable.contains(&key) {
                self.unreadable.push(key);
                self.quarantined.push(job);
            }
        }
    }

    /// Sets rows of the ledger quarantined.
    pub(crate) fn quarantine_runs(&mut self, runs: Vec<(i64, Quarantined)>) {
        for (number, run) in runs {
            if self.unreadable_runs.insert(number) {
                self.quarantined.push(run);
            }
        }
    }

    /// Forgets the rows of the ledger that were quarantined and for which this does not hold.
    pub(crate) fn retain_runs_aside(&mut self, mut keep: impl FnMut(i64) -> bool) {
        self.unreadable_runs.retain(|number| keep(*number));
        let kept: HashSet<String> = self.unreadable_runs.iter().map(ToString::to_string).collect();
        self.quarantined
            .retain(|quarantined| quarantined.kind != QuarantineKind::Run || kept.contains(&quarantined.id));
    }

    /// Rows that were quarantined may have been pruned.
    pub(crate) fn forget_pruned(&mut self) -> Result<(), StoreError> {
        let failed = self.failed("looking for rows that were quarantined");
        let mut left = HashSet::new();
        {
            let sql = "SELECT 1 FROM runs WHERE id = ?1";
            let mut statement = self.connection.prepare_cached(sql).map_err(&failed)?;
            for number in &self.unreadable_runs {
                if statement.exists([number]).map_err(&failed)? {
                    left.insert(*number);
                }
            }
        }
        self.retain_runs_aside(|number| left.contains(&number));
        Ok(())
    }

    /// These were written again, and can be read.
    pub(crate) fn take_back(&mut self, ids: &[JobId]) -> Result<(), StoreError> {
        let is_one = |quarantined: &Quarantined| {
            quarantined.kind == QuarantineKind::Job && ids.iter().any(|id| *id == quarantined.id.as_str())
        };
        if self.quarantined.iter().any(is_one) {
            let keys = std::mem::take(&mut self.unreadable);
            self.quarantined.retain(|quarantined| quarantined.kind != QuarantineKind::Job);
            self.look_at(&keys)?;
        }
        Ok(())
    }
}
