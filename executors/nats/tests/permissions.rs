//! The sample configuration of a server: a worker does its runs, and cannot do what is the scheduler's, nor what is another worker's. And an
//! encrypted connection, whose certificate is checked.

mod rig;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use async_nats::jetstream;
use matins_conformance::nats::Nats;
use matins_conformance::servers;
use matins_core::{Executor, Outcome, error_chain};
use matins_executor_nats::{NatsExecutor, NatsServer, Worker};
use matins_task_function::TaskRegistry;
use serde_json::json;

use rig::{Reports, run};

/// So long a server would need at most to do what it refuses to do.
const REFUSES_WITHIN: Duration = Duration::from_secs(1);

fn server() -> Option<Nats> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/nats-server.conf");
    let sample = fs::read_to_string(path).expect("the sample configuration");
    let sample =
        sample.replace("$MATINS_SCHEDULER_PASSWORD", "one").replace("$MATINS_WORKER_PASSWORD", "two");
    Nats::start(&sample)
}

fn to(server: &Nats, user: &str, password: &str) -> NatsServer {
    let url = format!("nats://{user}:{password}@127.0.0.1:{}", server.port());
    NatsServer::new(url).namespace("app").inbox(format!("_INBOX_{user}")).ack_wait(Duration::from_secs(2))
}

fn tasks() -> TaskRegistry {
    let tasks = TaskRegistry::default();
    tasks.register("double", |n: u32| n * 2).expect("a name");
    tasks
}

#[test]
fn a_worker_may_do_its_runs_and_nothing_else() {
    let Some(server) = server() else { return };
    let executor = NatsExecutor::builder(to(&server, "scheduler", "one")).build();
    let (mut executor, reports) = (executor.expect("an executor"), Reports::new());
    let _worker = Worker::builder(to(&server, "worker", "two")).start(tasks()).expect("a worker");
    for (number, task) in [(1, "double"), (2, "other")] {
        let run = run(number, task, json!(21));
        let done = reports.completion(run.run);
        executor.submit(run, done).expect("there is room");
    }
    let report = reports.next();
    assert_eq!((report.outcome, report.result), (Outcome::Succeeded, Some(json!(42))));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = async_nats::ConnectOptions::with_user_and_password("worker".into(), "two".into());
        let options = options.custom_inbox_prefix("_INBOX_worker").request_timeout(Some(REFUSES_WITHIN));
        let client = options.connect(server.url()).await.expect("a connection");
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(REFUSES_WITHIN);
        for subject in [
            "matins.app.run.default.double",
            "matins.app.run.default.other",
            "matins.app.result.default.other.x",
        ] {
            let stored = jetstream.publish(subject, "{}".into()).await.expect("sent");
            assert!(stored.await.is_err(), "a worker must not publish {subject}");
        }
        for subject in [
            "$JS.API.STREAM.INFO.matins_app_runs",
            "$JS.API.STREAM.MSG.GET.matins_app_runs",
            "$JS.API.STREAM.MSG.GET.matins_app_results",
            "$JS.API.STREAM.DELETE.matins_app_runs",
            "$JS.API.DIRECT.GET.matins_app_results",
            "$JS.API.DIRECT.GET.matins_app_results.matins.app.result.default.double.x",
            "$JS.API.DIRECT.GET.KV_matins_app_claims.$KV.matins_app_claims.default.other.x",
            "$JS.API.CONSUMER.MSG.NEXT.matins_app_runs.default=other",
            "$JS.API.CONSUMER.DURABLE.CREATE.matins_app_runs.mine",
        ] {
            let payload = r#"{"seq": 1}"#;
            assert!(
                client.request(subject, payload.into()).await.is_err(),
                "a worker must not ask {subject}"
            );
        }
        // It hears nothing of what is the others'.
        let mut heard = client.subscribe("matins.app.>").await.expect("sent");
        client.flush().await.expect("sent");
        let next = std::future::poll_fn(|context| {
            futures_core::Stream::poll_next(std::pin::Pin::new(&mut heard), context)
        });
        let heard = tokio::time::timeout(REFUSES_WITHIN, next).await;
        assert!(!matches!(heard, Ok(Some(_))), "a worker must hear nothing: {heard:?}");
    });
    assert!(reports.is_empty(), "the other task has no worker");
}

#[test]
fn a_wrong_password_is_refused_with_the_server_and_without_the_password() {
    let Some(server) = server() else { return };
    let error = NatsExecutor::builder(to(&server, "scheduler", "guessed")).build().unwrap_err();
    let text = error_chain(&error);
    assert!(text.contains("127.0.0.1") && text.contains("authorization"), "{text}");
    assert!(!text.contains("guessed") && !format!("{error:?}").contains("guessed"), "{text}");
}

/// Makes a certificate for 127.0.0.1 that is its own authority. `None` where openssl is not installed, with a line that says so.
fn certificate(directory: &Path, name: &str) -> Option<()> {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(directory.join(format!("{name}.key")))
        .arg("-out")
        .arg(directory.join(format!("{name}.pem")))
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        servers::skipped("openssl is not installed");
        return None;
    }
    Some(())
}

#[test]
fn a_server_is_trusted_by_its_certificate_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (Some(()), Some(())) =
        (certificate(directory.path(), "server"), certificate(directory.path(), "other"))
    else {
        return;
    };
    let file = |name: &str| directory.path().join(name).display().to_string();
    let tls = format!("tls {{ cert_file: {:?}, key_file: {:?} }}", file("server.pem"), file("server.key"));
    let Some(server) = Nats::start(&tls) else { return };
    let url = format!("tls://127.0.0.1:{}", server.port());
    let trusting = NatsServer::new(url.as_str()).namespace("tls").certificates(file("server.pem"));
    let (mut executor, reports) = (NatsExecutor::builder(trusting.clone()).build().unwrap(), Reports::new());
    let _worker = Worker::builder(trusting).start(tasks()).unwrap();
    let run = run(1, "double", json!(4));
    let done = reports.completion(run.run);
    executor.submit(run, done).unwrap();
    assert_eq!(reports.next().result, Some(json!(8)));

    for distrusting in [
        NatsServer::new(url.as_str()).certificates(file("other.pem")),
        // The system does not know it either.
        NatsServer::new(url.as_str()),
    ] {
        let error = NatsExecutor::builder(distrusting.namespace("tls")).build().unwrap_err();
        assert!(error_chain(&error).contains("cannot connect"), "{error:?}");
    }
}
