//! The snapshot: all jobs and runs at one moment, written beside the old one and put in its place by renaming.

use std::io::{self, BufWriter, Write};
use std::num::NonZero;
use std::thread::{self, ScopedJoinHandle};

use matins_core::{Job, Run, StoreError};
use serde_json::value::RawValue;

use crate::damage::{Damage, FileLine, Reader};
use crate::disk::{Disk, Handle};
use crate::format::{Head, HeadLine, JobLine, RunLine, SnapshotLine, State};
use crate::in_place::InPlace;
use crate::line;
use crate::log_record::Row;
use crate::unreadable::RawSnapshotLine;

/// Writes `state` in place of the snapshot before, and returns the number of bytes. After an error either snapshot may be
/// in place, as [`InPlace::replace`] says.
pub(crate) fn write(disk: &Disk, place: &mut InPlace, state: &State, generation: u64) -> io::Result<u64> {
    let file = disk.create(&place.beside())?;
    let mut out = BufWriter::with_capacity(1 << 20, Appending { file: &file, length: 0 });
    let mut buffer = Vec::new();
    let mut put = |buffer: &mut Vec<u8>| -> io::Result<()> {
        out.write_all(buffer)?;
        buffer.clear();
        Ok(())
    };
    line::write(&mut buffer, &HeadLine { head: &state.head(generation) })?;
    put(&mut buffer)?;
    let mut jobs: Vec<_> = state.memory.jobs().collect();
    jobs.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    for job in jobs {
        line::write(&mut buffer, &JobLine { job })?;
        put(&mut buffer)?;
    }
    for job in state.unreadable.values() {
        line::write(&mut buffer, &JobLine { job: &job.json })?;
        put(&mut buffer)?;
    }
    for run in state.memory.ledger() {
        line::write(&mut buffer, &RunLine { run: Row::from(run) })?;
        put(&mut buffer)?;
    }
    for run in state.unreadable_runs.values() {
        line::write(&mut buffer, &RunLine { run: &run.json })?;
        put(&mut buffer)?;
    }
    let length = out.into_inner().map_err(io::IntoInnerError::into_error)?.length;
    place.replace(disk, &file)?;
    Ok(length)
}

/// Writes at the end of a new file.
struct Appending<'a> {
    file: &'a Handle,
    length: u64,
}

impl Write for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a line of a snapshot says.
enum Said {
    Head(Head),
    Job(Box<Job>),
    Run(Run),
    /// A job that this program cannot read.
    UnreadableJob(Box<RawValue>),
    /// A row that this program cannot read, or not as the others.
    UnreadableRun(Box<RawValue>),
    /// It is not as it was written.
    Unsound,
    /// Sound, and nothing that belongs into a snapshot.
    Unknown(String),
}

fn say(line: &FileLine<'_>) -> Said {
    const MISPLACED: &str = "no such line belongs there";
    if !line::is_sound(line.bytes) {
        return Said::Unsound;
    }
    match line::read::<SnapshotLine>(line.bytes) {
        Ok(SnapshotLine { head: Some(head), .. }) => Said::Head(head),
        Ok(SnapshotLine { job: Some(job), .. }) => Said::Job(Box::new(job)),
        Ok(SnapshotLine { run: Some(run), .. }) => Said::Run(run.into()),
        Ok(_) => Said::Unknown(MISPLACED.to_owned()),
        // Sound, and of a kind that this program does not know.
        Err(error) => match line::read::<RawSnapshotLine>(line.bytes) {
            Ok(RawSnapshotLine { job: Some(job), .. }) => Said::UnreadableJob(job),
            Ok(RawSnapshotLine { run: Some(run), .. }) => Said::UnreadableRun(run),
            _ => Said::Unknown(error.to_string()),
        },
    }
}

/// So many lines are read at a time: on all processors, and then put into the store.
const LINES_AT_ONCE: usize = 20_000;

/// What lines say, in their order. Most of the time that opening a large store takes goes into this.
fn all_say(lines: &[FileLine<'_>]) -> Vec<Said> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let part = lines.len().div_ceil(threads).max(1_000);
    if lines.len() <= part {
        return lines.iter().map(say).collect();
    }
    thread::scope(|scope| {
        let parts = lines.chunks(part);
        let threads: Vec<_> = parts
            .map(|part| {
                let spawned = thread::Builder::new()
                    .spawn_scoped(scope, move || part.iter().map(say).collect::<Vec<Said>>());
                (part, spawned)
            })
            .collect();
        let said = threads.into_iter().map(|(part, thread)| match thread.map(ScopedJoinHandle::join) {
            Ok(Ok(said)) => said,
            // The system has started no thread, or it has panicked: this one reads the lines, and panics in its place.
            _ => part.iter().map(say).collect(),
        });
        said.flatten().collect()
    })
}

/// Reads a snapshot; what is wrong with it goes to `damage`, which says whether to continue.
pub(crate) fn read(reader: &Reader<'_>, damage: &mut Damage<'_>) -> Result<(State, Head), StoreError> {
    let mut state = State::default();
    let mut head: Option<Head> = None;
    let (mut jobs, mut runs) = (0, 0);
    let mut lines = reader.lines();
    loop {
        let some: Vec<FileLine<'_>> = lines.by_ref().take(LINES_AT_ONCE).collect();
        if some.is_empty() {
            break;
        }
        let mut read_runs = Vec::new();
        for (line, said) in some.iter().zip(all_say(&some)) {
            match said {
                Said::Unsound => damage.found(line, "its checksum does not fit: it was cut or changed")?,
                Said::Head(found) if head.is_none() => {
                    reader.check(&found, "snapshot")?;
                    head = Some(found);
                }
                Said::Job(job) if head.is_some() => {
                    jobs += 1;
                    state.put_one(*job)?;
                }
                Said::Run(run) if head.is_some() => {
                    runs += 1;
                    read_runs.push(run);
                }
                Said::UnreadableJob(job) if head.is_some() => {
                    jobs += 1;
                    state.put_raw(vec![job], Vec::new())?;
                }
                Said::UnreadableRun(run) if head.is_some() => {
                    runs += 1;
                    state.put_raw(Vec::new(), vec![run])?;
                }
                Said::Unknown(why) => damage.found(line, &why)?,
                _ => damage.found(line, "no such line belongs there")?,
            }
        }
        state.put_read(Vec::new(), read_runs)?;
    }
    let Some(head) = head else { return Err(reader.error_at_start("it has no head; it was cut")) };
    if (jobs, runs) != (head.jobs, head.runs) {
        let (wanted_jobs, wanted_runs) = (head.jobs, head.runs);
        damage.found(
            &reader.end(),
            &format!("{jobs} jobs and {runs} runs are there of {wanted_jobs} and {wanted_runs}: it was cut"),
        )?;
    }
    state.memory.reserve_run_numbers(matins_core::RunId(head.last_run));
    Ok((state, head))
}
