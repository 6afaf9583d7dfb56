//! All that a store holds: its export, its import, and how much it is.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom};

use matins_core::{
    JobId, JobPosition, JobQuery, JobState, JobStore, OnConflict, Run, RunQuery, StoreError, error_chain,
};
use matins_store_transfer::{self as transfer, TransferError};
use serde_json::json;

use crate::operator::Done;
use crate::{HistoryEvent, Item, ItemSink, Operator, Problem, ProblemKind, StoreInfo};

impl Operator {
    pub(crate) fn export(&self, items: &mut dyn ItemSink) -> Done {
        // Into a file without a name: the client may be slow, and nothing fires while the store is read. It must be read in one
        // piece: jobs and runs belong together.
        let failed = |error: io::Error| {
            Problem::new(
                ProblemKind::Failed,
                format!("the store cannot be copied into a temporary file to be exported: {error}"),
            )
        };
        let file = match self.host().scratch_directory() {
            Some(directory) => tempfile::tempfile_in(directory),
            None => tempfile::tempfile(),
        };
        let mut out = BufWriter::new(file.map_err(failed)?);
        let store = self.only_store("exported")?;
        let carried = self.handle().with_store(store, |store| transfer::export(store, &mut out))?;
        let carried = carried.map_err(|error| Problem::new(ProblemKind::Failed, error_chain(&error)))?;
        let mut file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        for line in BufReader::new(file).lines() {
            if !items.put(Item::of(&line.map_err(failed)?)) {
                break;
            }
        }
        Ok(json!({"jobs": carried.jobs, "runs": carried.runs, "quarantined": carried.quarantined}))
    }

    pub(crate) fn import(&self, lines: &[u8], on_conflict: OnConflict, by: &str) -> Done {
        let import = |store: &mut dyn JobStore| {
            let before = ids(store)?;
            let carried = transfer::import(store, BufReader::new(lines), on_conflict)?;
            let new: Vec<JobId> = ids(store)?.difference(&before).cloned().collect();
            Ok::<_, TransferError>((carried, new))
        };
        let store = self.only_store("imported into")?;
        let (carried, new) = self.handle().with_store(store, import)?.map_err(import_problem)?;
        let kept = if on_conflict == OnConflict::Keep { carried.jobs - new.len() } else { 0 };
        for job in new {
            self.note(HistoryEvent::Added { job: job.to_string() }, &format!("{by}, by import"));
        }
        Ok(json!({"jobs": carried.jobs - kept, "runs": carried.runs, "kept": kept}))
    }

    /// The store, where there is one only: an export is of one store.
    fn only_store(&self, what: &str) -> Result<String, Problem> {
        let stores = self.stores()?;
        if let [store] = &stores[..] {
            return Ok(store.to_string());
        }
        let names: Vec<String> = stores.iter().map(ToString::to_string).collect();
        let message = format!(
            "this scheduler has {} stores ({}), and only a single one can be {what}: stop it, and name one of them with --store",
            stores.len(),
            names.join(", ")
        );
        Err(Problem::new(ProblemKind::Unsupported, message))
    }

    pub(crate) fn info(&self) -> Done {
        let paused = JobQuery::default().state(JobState::Paused);
        let (mut runs, mut oldest_run) = (0, None);
        for store in self.stores()? {
            runs += self.handle().count_runs_in(&store, &RunQuery::default())?;
            let first = self.handle().runs_in(&store, &RunQuery::default().limit(1))?;
            oldest_run = oldest_run.into_iter().chain(first.first().map(Run::scheduled)).min();
        }
        let info = StoreInfo {
            store: self.describe_store()?,
            jobs: self.handle().count(&JobQuery::default())?,
            paused: self.handle().count(&paused)?,
            runs,
            oldest_run,
            quarantined: self.handle().quarantined()?.iter().map(|(_, job)| job.to_string()).collect(),
            files: self.host().store_files(),
            shared: self.shared_view()?,
        };
        Ok(json!(info))
    }
}

fn ids(store: &mut dyn JobStore) -> Result<BTreeSet<JobId>, StoreError> {
    let mut ids = BTreeSet::new();
    let mut query = JobQuery::default().limit(1_000);
    loop {
        let page = store.list(&query)?;
        let Some(last) = page.last() else { return Ok(ids) };
        query.after = Some(JobPosition::of(last));
        ids.extend(page.into_iter().map(|job| job.id));
    }
}

fn import_problem(error: TransferError) -> Problem {
    let kind = match &error {
        TransferError::Store(StoreError::Conflict { id }) => {
            let message = format!(
                "there is a job {id:?} already; import with --on-conflict replace or keep, or into another store; nothing \
                 was imported"
            );
            return Problem::new(ProblemKind::Conflict, message);
        }
        TransferError::Line { .. } => ProblemKind::BadRequest,
        _ => ProblemKind::Failed,
    };
    Problem::new(kind, error_chain(&error))
}
