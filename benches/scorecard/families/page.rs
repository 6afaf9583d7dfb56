//! The page and the HTTP API of a scheduler, and what they cost its jobs.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use matins::Handle;
use matins::prelude::*;
use matins_benches::contest::Spread;
use matins_benches::schedulers::{Late, spread_out, spread_out_beside};

use super::Measuring;
use crate::card::{Family, MILLIS, REQUESTS_A_SECOND};

/// Fires a second, spread evenly.
const A_SECOND: usize = 1_000;
/// The longest that a page may take, in milliseconds.
const LIMIT: f64 = 100.0;

pub(crate) fn page(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let jobs = measuring.either(10_000, 100_000);
    let mut family = Family::new(
        name,
        &[
            ("GET", "from the request to the last byte of the page, on a connection of its own"),
            (
                "wrk",
                "as many requests as are answered on 16 connections; the scheduler, its jobs, the server and wrk share the processors",
            ),
            (
                "without requests",
                "how late 1,000 runs a second begin, spread evenly, while nobody asks for the page",
            ),
        ],
    );
    let scheduler = matins::scheduler().background()?;
    scheduler
        .add_many((0..jobs).map(|number| cron("30 2 * * *").run(|| ()).id(format!("job-{number:06}"))))?;
    let server = matins::web::serve(&scheduler.handle(), "127.0.0.1:0")?;
    let middle = format!("/jobs/job-{:06}", jobs / 2);
    for path in ["/", "/jobs", "/jobs?order=next_fire", "/jobs?prefix=job-05", "/api/v1/jobs", &middle] {
        let times = (0..measuring.either(5, 21)).map(|_| get(&server.address().to_string(), path));
        let times = Spread::of(times.collect::<Result<Vec<_>, _>>()?);
        family.at_most(format!("{jobs} jobs: GET {path}"), MILLIS, times, LIMIT);
    }
    drop(server);
    drop(scheduler);

    let seconds = measuring.either(3, 10);
    let executor = || Box::new(ThreadExecutor::new());
    let alone = spread_out(executor(), false, A_SECOND, seconds);
    for path in ["/", "/jobs", "/api/v1/jobs"] {
        let asked = |handle: &Handle| -> Result<Option<f64>, Box<dyn Error>> {
            let server = matins::web::serve(handle, "127.0.0.1:0")?;
            wrk(&server.address().to_string(), path, seconds)
        };
        let (late, requests) = spread_out_beside(executor(), false, A_SECOND, seconds, asked);
        let Some(requests) = requests? else {
            measuring.leave_out("the page under load; install wrk");
            return Ok(family);
        };
        family.alone(format!("wrk on {path}"), REQUESTS_A_SECOND, Spread::exactly(requests));
        for percent in [50, 99] {
            let at = |late: &Late| Spread::exactly(late.at(percent));
            let work = format!("lateness, p{percent}, under wrk on {path}");
            family.versus(work, MILLIS, at(&late), "without requests", at(&alone), None);
        }
    }
    Ok(family)
}

/// Asks for a path. Returns how many milliseconds the answer took.
fn get(address: &str, path: &str) -> Result<f64, Box<dyn Error>> {
    let begun = Instant::now();
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(format!("{path}: {}", answer.lines().next().unwrap_or_default()).into());
    }
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// Has wrk ask for a path for some seconds. Returns how many requests were answered in a second; `None` where wrk is not installed.
fn wrk(address: &str, path: &str, seconds: usize) -> Result<Option<f64>, Box<dyn Error>> {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", "16", "--duration", &format!("{seconds}s")]);
    let Ok(output) = wrk.arg(format!("http://{address}{path}")).output() else { return Ok(None) };
    let printed = String::from_utf8_lossy(&output.stdout);
    if let Some(refused) = printed.lines().find(|line| line.contains("Non-2xx")) {
        return Err(format!("{path}: {}", refused.trim()).into());
    }
    let found = printed.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    Ok(Some(found.ok_or_else(|| format!("wrk said: {printed}"))?.trim().parse()?))
}
