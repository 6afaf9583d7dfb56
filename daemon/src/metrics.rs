//! What the scheduler counts, in the format of Prometheus.

use std::thread;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the histograms' buckets, in seconds: from a lateness of tenths of a millisecond to a run of an hour.
const BUCKETS: [f64; 14] =
    [0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0, 600.0, 3600.0];

/// Collects from now on.
pub(crate) fn collect() -> Result<PrometheusHandle, String> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| format!("metrics cannot be collected: {}", matins::error_chain(&error)))?;
    let upkeep = recorder.clone();
    let work = move || {
        loop {
            thread::sleep(Duration::from_secs(5));
            upkeep.run_upkeep();
        }
    };
    let thread = thread::Builder::new().name("matins-metrics".to_owned());
    thread.spawn(work).map_err(|error| format!("metrics cannot be collected: {error}"))?;
    Ok(recorder)
}
