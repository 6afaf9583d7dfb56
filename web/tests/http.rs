//! The API and the page, as clients see them, and who may do what.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use matins_control::{Host, Operator, Problem, Request};
use matins_core::{OnConflict, Shutdown, TaskContext};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{BackgroundScheduler, Schedule, SchedulerBuilder};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, cron, every};
use matins_web::{Address, Server, Site, Token};
use serde_json::{Map, Value, json};

const TOKEN: &str = "correct horse battery staple";

/// Takes jobs as the daemon does: here each is a closure.
struct Adds;

impl Host for Adds {
    fn add(
        &self,
        operator: &Operator,
        job: &str,
        keys: &Map<String, Value>,
        _: OnConflict,
        _: &str,
    ) -> Result<Value, Problem> {
        let Some(expression) = keys.get("cron").and_then(Value::as_str) else {
            return Err(Problem::bad("unknown key `corn`; did you mean `cron`?"));
        };
        operator.handle().add(cron(expression).run(|| ()).id(job))?;
        Ok(json!(matins_control::JobView::of(operator.job(job)?)))
    }
}

fn scheduler() -> BackgroundScheduler {
    let builder = SchedulerBuilder::new().store("default", MemoryStore::new());
    let mut scheduler = builder.executor("default", ThreadExecutor::new()).background().unwrap();
    scheduler.start().unwrap();
    scheduler.add(cron("30 2 * * *").run(|| ()).id("backup")).unwrap();
    scheduler
}

fn site(scheduler: &BackgroundScheduler) -> Site {
    Site::new(Operator::new(&scheduler.handle()).with_host(Adds))
}

fn serve(site: Site) -> Server {
    site.serve("127.0.0.1:0".parse().unwrap()).unwrap()
}

/// An answer: its status, its head and its body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

fn send(mut stream: impl Read + Write, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// Asks with these further lines in the head, such as `host: x`.
fn ask(server: &Server, line: &str, head: &[&str], body: &str) -> Answer {
    let host = if head.iter().any(|line| line.starts_with("host:")) { "" } else { "host: localhost\r\n" };
    let head = head.iter().fold(String::new(), |text, line| text + line + "\r\n");
    let request = format!(
        "{line} HTTP/1.1\r\n{host}connection: close\r\ncontent-length: {}\r\n{head}\r\n{body}",
        body.len()
    );
    match server.address() {
        Address::Ip(ip) => send(TcpStream::connect(ip).unwrap(), &request),
        Address::Unix(path) => send(UnixStream::connect(path).unwrap(), &request),
    }
}

fn get(server: &Server, path: &str) -> Answer {
    ask(server, &format!("GET {path}"), &[], "")
}

const JSON: &str = "content-type: application/json";

#[test]
fn jobs_are_listed_added_paused_run_and_removed() {
    let scheduler = scheduler();
    let server = serve(site(&scheduler));
    let added =
        ask(&server, "POST /api/v1/jobs", &[JSON], r#"{"id": "a/b c", "cron": "0 9 * * *", "shell": "x"}"#);
    assert_eq!(added.status, 201, "{}", added.body);
    assert!(added.head.contains("location: /api/v1/jobs/a%2fb%20c"), "{}", added.head);
    assert_eq!(added.json()["description"], "at 09:00 every day, UTC");
    let first = get(&server, "/api/v1/jobs?limit=1").json();
    assert_eq!(first["items"][0]["id"], "a/b c");
    let next = first["next"].as_str().unwrap().replace('"', "%22").replace(' ', "%20");
    assert_eq!(get(&server, &format!("/api/v1/jobs?after={next}")).json()["items"][0]["id"], "backup");

    let paused = ask(&server, "POST /api/v1/jobs/a%2Fb%20c/pause", &[], "").json();
    assert_eq!((&paused["paused"], &paused["next_fire"]), (&json!(true), &Value::Null));
    assert_eq!(ask(&server, "POST /api/v1/jobs/a%2Fb%20c/resume", &[], "").json()["paused"], false);
    let run = ask(&server, "POST /api/v1/jobs/backup/run", &[], "");
    assert_eq!((run.status, &run.json()["job"]), (202, &json!("backup")));
    let until = Instant::now() + Duration::from_secs(30);
    while get(&server, "/api/v1/runs/1").json()["outcome"] != "succeeded" {
        assert!(Instant::now() < until, "it has not run");
    }
    let why = get(&server, "/api/v1/jobs/backup/why?at=2099-01-01T02:31").json();
    assert_eq!(why["kind"], "not_in_trigger");
    let fires = get(&server, "/api/v1/jobs/backup/fires?count=3").json();
    assert_eq!(fires["fires"].as_array().unwrap().len(), 3);
    assert_eq!(ask(&server, "DELETE /api/v1/jobs/a%2Fb%20c", &[], "").status, 204);
    let gone = get(&server, "/api/v1/jobs/a%2Fb%20c");
    assert_eq!(gone.status, 404);
    assert!(gone.head.contains("content-type: application/problem+json"), "{}", gone.head);
    assert_eq!(gone.json()["type"], "urn:matins:problem:not_found");
    assert!(gone.json()["detail"].as_str().unwrap().starts_with("there is no job \"a/b c\""));
}

/// Work that takes until it is cancelled.
fn until_cancelled(context: &TaskContext) -> Result<(), &'static str> {
    context.log("copying a.txt");
    while !context.is_cancelled() {
        thread::yield_now();
    }
    Err("cancelled")
}

#[test]
fn the_history_says_who_did_what_by_the_page_the_api_and_the_socket() {
    let scheduler = scheduler();
    scheduler.add(cron("30 2 * * *").run(until_cancelled).id("long")).unwrap();
    let operator = Arc::new(Operator::new(&scheduler.handle()));
    let server = serve(Site::new(operator.clone()));
    let is_running = |run: u64| get(&server, &format!("/api/v1/runs/{run}")).json()["state"] == "running";
    let wait_for = |run| {
        let until = Instant::now() + Duration::from_secs(30);
        while !is_running(run) {
            assert!(Instant::now() < until, "run {run} has not begun");
        }
    };
    // By the page.
    let form = ["content-type: application/x-www-form-urlencoded"];
    let page = get(&server, "/jobs/long").body;
    let secret = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let press = |path: &str| ask(&server, &format!("POST {path}"), &form, &format!("csrf={secret}")).status;
    assert_eq!(press("/jobs/long/run"), 303);
    wait_for(1);
    assert_eq!(press("/runs/1/cancel"), 303);
    while get(&server, "/api/v1/runs/1").json()["outcome"] != "cancelled" {
        thread::yield_now();
    }
    // By the API.
    assert_eq!(ask(&server, "POST /api/v1/jobs/backup/run", &[], "").status, 202);
    assert_eq!(ask(&server, "DELETE /api/v1/jobs/backup", &[], "").status, 204);
    // As the control socket asks.
    let now = Request::Now { job: "long".to_owned(), wait: false };
    operator.answer(now, "ada (uid 1000)", &[], &mut |_item| true).unwrap();

    let history = get(&server, "/api/v1/history").json();
    let entry = |at: usize| [&history[at]["what"], &history[at]["job"]].map(|word| word.as_str().unwrap());
    let entries: Vec<_> = (0..5).map(entry).collect();
    let expected = [
        ["run_now", "long"],
        ["removed", "backup"],
        ["run_now", "backup"],
        ["cancelled", "long"],
        ["run_now", "long"],
    ];
    assert_eq!(entries, expected, "{history}");
    assert_eq!(history[3]["run"], 1);
    assert_eq!(history[0]["by"], "ada (uid 1000)");
    for at in 1..5 {
        assert!(history[at]["by"].as_str().unwrap().ends_with(", by HTTP"), "{history}");
    }
    // The job's page shows it.
    let page = get(&server, "/jobs/long").body;
    assert!(page.contains("a run cancelled by ") && page.contains("run now by ada (uid 1000)"), "{page}");
    scheduler.handle().shutdown(Shutdown::Now);
}

#[test]
fn every_page_is_served_and_shows_no_markup_of_others() {
    let scheduler = scheduler();
    let id = "<script>alert(1)</script>";
    scheduler.add(cron("30 2 * * *").run(|| ()).id(id)).unwrap();
    scheduler.run_now(id).unwrap().wait().unwrap();
    let server = serve(site(&scheduler));
    let paths = ["/", "/jobs", "/jobs/new", "/jobs/backup", "/jobs/%3Cscript%3Ealert%281%29%3C%2Fscript%3E"];
    for path in paths.into_iter().chain(["/runs", "/runs/1", "/nodes", "/settings"]) {
        let page = get(&server, path);
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(!page.body.contains("<script>alert"), "{path}");
        assert!(!page.body.contains("style=\"") && !page.body.contains("onclick"), "{path}");
        let policy = "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self';";
        assert!(page.head.contains(policy), "{path}: {}", page.head);
        assert!(page.head.contains("x-frame-options: deny"), "{path}");
    }
    assert_eq!(get(&server, "/jobs/none").status, 404);
    assert_eq!(get(&server, "/style.css").status, 200);
}

#[test]
fn a_line_stands_for_fires_that_are_too_many_to_draw() {
    let scheduler = scheduler();
    scheduler.add(cron("0 0 1 * *").run(|| ()).id("monthly")).unwrap();
    let server = serve(site(&scheduler));
    assert!(!get(&server, "/").body.contains("class=\"often\""));
    scheduler.add(every(3.seconds()).run(|| ()).id("beat")).unwrap();
    let page = get(&server, "/").body;
    // Until the monthly job fires, there are thousands.
    assert_eq!(page.matches("class=\"often\"").count(), 1, "{page}");
}

#[test]
fn other_hosts_and_other_origins_are_refused() {
    let scheduler = scheduler();
    let server = serve(site(&scheduler).with_host("jobs.example"));
    let status = |line: &str, head: &[&str]| ask(&server, line, head, "").status;
    assert_eq!(status("GET /api/v1/status", &["host: evil.example"]), 421);
    assert_eq!(status("GET /", &["host: evil.example:80"]), 421);
    assert_eq!(status("GET /", &["host: jobs.example:80"]), 200);
    assert_eq!(status("GET /", &["host: 127.0.0.1:80"]), 200);
    let pause = "POST /api/v1/jobs/backup/pause";
    assert_eq!(status(pause, &["origin: http://evil.example"]), 403);
    assert_eq!(status(pause, &["origin: null"]), 403);
    assert_eq!(status(pause, &["sec-fetch-site: cross-site"]), 403);
    assert_eq!(status(pause, &["content-type: application/x-www-form-urlencoded"]), 415);
    assert!(scheduler.get("backup").unwrap().unwrap().next_fire.is_some());
    assert_eq!(status(pause, &["origin: http://localhost"]), 200);
}

#[test]
fn a_form_needs_the_secret_of_the_page() {
    let scheduler = scheduler();
    let server = serve(site(&scheduler));
    let form = ["content-type: application/x-www-form-urlencoded"];
    for body in ["", "csrf=", "csrf=0000000000000000"] {
        assert_eq!(ask(&server, "POST /jobs/backup/pause", &form, body).status, 403, "{body}");
        assert_eq!(ask(&server, "POST /jobs", &form, &format!("{body}&id=x")).status, 403, "{body}");
    }
    assert!(scheduler.get("backup").unwrap().unwrap().next_fire.is_some());
    let page = get(&server, "/jobs/backup").body;
    let secret = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let pressed = ask(&server, "POST /jobs/backup/pause", &form, &format!("csrf={secret}"));
    assert_eq!(pressed.status, 303, "{}", pressed.body);
    assert!(scheduler.get("backup").unwrap().unwrap().next_fire.is_none());
}

#[test]
fn a_token_is_asked_for_by_header_or_form() {
    let scheduler = scheduler();
    let server = serve(site(&scheduler).with_token(Token::new(TOKEN).unwrap()).with_metrics(String::new));
    let status = |path: &str, head: &[&str]| ask(&server, &format!("GET {path}"), head, "").status;
    for wrong in ["", "authorization: Bearer", "authorization: Bearer wrong", "cookie: matins_session=0"] {
        let head: Vec<&str> = Some(wrong).into_iter().filter(|wrong| !wrong.is_empty()).collect();
        assert_eq!(status("/api/v1/status", &head), 401, "{wrong}");
        assert_eq!(status("/metrics", &head), 401, "{wrong}");
        assert_eq!(status("/", &head), 303, "{wrong}");
    }
    assert_eq!(status("/health", &[]), 200);
    let bearer = format!("authorization: Bearer {TOKEN}");
    assert_eq!(status("/api/v1/status", &[&bearer]), 200);
    assert_eq!(status("/metrics", &[&bearer]), 200);

    let page = get(&server, "/login").body;
    let secret = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = ["content-type: application/x-www-form-urlencoded"];
    let login = |token: &str| ask(&server, "POST /login", &form, &format!("csrf={secret}&token={token}"));
    assert_eq!(login("wrong").status, 401);
    let right = login(&TOKEN.replace(' ', "+"));
    assert_eq!(right.status, 303, "{}", right.body);
    let cookie = right.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    let cookie = format!("cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(status("/", &[&cookie]), 200);
}

#[test]
fn beyond_this_machine_a_token_is_needed() {
    let scheduler = scheduler();
    let refused = site(&scheduler).serve("0.0.0.0:0".parse().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("there is no token"), "{refused}");
    let token = Token::new(TOKEN).unwrap();
    drop(site(&scheduler).with_token(token).serve("0.0.0.0:0".parse().unwrap()).unwrap());
}

#[test]
fn read_only_shows_and_changes_nothing() {
    let scheduler = scheduler();
    let server = serve(site(&scheduler).read_only());
    for line in ["POST /api/v1/jobs/backup/pause", "DELETE /api/v1/jobs/backup", "POST /jobs/backup/pause"] {
        let refused = ask(&server, line, &[], "");
        assert!(refused.status == 403 && refused.body.contains("read-only"), "{line}: {}", refused.body);
    }
    let page = get(&server, "/jobs/backup").body;
    assert!(page.contains("read-only") && !page.contains("method=\"post\""));
    assert!(scheduler.get("backup").unwrap().unwrap().next_fire.is_some());
}

#[test]
fn a_unix_socket_is_served_and_taken_away() {
    let scheduler = scheduler();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http");
    let server = site(&scheduler).serve(Address::Unix(path.clone())).unwrap();
    assert_eq!(get(&server, "/api/v1/status").json()["jobs"], 1);
    drop(server);
    assert!(!path.exists());
}

/// A stream of events.
struct Events {
    stream: TcpStream,
    text: String,
}

impl Events {
    fn of(server: &Server, path: &str) -> Self {
        let Address::Ip(ip) = server.address() else { panic!("an IP address") };
        let mut stream = TcpStream::connect(ip).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        Self { stream, text: String::new() }
    }

    fn read_until(&mut self, what: &str) {
        let mut buffer = [0; 4096];
        while !self.text.contains(what) {
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "{}", self.text);
            self.text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
}

#[test]
fn events_are_sent_as_they_happen() {
    let scheduler = scheduler();
    let server = serve(site(&scheduler));
    let mut events = Events::of(&server, "/api/v1/events");
    events.read_until("retry: 2000");
    scheduler.pause("backup").unwrap();
    events.read_until("event: job_paused\ndata: {");
}

#[test]
fn the_output_of_a_run_is_sent_while_it_runs() {
    let scheduler = scheduler();
    scheduler.add(cron("30 2 * * *").run(until_cancelled).id("long")).unwrap();
    let server = serve(site(&scheduler));
    assert_eq!(get(&server, "/api/v1/runs/1/output").status, 404);
    assert_eq!(ask(&server, "POST /api/v1/jobs/long/run", &[], "").status, 202);
    let mut events = Events::of(&server, "/api/v1/runs/1/output");
    // The run ends only after this.
    events.read_until("event: output\ndata: {\"output\":\"copying a.txt");
    assert!(!events.text.contains("event: ended"), "{}", events.text);
    let run = get(&server, "/api/v1/runs/1").json();
    assert_eq!((&run["output"], &run["outcome"]), (&json!("copying a.txt"), &Value::Null));
    assert_eq!(ask(&server, "POST /api/v1/runs/1/cancel", &[], "").status, 202);
    events.read_until("event: ended\ndata: {\"id\":1,\"job\":\"long\"");
    events.read_until("\"outcome\":\"cancelled\"");
}

#[test]
fn a_page_of_a_hundred_thousand_jobs_is_quick() {
    let scheduler = scheduler();
    let jobs = (0..100_000).map(|number| cron("30 2 * * *").run(|| ()).id(format!("job-{number:06}")));
    scheduler.add_many(jobs).unwrap();
    let server = serve(site(&scheduler));
    for path in ["/", "/jobs", "/jobs?order=next_fire", "/jobs?prefix=job-05", "/jobs/job-050000"] {
        let least = (0..5)
            .map(|_| {
                let began = Instant::now();
                assert_eq!(get(&server, path).status, 200);
                began.elapsed()
            })
            .min()
            .unwrap();
        println!("{path}: {least:?}");
        // A build that is not optimised takes some times as long.
        let limit = if cfg!(debug_assertions) { 1000 } else { 100 };
        assert!(least < Duration::from_millis(limit), "{path}: {least:?}");
    }
}
