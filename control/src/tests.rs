//! Looking at a scheduler must not hurt it: what is asked of its store, and what is held in memory meanwhile.
//!
//! Eight calls of `status` that were cut off at a store of 100,000 jobs once took 2.2 GB.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_conformance::wrapped::{WrappedStore, Wrapper};
use matins_core::{Clock, JobId, JobState, JobStore, OnConflict, Run, RunId, StoreError};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{BlockingScheduler, Schedule, SchedulerBuilder, SystemClock};
use matins_store_memory::MemoryStore;
use matins_triggers::DateTrigger;
use serde_json::{Value, json};

use crate::{
    Item, ItemSink, JobsRequest, Listener, Operator, RemoveManyRequest, Request, RunPosition, RunsRequest,
};

/// Counts the calls of each method.
#[derive(Debug, Clone, Default)]
struct Counted(Arc<std::sync::Mutex<std::collections::BTreeMap<&'static str, u64>>>);

impl Counted {
    fn of(&self, method: &str) -> u64 {
        self.0.lock().unwrap().get(method).copied().unwrap_or(0)
    }

    fn forget(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Wrapper for Counted {
    fn call<T>(
        &mut self,
        method: &'static str,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        *self.0.lock().unwrap().entry(method).or_default() += 1;
        work()
    }
}

fn id(number: usize) -> String {
    format!("job-{number:06}")
}

/// An operator of a store with so many jobs, each with this many bytes of arguments, that counts what is asked of the store.
fn operator(jobs: usize, bytes: usize) -> (Operator, BlockingScheduler, Counted) {
    let counted = Counted::default();
    let scheduler = SchedulerBuilder::new()
        .store("default", WrappedStore::new(MemoryStore::new(), counted.clone()))
        .executor("default", ThreadExecutor::builder().workers(1).build())
        .blocking()
        .unwrap();
    scheduler.register("idle", |_: Value| ()).unwrap();
    let far: DateTime<Utc> = "2999-01-01T00:00:00Z".parse().unwrap();
    let new = |number: usize| {
        let job = DateTrigger::new(far + chrono::TimeDelta::seconds(number as i64 % 7)).task("idle");
        let job = job.id(id(number)).arguments("x".repeat(bytes)).tag(if number.is_multiple_of(10) {
            "tenth"
        } else {
            "other"
        });
        if number.is_multiple_of(4) { job.paused() } else { job }
    };
    scheduler.add_many((0..jobs).map(new)).unwrap();
    counted.forget();
    let operator = Operator::new(&scheduler.handle());
    (operator, scheduler, counted)
}

fn ask(operator: &Operator, request: Request) -> (Vec<Value>, Value) {
    let mut items = Vec::new();
    let keep = &mut |item: Value| {
        items.push(item);
        true
    };
    let done = operator.answer(request, "ada", &[], keep).unwrap();
    (items, done)
}

#[test]
fn status_counts_and_reads_no_list() {
    let (operator, _scheduler, counted) = operator(1_000, 10);
    let (_, status) = ask(&operator, Request::Status);
    assert_eq!(status["jobs"], 1_000);
    assert_eq!(status["next"][0], "job-000007", "the first one that is not paused");
    assert_eq!((counted.of("count"), counted.of("list")), (1, 1), "the list is that of the next job");
    let (_, info) = ask(&operator, Request::Info);
    assert_eq!((&info["jobs"], &info["paused"], &info["runs"]), (&json!(1_000), &json!(250), &json!(0)));
    assert_eq!(counted.of("list"), 1);
}

/// Takes no more after so many items, or after so many pages.
struct Leaves {
    items: usize,
    pages: usize,
}

impl ItemSink for Leaves {
    fn put(&mut self, _item: Item) -> bool {
        self.items = self.items.saturating_sub(1);
        self.items > 0
    }

    fn flush(&mut self) -> bool {
        self.pages = self.pages.saturating_sub(1);
        self.pages > 0
    }
}

#[test]
fn an_answer_ends_when_whoever_asked_has_gone() {
    let (operator, _scheduler, counted) = operator(2_000, 10);
    let request = || Request::Jobs(JobsRequest::default());
    operator.answer(request(), "ada", &[], &mut Leaves { items: 1, pages: 100 }).unwrap();
    assert_eq!(counted.of("list"), 1);
    // Of a condition that nothing meets there is no item to send: that nobody waits is found out all the same.
    let nothing = Request::Jobs(JobsRequest { tag: Some("no such tag".into()), ..JobsRequest::default() });
    operator.answer(nothing, "ada", &[], &mut Leaves { items: 100, pages: 3 }).unwrap();
    assert_eq!(counted.of("list"), 1 + 3);
}

#[test]
fn pages_of_jobs_follow_each_other() {
    let (operator, _scheduler, _) = operator(250, 10);
    for order in ["id", "next_fire"] {
        let request = json!({"order": order, "tag": "tenth", "page": 7});
        let mut request: JobsRequest = serde_json::from_value(request).unwrap();
        let (whole, done) = ask(&operator, Request::Jobs(JobsRequest { page: None, ..request.clone() }));
        assert_eq!((whole.len(), &done), (25, &json!({"jobs": 25})));
        let mut pages = Vec::new();
        loop {
            let (page, done) = ask(&operator, Request::Jobs(request.clone()));
            assert!(page.len() <= 7);
            pages.extend(page);
            let Some(next) = done.get("next") else { break };
            request.after = Some(serde_json::from_value(next.clone()).unwrap());
        }
        assert_eq!(pages, whole, "{order}");
        let is_paused = |job: &Value| job["state"] == json!(JobState::Paused);
        assert!(
            order == "id" || pages.is_sorted_by_key(is_paused),
            "those without a next fire time come last"
        );
    }
    let fault = operator.answer(
        Request::Jobs(serde_json::from_value(json!({"after": {"id": ""}})).unwrap()),
        "ada",
        &[],
        &mut |_: Value| true,
    );
    assert!(fault.unwrap_err().message.contains("after:"));
}

#[test]
fn pages_of_runs_follow_each_other_up_to_the_limit() {
    let (operator, _scheduler, _) = operator(1, 10);
    let runs = |store: &mut dyn JobStore| {
        let job = JobId::new(id(0)).unwrap();
        let run = |number| Run::waiting(RunId(number), job.clone(), SystemClock.now());
        store.import(Vec::new(), (1..=250).map(run).collect(), OnConflict::Refuse)
    };
    operator.handle().with_store("default", runs).unwrap().unwrap();
    let mut request = RunsRequest { page: Some(90), ..RunsRequest::default() };
    let mut numbers: Vec<u64> = Vec::new();
    loop {
        let (page, done) = ask(&operator, Request::Runs(request.clone()));
        numbers.extend(page.iter().map(|run| run["id"].as_u64().unwrap()));
        let Some(next) = done.get("next") else { break };
        request.after = next.as_u64().map(RunPosition::Run);
    }
    assert_eq!(numbers, (1..=250).rev().collect::<Vec<u64>>());
    let (page, done) =
        ask(&operator, Request::Runs(RunsRequest { limit: 7, page: Some(7), ..RunsRequest::default() }));
    assert_eq!((page.len(), done), (7, json!({"runs": 7})), "the limit is reached: there is no next page");
    let (_, status) = ask(&operator, Request::Status);
    assert_eq!((&status["unfinished"], status["running"].as_array().unwrap().len()), (&json!(250), 250));
}

fn connect(path: &Path) -> UnixStream {
    UnixStream::connect(path).unwrap()
}

/// A client that stops reading in the middle: the store is read no further than what fits into the socket and one page.
#[test]
fn a_client_that_stops_reading_holds_up_its_own_list_and_nothing_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control");
    let listener = Listener::bind(&path).unwrap();
    // 40 MB in all.
    let (operator, _scheduler, counted) = operator(4_000, 10_000);
    let _server = listener.serve(operator, 8).unwrap();
    let mut deaf = connect(&path);
    deaf.write_all(b"{\"matins\":1,\"command\":\"jobs\"}\n").unwrap();
    let mut reader = BufReader::with_capacity(4_096, deaf);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains("job-000000"), "{line}");
    // Another one is answered meanwhile, again and again.
    let mut other = connect(&path);
    for _ in 0..20 {
        other.write_all(b"{\"matins\":1,\"command\":\"status\"}\n").unwrap();
        let mut answer = String::new();
        BufReader::new(&other).read_line(&mut answer).unwrap();
        assert!(answer.contains("\"jobs\":4000"), "{answer}");
    }
    let pages = counted.of("list") - 20;
    assert!(pages <= 4, "{pages} pages of 1 MB were read for a client that has taken one line");
    // It reads on, and has all of them.
    let mut jobs = 1;
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if !line.starts_with("{\"item\"") {
            break;
        }
        jobs += 1;
    }
    assert_eq!((jobs, line.trim_end()), (4_000, "{\"done\":{\"jobs\":4000}}"));
}

/// Requests that wait behind one another in a connection that is closed are not answered one by one.
#[test]
fn requests_of_a_client_that_has_gone_are_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control");
    let listener = Listener::bind(&path).unwrap();
    let (operator, _scheduler, counted) = operator(4_000, 100);
    let mut client = connect(&path);
    // All is there before the first request is read: nobody serves yet.
    let requests = "{\"matins\":1,\"command\":\"jobs\"}\n".repeat(500);
    client.write_all(requests.as_bytes()).unwrap();
    drop(client);
    let _server = listener.serve(operator, 8).unwrap();
    // It is served after the other one, or beside it: the answer tells that the server works.
    let mut other = connect(&path);
    other.write_all(b"{\"matins\":1,\"command\":\"status\"}\n").unwrap();
    other.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("\"jobs\":4000"),
        "one that says nothing more still waits for its answer: {answer}"
    );
    assert!(counted.of("list") <= 2, "{} lists were read for nobody", counted.of("list"));
}

#[test]
fn many_jobs_are_removed_together_and_none_if_one_does_not_exist() {
    let (operator, scheduler, counted) = operator(3_000, 10);
    let named = |jobs: &[&str]| {
        let jobs = jobs.iter().map(|job| (*job).to_owned()).collect();
        Request::RemoveMany(RemoveManyRequest { jobs, ..RemoveManyRequest::default() })
    };
    let (_, done) = ask(&operator, named(&["job-000001", "job-000002", "job-000003"]));
    assert_eq!((&done["jobs"], counted.of("commit")), (&json!(3), 1));
    let refuses = |request| operator.answer(request, "ada", &[], &mut |_: Value| true).unwrap_err().message;
    assert!(refuses(named(&["job-000004", "job-000003"])).contains("there is no job \"job-000003\""));
    assert!(scheduler.get("job-000004").unwrap().is_some());
    assert!(refuses(named(&[])).contains("name the jobs to remove"));
    let of = |prefix: Option<&str>, tag: Option<&str>| {
        let (prefix, tag) = (prefix.map(str::to_owned), tag.map(str::to_owned));
        Request::RemoveMany(RemoveManyRequest { prefix, tag, ..RemoveManyRequest::default() })
    };
    assert_eq!(ask(&operator, of(Some("job-0020"), Some("tenth"))).1["jobs"], 10);
    assert_eq!(ask(&operator, of(None, Some("tenth"))).1["jobs"], 290);
    counted.forget();
    assert_eq!(ask(&operator, of(Some("job-"), None)).1["jobs"], 3_000 - 3 - 300);
    assert_eq!(counted.of("commit"), 3);
}
