//! What happens can be seen as events of `tracing`. Alone in its program: who listens is remembered for the whole process.

mod counting;

use std::io;
use std::sync::{Arc, Mutex};

/// Lines that are written, for looking at.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn tracing_tells_of_each_run() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let scheduler = counting::scheduler();
    tracing::subscriber::with_default(subscriber, || scheduler.run());
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let of =
        |what: &str| text.lines().filter(|line| line.contains(what)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(of("run started").len(), 3, "{text}");
    let finished = of("run finished");
    assert!(finished[0].contains("INFO") && finished[0].contains("outcome=\"succeeded\""), "{}", finished[0]);
    let last = finished.last().unwrap();
    assert!(
        last.contains("WARN") && last.contains("reason=\"no luck\"") && last.contains("job=count"),
        "{last}"
    );
}
