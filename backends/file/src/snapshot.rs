//! The snapshot: all jobs and runs at one moment, written beside the old one and put in its place by renaming.

use std::io::{self, BufWriter, Write};

use serde_json::Value;

use crate::damage::{Damage, Reader};
use crate::disk::{Disk, Handle};
use crate::format::{Head, HeadLine, JobLine, RunLine, SnapshotLine, State};
use crate::in_place::InPlace;
use crate::line;

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
        line::write(&mut buffer, &RunLine { run: run.into() })?;
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

/// Reads a snapshot; what is wrong with it goes to `damage`, which says whether to go on.
pub(crate) fn read(
    reader: &Reader<'_>,
    damage: &mut Damage<'_>,
) -> Result<(State, Head), matins_core::StoreError> {
    let mut state = State::default();
    let mut head: Option<Head> = None;
    let (mut jobs, mut runs) = (0, 0);
    let (mut read_jobs, mut read_runs) = (Vec::new(), Vec::new());
    for line in reader.lines() {
        if !line::is_sound(line.bytes) {
            damage.found(&line, "its checksum does not fit: it was cut or changed")?;
            continue;
        }
        match line::read::<SnapshotLine<matins_core::Job>>(line.bytes) {
            Ok(SnapshotLine { head: Some(found), .. }) if head.is_none() => {
                reader.check(&found, "snapshot")?;
                head = Some(found);
            }
            Ok(SnapshotLine { job: Some(job), .. }) if head.is_some() => {
                jobs += 1;
                read_jobs.push(job);
            }
            Ok(SnapshotLine { run: Some(run), .. }) if head.is_some() => {
                runs += 1;
                read_runs.push(run.into());
            }
            Ok(_) => damage.found(&line, "no such line belongs there")?,
            // Sound, and of a kind that this program does not know.
            Err(error) => match line::read::<SnapshotLine<Value>>(line.bytes) {
                Ok(SnapshotLine { job: Some(job), .. }) if head.is_some() => {
                    jobs += 1;
                    state.put(vec![job], Vec::new())?;
                }
                _ => damage.found(&line, &error.to_string())?,
            },
        }
    }
    let Some(head) = head else { return Err(reader.error_at_start("it has no head; it was cut")) };
    if (jobs, runs) != (head.jobs, head.runs) {
        let (wanted_jobs, wanted_runs) = (head.jobs, head.runs);
        damage.found(
            &reader.end(),
            &format!("{jobs} jobs and {runs} runs are there of {wanted_jobs} and {wanted_runs}: it was cut"),
        )?;
    }
    state.put_read(read_jobs, read_runs)?;
    state.memory.reserve_run_numbers(matins_core::RunId(head.last_run));
    Ok((state, head))
}
