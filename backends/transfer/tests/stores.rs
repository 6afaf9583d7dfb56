//! Out of any store and into any other; and what cannot be read is refused whole.

use matins_conformance::causes::{cause, causes};
use matins_conformance::store_suite::job;
use matins_core::{FireRange, JobId, JobQuery, JobStore, MissedReason, OnConflict, Run, RunId, RunQuery};
use matins_store_file::FileStore;
use matins_store_memory::MemoryStore;
use matins_store_sqlite::SqliteStore;
use matins_store_transfer::{TransferError, export, import};
use tempfile::TempDir;

fn stores(directory: &TempDir) -> [Box<dyn JobStore>; 3] {
    let path = |name: &str| directory.path().join(name);
    [
        Box::new(MemoryStore::new()),
        Box::new(FileStore::open(path("file")).unwrap()),
        Box::new(SqliteStore::open(path("sqlite.db")).unwrap()),
    ]
}

fn fill(store: &mut dyn JobStore) {
    let fire = job("x", Some(1)).next_fire.unwrap();
    let range = FireRange { first: fire, last: fire, count: 3 };
    let runs = vec![
        Run::started(RunId(2), JobId::new("a").unwrap(), fire, fire),
        Run::missed(RunId(5), JobId::new("gone").unwrap(), range, MissedReason::TooLate, fire),
    ];
    store.import(vec![job("a", Some(1)), job("b", None)], runs, OnConflict::Refuse).unwrap();
}

#[test]
fn everything_goes_from_any_store_into_any_other() {
    let mut expected: Option<Vec<u8>> = None;
    for from in 0..3 {
        for into in 0..3 {
            let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
            let (mut source, mut target) = (stores(&one), stores(&other));
            fill(&mut *source[from]);
            let mut lines = Vec::new();
            let carried = export(&mut *source[from], &mut lines).unwrap();
            assert_eq!((carried.jobs, carried.runs, carried.quarantined), (2, 2, 0));
            assert_eq!(lines, *expected.get_or_insert_with(|| lines.clone()), "every store writes the same");
            import(&mut *target[into], &lines[..], OnConflict::Refuse).unwrap();
            let mut again = Vec::new();
            export(&mut *target[into], &mut again).unwrap();
            assert_eq!(again, lines);
        }
    }
}

#[test]
fn importing_the_same_once_more_leaves_the_ledger_as_it_is() {
    for number in 0..3 {
        let directory = TempDir::new().unwrap();
        let (mut from, into) = (MemoryStore::new(), &mut stores(&directory)[number]);
        fill(&mut from);
        let mut lines = Vec::new();
        export(&mut from, &mut lines).unwrap();
        assert_eq!(import(&mut **into, &lines[..], OnConflict::Refuse).unwrap().runs, 2);
        // A row that says something else of the same fire is another one.
        let other = String::from_utf8(lines.clone()).unwrap().replace("\"attempt\":1", "\"attempt\":2");
        let before = into.runs(&RunQuery::default()).unwrap();
        for on_conflict in [OnConflict::Keep, OnConflict::Replace] {
            assert_eq!(import(&mut **into, &lines[..], on_conflict).unwrap().runs, 0);
        }
        assert_eq!(into.runs(&RunQuery::default()).unwrap(), before);
        assert_eq!(import(&mut **into, other.as_bytes(), OnConflict::Keep).unwrap().runs, 2);
        assert_eq!(into.runs(&RunQuery::default()).unwrap().len(), 4);
    }
}

#[test]
fn runs_get_new_numbers_where_the_ledger_has_some() {
    let (mut from, mut into) = (MemoryStore::new(), MemoryStore::new());
    fill(&mut from);
    let mut lines = Vec::new();
    export(&mut from, &mut lines).unwrap();
    let other =
        Run::started(RunId(9), JobId::new("z").unwrap(), job("z", Some(1)).created, job("z", None).created);
    into.import(vec![], vec![other], OnConflict::Refuse).unwrap();
    import(&mut into, &lines[..], OnConflict::Refuse).unwrap();
    let numbers: Vec<u64> = into.runs(&RunQuery::default()).unwrap().iter().map(|run| run.id.0).collect();
    assert_eq!(numbers, [9, 10, 11]);
}

#[test]
fn a_run_that_follows_another_still_does_where_both_have_other_numbers() {
    let (mut from, mut into) = (MemoryStore::new(), MemoryStore::new());
    let fire = job("x", Some(1)).next_fire.unwrap();
    let run = |id: u64, name: &str| Run::started(RunId(id), JobId::new(name).unwrap(), fire, fire);
    let of = |id: u64, name: &str, cause: u64| run(id, name).with(|run| run.cause = Some(RunId(cause)));
    let runs = vec![run(2, "backup"), of(3, "report", 2), of(5, "mail", 3), of(6, "lost", 1)];
    from.import(vec![], runs, OnConflict::Refuse).unwrap();
    let mut lines = Vec::new();
    export(&mut from, &mut lines).unwrap();
    into.import(vec![], vec![run(9, "z")], OnConflict::Refuse).unwrap();
    assert_eq!(import(&mut into, &lines[..], OnConflict::Refuse).unwrap().runs, 4);
    let causes = |into: &mut MemoryStore| -> Vec<(u64, Option<u64>)> {
        let runs = into.runs(&RunQuery::default()).unwrap();
        runs.iter().map(|run| (run.id.0, run.cause.map(|cause| cause.0))).collect()
    };
    // The row that the last one follows is not in the text.
    let expected = [(9, None), (10, None), (11, Some(10)), (12, Some(11)), (13, None)];
    assert_eq!(causes(&mut into), expected);
    // The same once more; and with a row that is new and follows one that is known.
    assert_eq!(import(&mut into, &lines[..], OnConflict::Refuse).unwrap().runs, 0);
    assert_eq!(causes(&mut into), expected);
    from.import(vec![], vec![of(7, "later", 3)], OnConflict::Refuse).unwrap();
    lines.clear();
    export(&mut from, &mut lines).unwrap();
    assert_eq!(import(&mut into, &lines[..], OnConflict::Refuse).unwrap().runs, 1);
    assert_eq!(causes(&mut into)[5..], [(14, Some(11))]);
}

#[test]
fn what_cannot_be_read_is_refused_whole_with_its_place() {
    let mut from = MemoryStore::new();
    fill(&mut from);
    let mut lines = Vec::new();
    export(&mut from, &mut lines).unwrap();
    let text = String::from_utf8(lines).unwrap();
    for (spoilt, line) in [
        (text.replacen("interval", "lunar", 1), 2),
        (text.replacen("\"attempt\":1", "\"attempt\":true", 1), 4),
        (format!("{text}{{\"job\":"), 6),
        (text.replacen("\"format\":1", "\"format\":9", 1), 1),
        (String::from("nonsense"), 1),
    ] {
        let mut into = MemoryStore::new();
        let error = import(&mut into, spoilt.as_bytes(), OnConflict::Refuse).unwrap_err();
        assert!(matches!(error, TransferError::Line { line: found, .. } if found == line), "{error}");
        assert_eq!(into.list(&JobQuery::default()).unwrap(), []);
    }
    let mut into = MemoryStore::new();
    into.add(job("b", Some(1)), OnConflict::Refuse).unwrap();
    assert!(matches!(import(&mut into, text.as_bytes(), OnConflict::Refuse), Err(TransferError::Store(_))));
    assert_eq!(into.counts(), (1, 0));
}

/// An export of a version without limits: jobs that are over them are refused, with the line; in the ledger, what nests too deep is
/// kept as text.
#[test]
fn what_was_exported_before_there_were_limits_is_refused_by_its_line_or_made_to_fit() {
    let mut source = MemoryStore::new();
    fill(&mut source);
    let mut lines = Vec::new();
    export(&mut source, &mut lines).unwrap();
    let text = String::from_utf8(lines).unwrap();
    let deep = |levels: usize| format!("{}1.5{}", "[".repeat(levels), "]".repeat(levels));
    let arguments = r#"{"n":[1,2.5,null],"to":"Ada"}"#;
    for (instead, what) in [
        (deep(101), "the arguments of job \"a\": nested more than 100 levels deep"),
        (deep(200), "it nests 202 levels deep"),
        (format!("{:?}", "x".repeat(2 << 20)), "2097154 bytes"),
    ] {
        for number in 0..3 {
            let directory = TempDir::new().unwrap();
            let into = &mut stores(&directory)[number];
            let over = text.replacen(arguments, &instead, 1);
            assert_ne!(over, text);
            let error = import(&mut **into, over.as_bytes(), OnConflict::Refuse).unwrap_err().to_string();
            assert!(error.starts_with("line 2, column ") && error.contains(what), "{error}");
            assert_eq!(into.list(&JobQuery::default()).unwrap(), []);
        }
    }
    for levels in [100, 119, 120, 121, 124, 125, 126, 200, 5_000] {
        for number in 0..3 {
            let directory = TempDir::new().unwrap();
            let into = &mut stores(&directory)[number];
            let with = format!("\"finished\":null,\"result\":{}", deep(levels));
            let before = text.replacen("\"finished\":null", &with, 1);
            assert_ne!(before, text);
            import(&mut **into, before.as_bytes(), OnConflict::Refuse).unwrap();
            let mut result = into.runs(&RunQuery::default()).unwrap().remove(0).result.unwrap();
            let mut depth = 0;
            while let Some(inner) = result.get(0) {
                (result, depth) = (inner.clone(), depth + 1);
            }
            let inner = result.as_str().map_or_else(|| result.to_string(), str::to_owned);
            assert_eq!(inner, deep(levels - depth), "{levels} levels");
        }
    }
}

/// A disk that is full.
struct Full;

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_went_wrong_is_among_the_causes_once() {
    let directory = TempDir::new().unwrap();
    for mut store in stores(&directory) {
        fill(&mut *store);
        let error = export(&mut *store, &mut Full).unwrap_err();
        assert_eq!(cause::<std::io::Error>(&error).kind(), std::io::ErrorKind::StorageFull);
        let mut text = Vec::new();
        export(&mut *store, &mut text).unwrap();
        // The store's own refusal, and not a layer more.
        let error = import(&mut *store, &text[..], OnConflict::Refuse).unwrap_err();
        assert_eq!(
            causes(&error),
            ["there is a job \"a\" already; choose another id, or add it with OnConflict::Replace or \
                                    OnConflict::Keep"]
        );
        let error = import(&mut *store, "{}\n".as_bytes(), OnConflict::Refuse).unwrap_err();
        assert!(causes(&error)[0].starts_with("line 1, column "), "{error}");
    }
    let error = import(&mut MemoryStore::new(), &b"\xff\n"[..], OnConflict::Refuse).unwrap_err();
    assert_eq!(cause::<std::io::Error>(&error).kind(), std::io::ErrorKind::InvalidData);
}
