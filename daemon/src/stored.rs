//! What the store holds of the files that are read: the jobs that they have brought into it.
//!
//! The store is read a page at a time, and of each job no more is kept than a plan needs: there may be a hundred thousand.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use matins::Handle;
use matins::JobPosition;
use matins::definitions::crontab::Keys;
use matins::prelude::*;
use matins::{Job, JobId, StoreName, Value};

use crate::source_file;
use crate::sources::DefinedFile;
use crate::sync::{BOOT, DEFINITION};

/// How many jobs are read at once.
const PAGE: usize = 500;

/// A job that a file has brought into the store.
#[derive(Debug)]
pub(crate) struct StoredJob {
    /// What its definition was; `None` for a job that has none.
    pub(crate) definition: Option<StoredDefinition>,
    /// Whether its file, and the configuration that names that, are named as they are now.
    pub(crate) is_named_so: bool,
    /// The store that keeps it.
    pub(crate) store: StoreName,
    /// The boot in which `@reboot` fired last.
    pub(crate) boot: Option<String>,
}

/// A definition, as it was when it was read last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredDefinition {
    pub(crate) keys: Keys,
    /// Tells whether its times have changed.
    pub(crate) times: u128,
    pub(crate) is_paused: bool,
}

impl StoredDefinition {
    pub(crate) fn of(id: &str, definition: &Value) -> Self {
        Self {
            keys: Keys::of(id, definition),
            times: matins::definitions::crontab::hash(&format!(
                "{} {}",
                definition["when"], definition["jitter"]
            )),
            is_paused: definition["paused"] == true,
        }
    }
}

/// A file that is read, without its jobs.
#[derive(Debug, Clone)]
pub(crate) struct FileName {
    pub(crate) path: PathBuf,
    pub(crate) is_crontab: bool,
    pub(crate) named_by: Option<PathBuf>,
}

impl FileName {
    pub(crate) fn of(file: &DefinedFile) -> Self {
        Self { path: file.path.clone(), is_crontab: file.is_crontab, named_by: file.named_by.clone() }
    }
}

/// The jobs of the files that are read, and what there is to know of those of other files.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// For each file, its jobs by id.
    pub(crate) of_files: Vec<BTreeMap<String, StoredJob>>,
    /// The files that the configuration named before and does not name any more; their jobs come after those of `of_files` that are
    /// read.
    pub(crate) not_named_now: Vec<PathBuf>,
    /// The jobs that more than one store has, and which ones.
    pub(crate) in_two_stores: BTreeMap<JobId, Vec<StoreName>>,
    /// How many jobs come from each of the other files.
    pub(crate) others: BTreeMap<String, usize>,
    /// The lines of crontabs among them, each with its file.
    pub(crate) foreign_lines: HashMap<u128, std::sync::Arc<str>>,
}

impl Stored {
    /// Whether the same jobs come from the files that are read.
    pub(crate) fn has_the_ids_of(&self, other: &Self) -> bool {
        let ids = |stored: &Self| -> Vec<Vec<String>> {
            stored.of_files.iter().map(|jobs| jobs.keys().cloned().collect()).collect()
        };
        ids(self) == ids(other)
    }

    /// If one crontab is not named any more and one is new, that is its new name: its jobs stay what they are.
    fn follow_renamed(&mut self, files: &[FileName]) {
        let new: Vec<usize> = (0..files.len())
            .filter(|at| files[*at].named_by.is_some() && self.of_files[*at].is_empty())
            .collect();
        if let ([new], [_]) = (&new[..], &self.not_named_now[..])
            && let Some(jobs) = self.of_files.pop()
        {
            self.of_files[*new] = jobs;
            self.not_named_now.clear();
        }
    }

    /// Reads what the store holds. `adopted` is a file whose jobs are taken over by one of `files`.
    pub(crate) fn read(
        scheduler: &Handle,
        files: &[FileName],
        adopted: Option<&Path>,
    ) -> Result<Self, SchedulerError> {
        let mut stored =
            Self { of_files: files.iter().map(|_| BTreeMap::new()).collect(), ..Self::default() };
        if files.is_empty() {
            return Ok(stored);
        }
        let mut which: HashMap<String, (Option<usize>, std::sync::Arc<str>)> = HashMap::new();
        let mut query = JobQuery::default().metadata_key(source_file::SOURCE).limit(PAGE);
        loop {
            let page = scheduler.list(&query)?;
            let Some((_, last)) = page.last() else {
                stored.follow_renamed(files);
                return Ok(stored);
            };
            query.after = Some(JobPosition::of(last));
            for (store, job) in &page {
                let Some(name) = source_file::of(job) else { continue };
                if !which.contains_key(name) {
                    let file =
                        file_of(name, files, adopted).or_else(|| stored.not_named_any_more(job, name, files));
                    which.insert(name.to_owned(), (file, name.into()));
                }
                let (file, name) = &which[name];
                stored.take(store, job, *file, name, files);
            }
        }
    }

    /// The place of a file that the configuration named once, and does not name now: its jobs are to go.
    fn not_named_any_more(&mut self, job: &Job, name: &str, files: &[FileName]) -> Option<usize> {
        let configuration = job.metadata.get(source_file::NAMED_BY).and_then(Value::as_str)?;
        let is_read = |file: &FileName| !file.is_crontab && source_file::is(configuration, &file.path);
        if !files.iter().any(is_read) {
            return None;
        }
        self.not_named_now.push(name.into());
        self.of_files.push(BTreeMap::new());
        Some(self.of_files.len() - 1)
    }

    fn take(
        &mut self,
        store: &StoreName,
        job: &Job,
        file: Option<usize>,
        name: &std::sync::Arc<str>,
        files: &[FileName],
    ) {
        let definition = job.metadata.get(DEFINITION);
        let Some(file) = file else {
            *self.others.entry(name.to_string()).or_default() += 1;
            if let Some(definition) = definition {
                self.foreign_lines.insert(Keys::of(job.id.as_str(), definition).line, name.clone());
            }
            return;
        };
        let is_named_so = |file: &FileName| {
            let named_by = job.metadata.get(source_file::NAMED_BY).and_then(Value::as_str);
            **name == *source_file::name(&file.path)
                && named_by == file.named_by.as_deref().map(source_file::name).as_deref()
        };
        let stored = StoredJob {
            definition: definition.map(|definition| StoredDefinition::of(job.id.as_str(), definition)),
            is_named_so: files.get(file).is_some_and(is_named_so),
            store: store.clone(),
            boot: job.metadata.get(BOOT).and_then(Value::as_str).map(str::to_owned),
        };
        if let Some(other) = self.of_files[file].insert(job.id.to_string(), stored) {
            let stores = self.in_two_stores.entry(job.id.clone()).or_insert_with(|| vec![other.store]);
            stores.push(store.clone());
        }
    }
}

/// Which of the files a name in metadata means.
fn file_of(name: &str, files: &[FileName], adopted: Option<&Path>) -> Option<usize> {
    let named = files.iter().position(|file| source_file::is(name, &file.path));
    let is_adopted = || adopted.is_some_and(|adopted| source_file::is(name, adopted));
    named.or_else(|| if is_adopted() { adopter(files, adopted?) } else { None })
}

/// The file to which an adopted one has moved: the one of its name, or else the last.
fn adopter(files: &[FileName], adopted: &Path) -> Option<usize> {
    let has_its_name = |file: &FileName| file.path.file_name() == adopted.file_name();
    files.iter().position(has_its_name).or(files.len().checked_sub(1))
}
