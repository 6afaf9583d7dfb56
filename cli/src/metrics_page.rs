//! `--metrics 127.0.0.1:PORT`: what the scheduler counts, for Prometheus, on loopback only.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tiny_http::{Header, Method, Response, Server};

/// Upper bounds of the histograms' buckets, in seconds: from a lateness of tenths of a millisecond to a run of an hour.
const BUCKETS: [f64; 14] =
    [0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0, 600.0, 3600.0];

/// Whether the page may be at that address.
pub(crate) fn check(address: SocketAddr) -> Result<(), String> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "metrics are shown on loopback only, and {address} is not; write 127.0.0.1:{}",
        address.port()
    ))
}

/// Collects from now on, and answers `GET /metrics`.
pub(crate) fn serve(address: SocketAddr) -> Result<(), String> {
    let server = Server::http(address).map_err(|error| format!("cannot listen at {address}: {error}"))?;
    let recorder = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| format!("metrics cannot be collected: {error}"))?;
    let start = |name: &str, work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(|error| error.to_string())
    };
    let upkeep = recorder.clone();
    start(
        "matins-metrics-upkeep",
        Box::new(move || {
            loop {
                thread::sleep(Duration::from_secs(5));
                upkeep.run_upkeep();
            }
        }),
    )?;
    start("matins-metrics", Box::new(move || answer(&server, &recorder)))
}

fn answer(server: &Server, recorder: &PrometheusHandle) {
    for request in server.incoming_requests() {
        let response = if *request.method() != Method::Get {
            Response::from_string("only GET is answered\n").with_status_code(405)
        } else if request.url() != "/metrics" {
            Response::from_string("the metrics are at /metrics\n").with_status_code(404)
        } else {
            let response = Response::from_string(recorder.render());
            match Header::from_bytes("Content-Type", "text/plain; version=0.0.4; charset=utf-8") {
                Ok(header) => response.with_header(header),
                Err(()) => response,
            }
        };
        // Whoever asked has gone.
        let _ = request.respond(response);
    }
}
