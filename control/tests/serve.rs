//! A scheduler in an application, served on a socket.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use matins_control::{
    Client, ClientError, Explanation, ExplanationKind, JobsOrder, JobsRequest, Listener, Operator,
    ProblemKind, Request, RunView, RunsRequest, ServeError, protocol, serve,
};
use matins_core::{Outcome, Shutdown, TaskContext};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{BackgroundScheduler, Schedule, SchedulerBuilder};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, cron, every};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

const GENEROUS: Duration = Duration::from_secs(60);

fn scheduler() -> BackgroundScheduler {
    let builder = SchedulerBuilder::new().store("default", MemoryStore::new());
    let mut scheduler = builder.executor("default", ThreadExecutor::new()).background().unwrap();
    scheduler.start().unwrap();
    scheduler.add(cron("30 2 * * *").run(|| ()).id("backup")).unwrap();
    scheduler
}

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control");
    (directory, path)
}

fn connect(path: &Path) -> Client {
    Client::connect(path).unwrap()
}

fn items(path: &Path, request: &Request) -> Vec<Value> {
    let mut items = Vec::new();
    let mut take = |item| {
        items.push(item);
        true
    };
    connect(path).ask_for(request, &[], &mut take).unwrap();
    items
}

fn problem(error: ClientError) -> (ProblemKind, String) {
    match error {
        ClientError::Problem(problem) => (problem.kind, problem.message),
        other => panic!("{other}"),
    }
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + GENEROUS;
    while !is_so() {
        assert!(Instant::now() < limit);
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_socket_is_private_and_goes_with_its_server() {
    let (_directory, path) = place();
    let scheduler = scheduler();
    let server = serve(&scheduler.handle(), &path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
    // Connected before it goes: the connection is closed, whether it was asked for something or not.
    let mut idle = UnixStream::connect(&path).unwrap();
    idle.set_read_timeout(Some(GENEROUS)).unwrap();
    idle.write_all(b"{\"matins\":1,\"command\":\"job\",\"job\":\"backup\"}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(&idle).read_line(&mut answer).unwrap();
    assert!(answer.contains("02:30"), "{answer}");
    let mut watching = connect(&path);
    let watch = thread::spawn(move || watching.ask(&Request::Watch).is_err());
    drop(server);
    assert!(!path.exists());
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    // It is told with the next event, or heartbeat.
    scheduler.pause("backup").unwrap();
    assert!(watch.join().unwrap());
    assert!(Client::connect(&path).is_err());
    serve(&scheduler.handle(), &path).map(drop).unwrap();
}

#[test]
fn a_stale_socket_is_replaced_and_one_that_is_served_is_not() {
    let (_directory, path) = place();
    let scheduler = scheduler();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a killed process leaves it so");
    let server = serve(&scheduler.handle(), &path).unwrap();
    let refused = serve(&scheduler.handle(), &path).unwrap_err();
    assert!(matches!(refused, ServeError::InUse { .. }));
    assert!(refused.to_string().contains("another process listens there; stop it, or choose another path"));
    assert!(connect(&path).ask(&Request::Status).is_ok(), "it is not disturbed");
    drop(server);

    fs::write(&path, "letters").unwrap();
    let refused = serve(&scheduler.handle(), &path).unwrap_err();
    assert!(matches!(refused, ServeError::NotASocket { .. }));
    assert_eq!(fs::read_to_string(&path).unwrap(), "letters");

    let missing = path.with_file_name("missing").join("control");
    let refused = matins_core::error_chain(&serve(&scheduler.handle(), &missing).unwrap_err());
    assert!(refused.contains("missing/control") && refused.contains("No such file"), "{refused}");

    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
    let shared = path.with_file_name("shared");
    let refused = matins_core::error_chain(&serve(&scheduler.handle(), &shared).unwrap_err());
    assert!(refused.contains("can be written by everybody"), "{refused}");
}

/// Each of the processes finds the stale socket; of those that replace it at the same moment, one serves.
#[test]
fn of_several_that_bind_at_the_same_moment_one_listens() {
    let (_directory, path) = place();
    for _ in 0..20 {
        let listeners: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                thread::spawn(move || Listener::bind(&path))
            })
            .collect::<Vec<_>>()
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(listeners.iter().filter(|bound| bound.is_ok()).count(), 1);
    }
}

#[test]
fn a_server_that_goes_leaves_the_socket_of_another() {
    let (_directory, path) = place();
    let first = Listener::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let _second = Listener::bind(&path).unwrap();
    drop(first);
    assert!(path.exists());
}

#[test]
fn secrets_are_hidden_unless_they_are_asked_for() {
    let (_directory, path) = place();
    let scheduler = scheduler();
    scheduler.register("connect", |_: Value| ()).unwrap();
    let job = cron("0 3 * * *").task("connect").id("connect");
    let job = job.arguments(json!({"db_password": "hunter2", "url": "postgres://ada:hunter2@db/jobs"}));
    scheduler.add(job).unwrap();
    scheduler
        .add(cron("0 4 * * *").run(|| Err::<(), _>("login with token=hunter2 failed")).id("login"))
        .unwrap();
    scheduler.run_now("login").unwrap().wait().unwrap();
    let _server = serve(&scheduler.handle(), &path).unwrap();

    let asked = [
        Request::Job { job: "connect".to_owned() },
        Request::Run { run: 1, store: None },
        Request::Why { job: "hunter".to_owned(), at: "token=hunter2".to_owned() },
    ];
    for request in &asked {
        let answer =
            connect(&path).ask(request).map_or_else(|error| error.to_string(), |done| done.to_string());
        assert!(!answer.contains("hunter2"), "{answer}");
    }
    let listed = items(&path, &Request::Jobs(JobsRequest::default()));
    let runs = items(&path, &Request::Runs(RunsRequest::default()));
    assert!(!json!([listed, runs]).to_string().contains("hunter2"));
    assert_eq!(listed[1]["arguments"]["db_password"], "(hidden)");

    let mut open = connect(&path).show_secrets(true);
    assert_eq!(open.ask(&asked[0]).unwrap()["arguments"]["db_password"], "hunter2");
}

#[test]
fn an_explanation_has_facts_for_programs_and_says_who_paused_a_job() {
    let (_directory, path) = place();
    let scheduler = scheduler();
    let _server = serve(&scheduler.handle(), &path).unwrap();
    let mut client = connect(&path);
    client.ask(&Request::Pause { job: "backup".to_owned() }).unwrap();
    let why = client.ask(&Request::Why { job: "backup".to_owned(), at: "2035-01-01T02:30".to_owned() });
    let why: Explanation = serde_json::from_value(why.unwrap()).unwrap();
    assert_eq!(why.kind, ExplanationKind::Paused);
    assert!(why.answer.contains("(uid "), "{}", why.answer);
}

#[test]
fn several_stores_are_listed_together_and_their_runs_told_apart() {
    let (_directory, path) = place();
    let builder =
        SchedulerBuilder::new().store("reports", MemoryStore::new()).store("default", MemoryStore::new());
    let mut scheduler = builder.executor("default", ThreadExecutor::new()).background().unwrap();
    scheduler.start().unwrap();
    for number in 0..150 {
        for store in ["reports", "default"] {
            let id = format!("{store}-{:03}", number * 2 + usize::from(store == "default"));
            let job = cron("0 3 * * *").run(|| ()).id(id).store(store);
            scheduler.add(job).unwrap();
        }
    }
    for job in ["reports-000", "default-001", "default-001"] {
        scheduler.run_now(job).unwrap().wait().unwrap();
    }
    let _server = serve(&scheduler.handle(), &path).unwrap();

    for order in [JobsOrder::Id, JobsOrder::NextFire] {
        for page in [None, Some(70)] {
            let mut request = JobsRequest { order, page, ..JobsRequest::default() };
            let mut ids: Vec<String> = Vec::new();
            loop {
                let mut take = |job: Value| {
                    ids.push(job["id"].as_str().unwrap().to_owned());
                    true
                };
                let done = connect(&path).ask_for(&Request::Jobs(request.clone()), &[], &mut take).unwrap();
                let Some(next) = done.get("next") else { break };
                request.after = Some(serde_json::from_value(next.clone()).unwrap());
            }
            assert_eq!(ids.len(), 300);
            assert!(ids.is_sorted(), "all have the same next fire time");
        }
    }

    let mut request = RunsRequest { page: Some(1), ..RunsRequest::default() };
    let mut runs: Vec<RunView> = Vec::new();
    loop {
        let mut take = |run| {
            runs.push(serde_json::from_value(run).unwrap());
            true
        };
        let done = connect(&path).ask_for(&Request::Runs(request.clone()), &[], &mut take).unwrap();
        let Some(next) = done.get("next") else { break };
        request.after = Some(serde_json::from_value(next.clone()).unwrap());
    }
    let shown: Vec<(u64, Option<&str>)> =
        runs.iter().map(|run| (run.run.id.0, run.store.as_deref())).collect();
    assert_eq!(shown, [(2, None), (1, None), (1, Some("reports"))]);

    let run =
        |run, store: Option<&str>| connect(&path).ask(&Request::Run { run, store: store.map(str::to_owned) });
    assert_eq!(run(2, None).unwrap()["job"], "default-001");
    let (kind, message) = problem(run(1, None).unwrap_err());
    assert_eq!(kind, ProblemKind::Conflict);
    assert!(message.contains("default, reports"), "{message}");
    assert_eq!(run(1, Some("reports")).unwrap()["job"], "reports-000");
    let why = Request::Why { job: "reports-000".to_owned(), at: "2035-01-01T03:00".to_owned() };
    assert!(connect(&path).ask(&why).is_ok());
    let status = connect(&path).ask(&Request::Status).unwrap();
    assert_eq!((&status["store"], &status["jobs"]), (&json!("default, reports"), &json!(300)));
    assert_eq!(problem(connect(&path).ask(&Request::Export).unwrap_err()).0, ProblemKind::Unsupported);
}

#[test]
fn a_run_is_cancelled_while_another_client_waits_for_it() {
    let (_directory, path) = place();
    let scheduler = scheduler();
    let wait = |context: &TaskContext| {
        while !context.is_cancelled() {
            thread::sleep(Duration::from_millis(5));
        }
        Err::<(), _>("cancelled")
    };
    scheduler.add(cron("0 3 * * *").run(wait).id("waits")).unwrap();
    let _server = serve(&scheduler.handle(), &path).unwrap();
    let mut waiting = connect(&path);
    let waiting = thread::spawn(move || waiting.ask(&Request::Now { job: "waits".to_owned(), wait: true }));
    wait_until(|| scheduler.in_flight(&"default".parse().unwrap()).unwrap().values().any(Option::is_some));
    connect(&path).ask(&Request::Cancel { run: 1, store: None }).unwrap();
    assert_eq!(waiting.join().unwrap().unwrap()["outcome"], json!(Outcome::Cancelled));
    let (kind, _) = problem(connect(&path).ask(&Request::Cancel { run: 1, store: None }).unwrap_err());
    assert_eq!(kind, ProblemKind::Failed);
}

/// Clients that connect and ask nothing, ask for half, ask for a megabyte of nothing, or do not read: as many as there may be
/// are connected, one more is sent away, and the jobs fire on time.
#[test]
fn hostile_clients_neither_stop_nor_delay_a_job() {
    let (_directory, path) = place();
    let scheduler = scheduler();
    let fired = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = fired.clone();
    let beat = move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    scheduler.add(every(20.milliseconds()).run(beat).id("beat")).unwrap();
    let listener = Listener::bind(&path).unwrap();
    let _server = listener.serve(Operator::new(&scheduler.handle()), 8).unwrap();

    let mut long = UnixStream::connect(&path).unwrap();
    // The server answers and closes before all is written.
    let _ = long.write_all(&vec![b'x'; 2 * 1024 * 1024]);
    let mut answer = String::new();
    let _ = BufReader::new(&long).read_line(&mut answer);
    drop(long);

    let mut held: Vec<UnixStream> = Vec::new();
    wait_until(|| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        // One that is sent away at once may be closed already.
        let _ = stream.write_all(b"{\"matins\":1,");
        let mut answer = String::new();
        let is_sent_away = BufReader::new(&stream).read_line(&mut answer).is_ok() && answer.contains("busy");
        held.push(stream);
        is_sent_away
    });
    assert!(held.len() > 8);
    let before = fired.load(std::sync::atomic::Ordering::Relaxed);
    wait_until(|| fired.load(std::sync::atomic::Ordering::Relaxed) > before + 10);
    drop(held);
    wait_until(|| Client::connect(&path).unwrap().ask(&Request::Status).is_ok());
    scheduler.shutdown_and_wait(Shutdown::Now);
}

#[test]
fn a_scheduler_that_is_gone_says_so() {
    let (_directory, path) = place();
    let scheduler = scheduler();
    let _server = serve(&scheduler.handle(), &path).unwrap();
    drop(scheduler);
    let (kind, message) = problem(connect(&path).ask(&Request::Jobs(JobsRequest::default())).unwrap_err());
    assert_eq!(kind, ProblemKind::Failed);
    assert!(message.contains("shut down"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a client writes, it is answered with an error or with what it asks for, and the next line is read.
    #[test]
    fn any_line_has_an_answer(line in any_line()) {
        if let Ok(received) = protocol::read(&line) {
            let operator = operator();
            // Those that wait for events do not end by themselves.
            let mut left = 3;
            let mut items = |_: Value| {
                left -= 1;
                left > 0
            };
            let _ = operator.answer_received(received, "ada", b"{}\n", &mut items);
        }
    }
}

fn operator() -> Operator {
    static SCHEDULER: std::sync::LazyLock<BackgroundScheduler> = std::sync::LazyLock::new(|| {
        let builder = SchedulerBuilder::new().store("default", MemoryStore::new());
        let scheduler = builder.executor("default", ThreadExecutor::new()).background().unwrap();
        scheduler.add(cron("0 3 * * *").run(|| ()).id("a")).unwrap();
        scheduler
    });
    Operator::new(&SCHEDULER.handle())
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let commands = prop::sample::select(vec![
        "status",
        "jobs",
        "job",
        "runs",
        "run",
        "add",
        "edit",
        "remove",
        "remove_many",
        "pause",
        "resume",
        "now",
        "cancel",
        "why",
        "export",
        "import",
        "info",
        "reload",
        "stop",
    ]);
    let value = prop_oneof![
        any::<String>().prop_map(Value::from),
        Just(Value::from("a")),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!({"id": "", "next_fire": "never"})),
        Just(json!(["a", 1])),
    ];
    let keys = prop::sample::select(vec![
        "job", "run", "at", "keys", "page", "after", "limit", "store", "prefix", "tag", "bytes", "order",
        "outcome",
    ]);
    let request = (commands, prop::collection::btree_map(keys, value, 0..5)).prop_map(|(command, fields)| {
        let mut request = json!({"matins": 1, "command": command});
        for (key, value) in fields {
            request[key] = value;
        }
        request.to_string().into_bytes()
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), request]
}
