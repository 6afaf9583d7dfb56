//! Who means the control socket harm, or does not belong there.

mod daemon_process;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use matins::{JobStore, Outcome, RunQuery, SqliteStore};
use serde_json::{Value, json};

use daemon_process::{GENEROUS, QUIET, daemon, directory_with, done, text};

fn connect(directory: &Path) -> UnixStream {
    let stream = UnixStream::connect(directory.join("matins.db-control")).unwrap();
    stream.set_read_timeout(Some(GENEROUS)).unwrap();
    stream
}

fn ask(stream: &mut UnixStream, line: &[u8]) -> Option<Value> {
    // It may have been closed for what was said before.
    stream.write_all(line).ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok().filter(|count| *count > 0)?;
    Some(serde_json::from_str(&answer).expect("an answer is a line of JSON"))
}

/// Twelve hundred texts that are no messages, a client that says nothing, one that takes no answer, two hundred at once: the daemon
/// answers or closes, and misses no fire.
#[test]
fn hostile_clients_do_no_harm() {
    let directory = directory_with(&[(
        "beat.toml",
        "[jobs.beat]\nevery = \"100ms\"\noverlap = { allow = 100 }\ncommand = [\"true\"]\n",
    )]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "beat.toml"]);

    let mut stalls = connect(here);
    stalls.write_all(b"{\"matins\":1,\"comm").unwrap();
    let mut deaf = connect(here);
    for _ in 0..2_000 {
        // It never reads: its answers fill what there is to fill.
        if deaf.write_all(b"{\"matins\":1,\"command\":\"jobs\"}\n").is_err() {
            break;
        }
        deaf.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    }

    let sound = br#"{"matins":1,"command":"pause","job":"beat"}"#;
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        bits
    };
    let mut refused = 0;
    let mut stream = connect(here);
    for number in 0..1_200 {
        let mut message = match number % 12 {
            0 => (0..random() % 200).map(|_| random() as u8).collect(),
            1 => sound[..(random() as usize) % (sound.len() - 1)].to_vec(),
            2 => "[".repeat(1 + random() as usize % 5_000).into_bytes(),
            3 => br#"{"matins":1,"command":"pause","job":{"a":[1,2,3]}}"#.to_vec(),
            4 => format!(r#"{{"matins":{},"command":"stop"}}"#, random() | 2).into_bytes(),
            5 => br#"{"matins":1,"command":"shutdown_everything"}"#.to_vec(),
            6 => br#"{"matins":1,"command":"add","job":"","keys":{"every":"-1s","shell":"x"}}"#.to_vec(),
            7 => br#"{"matins":1,"command":"why","job":"beat","at":"99999999999-99-99T99:99"}"#.to_vec(),
            8 => br#"{"matins":1,"command":"edit","job":"beat","keys":{"overlap":{"allow":-3}}}"#.to_vec(),
            9 => br#"{"matins":1,"command":"why","job":"beat","at":"+262142-12-31T23:59"}"#.to_vec(),
            10 => br#"{"matins":1,"command":"add","job":"far","keys":{"in":"300000years","shell":"x"}}"#
                .to_vec(),
            _ => format!(r#"{{"matins":1,"command":"run","run":{}}}"#, u64::MAX).into_bytes(),
        };
        message.retain(|byte| *byte != b'\n');
        message.push(b'\n');
        match ask(&mut stream, &message) {
            Some(answer) => {
                assert!(answer["error"]["message"].is_string(), "{}: {answer}", text(&message));
                refused += 1;
            }
            None => stream = connect(here),
        }
    }
    assert!(refused > 1_100, "{refused}");
    // Longer than any request may be; then, that it is closed.
    let mut long = connect(here);
    let endless = thread::spawn(move || {
        let filler = vec![b'x'; 64 * 1024];
        while long.write_all(&filler).is_ok() {}
        let mut rest = Vec::new();
        let _ = long.read_to_end(&mut rest);
    });
    endless.join().unwrap();
    let import = json!({"matins": 1, "command": "import", "bytes": u64::MAX});
    let answer = ask(&mut connect(here), format!("{import}\n").as_bytes()).unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("more than"), "{answer}");

    // Two hundred at once, all there before the first is answered.
    let mut clients: Vec<UnixStream> = (0..200).map(|_| connect(here)).collect();
    for client in &mut clients {
        let answer = ask(client, b"{\"matins\":1,\"command\":\"status\"}\n").unwrap();
        assert_eq!(answer["done"]["state"], "running", "{answer}");
    }
    drop((clients, stalls, deaf));

    assert!(done(here, &["jobs"]).starts_with("beat\t"), "it is as it was");
    for _ in 0..5 {
        daemon.wait_for("beat             succeeded");
    }
    assert!(daemon.stop().success());
    let mut store = SqliteStore::open(here.join("matins.db")).unwrap();
    let runs = store.runs(&RunQuery::default()).unwrap();
    assert!(runs.len() > 3, "{}", runs.len());
    assert!(runs.iter().all(|run| run.outcome == Some(Outcome::Succeeded)), "no fire was missed: {runs:#?}");
}

/// The socket is private; and where somebody has opened it to others, they are told to go.
#[test]
fn another_user_is_sent_away() {
    let directory = directory_with(&[("quiet.toml", QUIET)]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "quiet.toml"]);
    let socket = here.join("matins.db-control");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    if !rustix::process::geteuid().is_root() {
        // Only root can be another.
        return;
    }
    for path in [here, &socket] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    // The binary lies where others may not look; a copy does not. Made by another process: a file that this one writes is held
    // open by whatever another test starts just then, and cannot be run.
    let program = here.join("matins");
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_matins")).arg(&program).status().unwrap().success());
    let output = Command::new(&program).args(["stop", "--socket"]).arg(&socket).uid(65_534).output().unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("the daemon belongs to root (uid 0), and you are"), "{errors}");
    assert!(done(here, &["status"]).contains("running"));
    daemon.stop();
}
