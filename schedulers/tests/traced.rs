//! What happens can be seen as events of `tracing`. Alone in its program: who listens is remembered for the whole process.

mod counting;

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use matins_conformance::inline::InlineExecutor;
use matins_core::{JobId, RunId, Shutdown, TaskContext, layer_fn};
use matins_scheduler::{Schedule, SchedulerBuilder, TraceLayer, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_task_function::IntoTask;
use matins_triggers::{TimeUnits, every};

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

impl Lines {
    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        let writer = self.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn tracing_tells_of_each_run() {
    let lines = Lines::default();
    let scheduler = counting::scheduler();
    tracing::subscriber::with_default(lines.subscriber(), || scheduler.run());
    let text = lines.text();
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

#[test]
fn the_log_lines_of_a_task_name_its_run() {
    let lines = Lines::default();
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", InlineExecutor)
        .layer(layer_fn(|_| {
            tracing::info!("a layer begins");
            |result| result
        }))
        .clock(VirtualClock::leaping("2026-01-01T00:00:00Z".parse().unwrap()))
        .blocking()
        .unwrap();
    let handle = scheduler.handle();
    let report = move || {
        tracing::info!(rows = 3, "written");
        handle.request_shutdown(Shutdown::Wait);
    };
    scheduler.add(every(10.seconds()).run(report).id("report")).unwrap();
    let task = async || {
        yield_once().await;
        tracing::info!("still here");
    };
    scheduler.add(every(4.seconds()).run(task).id("async")).unwrap();
    tracing::subscriber::with_default(lines.subscriber(), || scheduler.run());
    let text = lines.text();
    let line = |what: &str| text.lines().find(|line| line.contains(what)).unwrap_or_default().to_owned();
    let span = "run{job=report run=3 attempt=1}:";
    assert!(line("written").contains(span), "{text}");
    assert!(text.lines().any(|line| line.contains("a layer begins") && line.contains(span)), "{text}");
    assert!(line("still here").contains("run{job=async run=1 attempt=1}:"), "{text}");
}

/// On an executor that polls futures, the span is entered for each poll, and lines of others in between have none.
#[test]
fn the_span_of_an_async_run_is_entered_when_it_is_polled() {
    let lines = Lines::default();
    let mut context = TaskContext::new(JobId::new("job").unwrap(), RunId(7), chrono::DateTime::UNIX_EPOCH);
    (context.attempt, context.cause) = (2, Some(RunId(5)));
    let task = async || {
        tracing::info!("first");
        yield_once().await;
        tracing::info!("second");
    };
    let task = task.layer(TraceLayer).into_task().unwrap();
    tracing::subscriber::with_default(lines.subscriber(), || {
        let mut future = task.future(&matins_core::Value::Null, &context).unwrap();
        let mut waker = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut waker).is_pending());
        tracing::info!("between");
        assert!(future.as_mut().poll(&mut waker).is_ready());
    });
    let text = lines.text();
    let has_span: Vec<bool> =
        text.lines().map(|line| line.contains("run{job=job run=7 attempt=2 cause=5}:")).collect();
    assert_eq!(has_span, [true, false, true], "{text}");
}

async fn yield_once() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
