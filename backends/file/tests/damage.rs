//! Files that were cut, changed, taken away, or belong to others: all that was acknowledged, or one clear error, and
//! nothing changed.

use std::fs;
use std::path::{Path, PathBuf};

use matins_conformance::store_suite::job;
use matins_core::{Job, JobId, JobQuery, JobStore, OnConflict, Run, RunId, RunQuery, StoreError, Transition};
use matins_store_file::{FileStore, examine, repair};
use tempfile::{TempDir, tempdir};

type Holdings = (Vec<Job>, Vec<Run>);

fn holdings(store: &mut FileStore) -> Holdings {
    (store.list(&JobQuery::default()).unwrap(), store.runs(&RunQuery::default()).unwrap())
}

/// A small store: two jobs and a run in the snapshot, some changes in the log. What it holds after each change.
fn small_store() -> (TempDir, PathBuf, Vec<Holdings>) {
    let parent = tempdir().unwrap();
    let path = parent.path().join("jobs");
    let mut store = FileStore::open(&path).unwrap();
    let fire = |second| job("x", Some(second)).next_fire;
    let run = |number: u64| {
        Run::started(RunId(number), JobId::new("a").unwrap(), fire(1).unwrap(), fire(2).unwrap())
    };
    let a = JobId::new("a").unwrap();
    store.import(vec![job("a", Some(1)), job("b", None)], vec![run(1)], OnConflict::Refuse).unwrap();
    drop(store);
    // Into the snapshot, as after a long log.
    repair(&path).unwrap();
    for name in ["snapshot.jsonl.damaged-1", "log.jsonl.damaged-1"] {
        fs::remove_file(path.join(name)).unwrap();
    }
    let mut store = FileStore::open(&path).unwrap();
    let mut states = vec![holdings(&mut store)];
    let step = |from, to, number| {
        let advance = Transition::Advance { job: a.clone(), from: fire(from), to: fire(to) };
        [advance, Transition::Record(run(number).into())]
    };
    store.commit(step(1, 10, 2).into()).unwrap();
    states.push(holdings(&mut store));
    store.add(job("c", Some(5)), OnConflict::Refuse).unwrap();
    states.push(holdings(&mut store));
    store.remove(&JobId::new("b").unwrap()).unwrap();
    states.push(holdings(&mut store));
    store.commit(step(10, 20, 3).into()).unwrap();
    states.push(holdings(&mut store));
    (parent, path, states)
}

fn files(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_log_cut_anywhere_holds_all_changes_up_to_its_last_whole_line() {
    let (_parent, path, states) = small_store();
    let log = path.join("log.jsonl");
    let whole = fs::read(&log).unwrap();
    for length in 0..=whole.len() {
        fs::write(&log, &whole[..length]).unwrap();
        // A line is whole without its newline too; the first is the head.
        let ended = whole[..length].split(|byte| *byte == b'\n').count() - 1;
        let lines = ended + usize::from(whole.get(length) == Some(&b'\n'));
        if lines == 0 {
            let before = files(&path);
            let error = FileStore::open(&path).unwrap_err();
            assert!(error.to_string().contains("log.jsonl, line 1, byte 0 is damaged"), "{error}");
            assert_eq!(files(&path), before, "cut at {length}");
            continue;
        }
        let mut store = FileStore::open(&path).unwrap();
        assert_eq!(holdings(&mut store), states[lines - 1], "cut at {length}");
        let is_whole = lines > ended || whole[length - 1] == b'\n';
        assert_eq!(store.torn_tail().is_none(), is_whole, "cut at {length}: {:?}", store.torn_tail());
        if whole[length.saturating_sub(2)..whole.len().min(length + 2)].iter().all(|byte| *byte != b'\n') {
            continue;
        }
        // Around the ends of lines: it continues from there, also after another opening.
        store.add(job("new", Some(9)), OnConflict::Refuse).unwrap();
        let after = holdings(&mut store);
        drop(store);
        let mut store = FileStore::open(&path).unwrap();
        assert_eq!(holdings(&mut store), after);
        assert_eq!(store.torn_tail(), None);
    }
}

/// Reported: a changed bit in the last newline of a closed log dropped the last change as torn.
#[test]
fn a_log_with_a_changed_bit_anywhere_is_an_error() {
    let (_parent, path, states) = small_store();
    let log = path.join("log.jsonl");
    let whole = fs::read(&log).unwrap();
    let last_line = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for byte in 0..whole.len() {
        let bits = if byte < last_line { byte % 8..byte % 8 + 1 } else { 0..8 };
        for bit in bits {
            let mut changed = whole.clone();
            changed[byte] ^= 1 << bit;
            fs::write(&log, &changed).unwrap();
            let error = FileStore::open(&path).expect_err("a changed bit is noticed").to_string();
            assert!(error.contains("log.jsonl, line ") && error.contains(", byte "), "{error}");
            assert_eq!(fs::read(&log).unwrap(), changed, "nothing was changed");
        }
    }
    fs::write(&log, &whole).unwrap();
    assert_eq!(holdings(&mut FileStore::open(&path).unwrap()), *states.last().unwrap());
}

#[test]
fn a_snapshot_cut_or_changed_anywhere_is_an_error_that_names_the_line() {
    let (_parent, path, states) = small_store();
    let snapshot = path.join("snapshot.jsonl");
    let whole = fs::read(&snapshot).unwrap();
    let check = |bytes: &[u8], what: &str| {
        fs::write(&snapshot, bytes).unwrap();
        let before = files(&path);
        let error = FileStore::open(&path).expect_err(what);
        let text = error.to_string();
        assert!(text.contains("snapshot.jsonl, line ") && text.contains("store repair"), "{what}: {text}");
        assert_eq!(files(&path), before, "{what}");
    };
    for length in 0..whole.len() - 1 {
        check(&whole[..length], &format!("cut at {length}"));
    }
    for byte in 0..whole.len() {
        let mut changed = whole.clone();
        changed[byte] ^= 1 << (byte % 8);
        check(&changed, &format!("byte {byte} changed"));
    }
    fs::write(&snapshot, &whole).unwrap();
    assert_eq!(holdings(&mut FileStore::open(&path).unwrap()), *states.last().unwrap());
}

#[test]
fn lines_taken_out_exchanged_or_doubled_are_noticed() {
    let (_parent, path, _) = small_store();
    let log = path.join("log.jsonl");
    let whole = fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    for order in [vec![0, 2, 3, 4], vec![0, 2, 1, 3, 4], vec![0, 1, 1, 2, 3, 4], vec![1, 2, 3, 4]] {
        let text: Vec<&str> = order.iter().map(|line| lines[*line]).collect();
        fs::write(&log, text.join("\n") + "\n").unwrap();
        let error = FileStore::open(&path).unwrap_err().to_string();
        assert!(error.contains("log.jsonl, line "), "{order:?}: {error}");
    }
}

#[test]
fn a_repair_shows_what_it_would_drop_and_keeps_the_rest() {
    let (_parent, path, states) = small_store();
    let log = path.join("log.jsonl");
    let whole = fs::read_to_string(&log).unwrap();
    // Adding job c is the third line.
    fs::write(&log, whole.replacen("\"created\":\"2023", "\"created\":\"1023", 1)).unwrap();
    let before = files(&path);
    let examination = examine(&path).unwrap();
    assert_eq!(examination.damaged.len(), 1);
    assert_eq!(examination.damaged[0].line, 3);
    assert!(examination.damaged[0].to_string().contains("log.jsonl, line 3, byte "));
    assert_eq!(files(&path), before, "a look changes nothing");
    assert_eq!(repair(&path).unwrap(), examination);
    let mut store = FileStore::open(&path).unwrap();
    let mut expected = states.last().unwrap().clone();
    expected.0.retain(|job| job.id != "c");
    assert_eq!(holdings(&mut store), expected);
    let kept = || fs::read_to_string(path.join("log.jsonl.damaged-2")).unwrap();
    assert!(kept().contains("\"created\":\"1023"));
    drop(store);
    repair(&path).unwrap();
    assert!(kept().contains("\"created\":\"1023"), "a second repair keeps what the first one kept");
}

#[test]
fn files_taken_away_under_a_running_store_are_written_anew_and_strangers_are_not_written_over() {
    let (_parent, path, states) = small_store();
    let mut store = FileStore::open(&path).unwrap();
    fs::remove_file(path.join("log.jsonl")).unwrap();
    store.add(job("new", Some(9)), OnConflict::Refuse).unwrap();
    fs::remove_file(path.join("snapshot.jsonl")).unwrap();
    store.add(job("newer", Some(9)), OnConflict::Refuse).unwrap();
    let held = holdings(&mut store);
    fs::write(path.join("strange"), "a backup").unwrap();
    fs::rename(path.join("strange"), path.join("log.jsonl")).unwrap();
    let error = store.add(job("lost", Some(9)), OnConflict::Refuse).unwrap_err().to_string();
    assert!(error.contains("another file was put in its place"), "{error}");
    assert_eq!(fs::read_to_string(path.join("log.jsonl")).unwrap(), "a backup");
    assert_eq!(holdings(&mut store), held);
    fs::remove_file(path.join("log.jsonl")).unwrap();
    store.add(job("newest", Some(9)), OnConflict::Refuse).unwrap();
    let held = holdings(&mut store);
    assert_eq!(held.0.len(), states.last().unwrap().0.len() + 3);
    drop(store);
    assert_eq!(holdings(&mut FileStore::open(&path).unwrap()), held);
}

#[test]
fn a_file_that_is_missing_at_the_start_is_an_error() {
    for name in ["snapshot.jsonl", "log.jsonl"] {
        let (_parent, path, _) = small_store();
        fs::remove_file(path.join(name)).unwrap();
        let before = files(&path);
        let error = FileStore::open(&path).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("missing"), "{error}");
        assert_eq!(files(&path), before);
    }
}

#[test]
fn another_programs_directory_is_refused_and_left_alone() {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    let before = files(directory.path());
    let error = FileStore::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("notes.txt"), "{error}");
    assert_eq!(files(directory.path()), before);
    let error = FileStore::open(directory.path().join("notes.txt")).unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }), "{error}");
}

#[test]
fn what_a_store_holds_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_parent, path, _) = small_store();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for (file, _) in files(&path) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_second_owner_is_refused_by_name() {
    let directory = tempdir().unwrap();
    let first = FileStore::open(directory.path()).unwrap();
    let error = FileStore::open(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains(&format!("process {} ", std::process::id())) && error.contains("since"),
        "{error}"
    );
    drop(first);
    FileStore::open(directory.path()).unwrap();
}

#[test]
fn a_log_of_the_generation_before_is_contained_in_the_snapshot() {
    // As after a death between the two renamings.
    let (_parent, path, states) = small_store();
    let log = fs::read(path.join("log.jsonl")).unwrap();
    repair(&path).unwrap();
    fs::write(path.join("log.jsonl"), log).unwrap();
    let mut store = FileStore::open(&path).unwrap();
    assert_eq!(holdings(&mut store), *states.last().unwrap());
}

#[test]
fn a_log_of_another_snapshot_is_refused_and_a_repair_says_that_it_drops_it() {
    let (_parent, path, states) = small_store();
    let log = fs::read(path.join("log.jsonl")).unwrap();
    repair(&path).unwrap();
    repair(&path).unwrap();
    fs::write(path.join("log.jsonl"), log).unwrap();
    let error = FileStore::open(&path).unwrap_err().to_string();
    assert!(error.contains("log.jsonl, line 1") && error.contains("follows snapshot 2"), "{error}");
    let examination = examine(&path).unwrap();
    assert!(examination.damaged[0].what.contains("none of its changes"), "{examination:?}");
    repair(&path).unwrap();
    assert_eq!(holdings(&mut FileStore::open(&path).unwrap()), *states.last().unwrap());
}

#[test]
fn a_long_log_is_folded_into_a_snapshot() {
    let directory = tempdir().unwrap();
    let mut store = FileStore::open(directory.path()).unwrap();
    let mut big = job("big", Some(1));
    big.arguments = "x".repeat(1 << 20).into();
    for round in 0..12 {
        big.next_fire = job("big", Some(round)).next_fire;
        store.add(big.clone(), OnConflict::Replace).unwrap();
    }
    let log = fs::metadata(directory.path().join("log.jsonl")).unwrap().len();
    assert!(log < 8 << 20, "{log} bytes");
    drop(store);
    let mut store = FileStore::open(directory.path()).unwrap();
    assert_eq!(store.list(&JobQuery::default()).unwrap(), [big]);
}

#[test]
fn a_large_import_leaves_what_its_jobs_one_by_one_would() {
    let directory = tempdir().unwrap();
    let (one_by_one, at_once) = (directory.path().join("one by one"), directory.path().join("at once"));
    let jobs: Vec<Job> =
        (0..5_000).map(|number| job(&format!("job {number}"), Some(number % 7 * 100))).collect();
    let runs: Vec<Run> = (1..4)
        .map(|number| {
            let fire = jobs[0].created;
            Run::started(RunId(number), jobs[0].id.clone(), fire, fire)
        })
        .collect();
    let mut stores = [FileStore::open(&one_by_one).unwrap(), FileStore::open(&at_once).unwrap()];
    for store in &mut stores {
        store.add(job("job 17", Some(5)), OnConflict::Refuse).unwrap();
        store.add(job("another", Some(5)), OnConflict::Refuse).unwrap();
    }
    for part in jobs.chunks(1_000) {
        stores[0].import(part.to_vec(), Vec::new(), OnConflict::Replace).unwrap();
    }
    stores[0].import(Vec::new(), runs.clone(), OnConflict::Replace).unwrap();
    stores[1].import(jobs, runs, OnConflict::Replace).unwrap();
    let due = |store: &mut FileStore| {
        let first = store.next_due().unwrap().unwrap();
        store.due(first, 10_000).unwrap()
    };
    let [expected, found] = &mut stores;
    assert_eq!(due(expected), due(found));
    let expected = holdings(expected);
    assert!(expected == holdings(found), "in memory");
    drop(stores);
    assert!(expected == holdings(&mut FileStore::open(&at_once).unwrap()), "in the files");
}

#[test]
fn a_job_of_an_unknown_kind_is_quarantined_and_kept_as_it_is() {
    let (_parent, path, _) = small_store();
    // What a program with another trigger would have written: the checksums are right.
    let snapshot = fs::read_to_string(path.join("snapshot.jsonl")).unwrap();
    let lines: Vec<String> = snapshot
        .lines()
        .map(|line| {
            let line = line.replace("\"type\":\"interval\"", "\"type\":\"lunar\"");
            let sum = crc32fast::hash(&line.as_bytes()[18..]);
            format!("{{\"crc\":\"{sum:08x}\",{}\n", &line[18..])
        })
        .collect();
    fs::write(path.join("snapshot.jsonl"), lines.concat()).unwrap();
    let mut store = FileStore::open(&path).unwrap();
    // The log has moved a on, added c, and removed b.
    let jobs = store.list(&JobQuery::default()).unwrap();
    assert_eq!(jobs, [job("c", Some(5))]);
    let [quarantined] = store.quarantined() else { panic!("{:?}", store.quarantined()) };
    assert!(quarantined.id == "a" && quarantined.what.contains("lunar"), "{quarantined}");
    let error = store.get(&JobId::new("a").unwrap()).unwrap_err().to_string();
    assert!(error.contains("lunar"), "{error}");
    assert!(matches!(store.add(job("a", Some(1)), OnConflict::Refuse), Err(StoreError::Conflict { .. })));
    // A new snapshot keeps it, at the fire time that it was moved to.
    drop(store);
    repair(&path).unwrap();
    let snapshot = fs::read_to_string(path.join("snapshot.jsonl")).unwrap();
    let line = snapshot.lines().find(|line| line.contains("\"id\":\"a\"")).unwrap();
    assert!(line.contains("\"lunar\"") && line.contains("2023-11-14T22:13:40Z"), "{line}");
    let mut store = FileStore::open(&path).unwrap();
    store.add(job("a", Some(1)), OnConflict::Replace).unwrap();
    assert!(store.quarantined().is_empty());
    assert_eq!(store.list(&JobQuery::default()).unwrap().len(), 2);
}

/// A link in place of any of the files is refused, whoever placed it, and what it leads to stays as it was.
#[test]
fn a_link_in_place_of_a_file_is_not_followed() {
    for name in ["snapshot.jsonl", "log.jsonl", "owner", "snapshot.jsonl.new", "log.jsonl.new"] {
        let directory = tempfile::tempdir().unwrap();
        let (store, victim) = (directory.path().join("jobs"), directory.path().join("victim"));
        drop(FileStore::open(&store).unwrap());
        fs::write(&victim, "precious").unwrap();
        let _ = fs::remove_file(store.join(name));
        std::os::unix::fs::symlink(&victim, store.join(name)).unwrap();
        // What is written beside is written with the first change, after the log was lost.
        let opened = FileStore::open(&store).and_then(|mut opened| {
            fs::remove_file(store.join("log.jsonl")).unwrap();
            let _ = fs::remove_file(store.join("snapshot.jsonl"));
            opened.add(job("a", None), OnConflict::Refuse)
        });
        let error = opened.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(&format!("{name} is a symbolic link")), "{name}: {error}: {source}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{name}");
    }
}
