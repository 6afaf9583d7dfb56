//! A job may end its own scheduler, store or executor.

use super::*;

#[test]
fn a_scheduler_that_is_dropped_in_its_own_job_ends() {
    for shuts_down_first in [false, true] {
        let scheduler = started();
        let handle = scheduler.handle();
        let owned = Arc::new(Mutex::new(None::<BackgroundScheduler>));
        let (dropped, drops) = mpsc::channel();
        let (own, own_handle) = (owned.clone(), scheduler.handle());
        let work = move || {
            if shuts_down_first {
                own_handle.shutdown(Shutdown::Wait);
            }
            drop(own.lock().unwrap().take());
            dropped.send(own_handle.state()).unwrap();
        };
        let job = scheduler.add(every(1.hours()).run(work)).unwrap();
        let outcome = job.run_now();
        *owned.lock().unwrap() = Some(scheduler);
        // Where it was taken before it was put there, the next run takes it.
        let _outcomes = [outcome, job.run_now()];
        let state = drops.recv_timeout(GENEROUS).unwrap();
        assert!(matches!(state, SchedulerState::ShuttingDown | SchedulerState::Running), "{state:?}");
        ends(move || {
            handle.shutdown(Shutdown::Now);
            handle.state()
        });
    }
}

#[test]
fn a_job_that_shuts_its_scheduler_down_does_not_wait_for_itself() {
    let scheduler = started();
    let handle = scheduler.handle();
    let (asked, asks) = mpsc::channel();
    let work = move || {
        let removed = handle.remove_store("default", Shutdown::Wait).map(drop);
        handle.remove_executor("default", Shutdown::Wait).unwrap();
        handle.shutdown(Shutdown::Wait);
        handle.wait_until_shut_down();
        asked.send((matches!(removed, Err(SchedulerError::WaitsForItself)), handle.state())).unwrap();
    };
    let outcome = scheduler.add(every(1.hours()).run(work)).unwrap().run_now().unwrap();
    assert_eq!(asks.recv_timeout(GENEROUS), Ok((true, SchedulerState::ShuttingDown)));
    let end = outcome.wait_within(GENEROUS);
    assert!(matches!(end, Ok(Some(run)) if run.outcome == Some(Outcome::Succeeded)));
    ends(move || scheduler.wait_until_shut_down());
}

#[test]
fn a_job_may_remove_the_store_of_other_jobs() {
    let mut scheduler = builder().store("other", MemoryStore::new()).background().unwrap();
    scheduler.start().unwrap();
    let handle = scheduler.handle();
    let (asked, asks) = mpsc::channel();
    let work = move || {
        let removed = ["other", "default"].map(|store| handle.remove_store(store, Shutdown::Wait).map(drop));
        asked.send(removed.map(|removed| removed.is_ok())).unwrap();
    };
    let _run = scheduler.add(every(1.hours()).run(work)).unwrap().run_now().unwrap();
    assert_eq!(asks.recv_timeout(GENEROUS), Ok([true, false]));
}

/// Not another scheduler's jobs: these are waited for.
#[test]
fn a_job_may_wait_for_another_scheduler() {
    let (outer, inner) = (started(), started());
    let (go, let_go) = mpsc::channel::<()>();
    let let_go = Mutex::new(let_go);
    let slow = move || {
        let _ = let_go.lock().unwrap().recv_timeout(GENEROUS);
    };
    let _run = inner.add(every(1.hours()).run(slow)).unwrap().run_now().unwrap();
    let handle = inner.handle();
    let (waited, waits) = mpsc::channel();
    let work = move || {
        go.send(()).unwrap();
        handle.shutdown(Shutdown::Wait);
        waited.send(handle.state()).unwrap();
    };
    let _run = outer.add(every(1.hours()).run(work)).unwrap().run_now().unwrap();
    assert_eq!(waits.recv_timeout(GENEROUS), Ok(SchedulerState::ShutDown));
    drop(inner);
}

#[test]
fn a_task_on_the_drivers_thread_may_change_executors() {
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", InlineExecutor)
        .background()
        .unwrap();
    scheduler.start().unwrap();
    let handle = scheduler.handle();
    let changes = Arc::new(AtomicU32::new(0));
    let counted = changes.clone();
    let work = move || {
        handle.add_executor("other", InlineExecutor, Shutdown::Wait).unwrap();
        handle.remove_executor("other", Shutdown::Wait).unwrap();
        // Its own as well.
        handle.add_executor("default", InlineExecutor, Shutdown::Wait).unwrap();
        counted.fetch_add(1, Ordering::SeqCst);
    };
    let job = scheduler.add(every(1.hours()).run(work)).unwrap();
    for count in 1..=2 {
        job.run_now().unwrap().wait_within(GENEROUS).unwrap().expect("it ends");
        assert_eq!(changes.load(Ordering::SeqCst), count);
    }
}

#[test]
fn shutting_down_waits_and_a_request_does_not() {
    let scheduler = started();
    let (go, let_go) = mpsc::channel::<()>();
    let (let_go, has_ended) = (Mutex::new(let_go), Arc::new(AtomicU32::new(0)));
    let ended = has_ended.clone();
    let (begun, begins) = mpsc::channel();
    let slow = move || {
        begun.send(()).unwrap();
        let _ = let_go.lock().unwrap().recv_timeout(GENEROUS);
        ended.fetch_add(1, Ordering::SeqCst);
    };
    let _run = scheduler.add(every(1.hours()).run(slow)).unwrap().run_now().unwrap();
    begins.recv_timeout(GENEROUS).unwrap();
    let handle: Handle = scheduler.handle();
    handle.request_shutdown(Shutdown::Wait);
    assert_eq!((handle.state(), has_ended.load(Ordering::SeqCst)), (SchedulerState::ShuttingDown, 0));
    let waits = handle.clone();
    let waiting = thread::spawn(move || waits.shutdown(Shutdown::Wait));
    assert!(!waiting.is_finished());
    go.send(()).unwrap();
    ends(move || waiting.join().unwrap());
    assert_eq!((handle.state(), has_ended.load(Ordering::SeqCst)), (SchedulerState::ShutDown, 1));
}

#[test]
fn a_blocking_scheduler_that_is_dropped_before_it_runs_tells_those_who_wait() {
    let scheduler = builder().blocking().unwrap();
    let job = scheduler.add(every(1.hours()).run(|| ()).id("job")).unwrap();
    let (outcome, handle) = (job.run_now().unwrap(), scheduler.handle());
    let events = scheduler.subscribe();
    drop(scheduler);
    assert!(matches!(outcome.wait_within(GENEROUS), Err(SchedulerError::ShutDown)));
    assert!(matches!(handle.runs_in("default", &RunQuery::default()), Err(SchedulerError::ShutDown)));
    ends(move || handle.wait_until_shut_down());
    assert_eq!(ends(move || events.collect::<Vec<_>>()), [Event::SchedulerShutDown]);
}

#[test]
fn a_task_sees_that_its_scheduler_shuts_down() {
    let scheduler = started();
    let (begun, begins) = mpsc::channel();
    let task = move |context: &TaskContext| {
        let before = context.is_shutting_down();
        begun.send(()).unwrap();
        while !context.is_shutting_down() {
            thread::yield_now();
        }
        (!before && !context.is_cancelled()).to_string()
    };
    let outcome = scheduler.add(every(1.hours()).run(task)).unwrap().run_now().unwrap();
    begins.recv_timeout(GENEROUS).unwrap();
    scheduler.request_shutdown(Shutdown::Wait);
    assert_eq!(outcome.wait_within(GENEROUS).unwrap().unwrap().result, Some("true".into()));
}

/// Takes every second run, and panics at the others.
struct PanicsAtTimes {
    executor: ThreadExecutor,
    runs: u32,
}

impl matins_core::Executor for PanicsAtTimes {
    fn submit(
        &mut self,
        run: matins_core::RunRequest,
        done: matins_core::Completion,
    ) -> Result<(), matins_core::Refused> {
        self.runs += 1;
        assert!(self.runs.is_multiple_of(2), "this executor has no thread for it");
        self.executor.submit(run, done)
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<matins_core::RunId> {
        self.executor.shutdown(how)
    }
}

/// Once, that was the end of the thread that drives the store.
#[test]
fn an_executor_that_panics_loses_one_run_and_no_other() {
    let executor = PanicsAtTimes { executor: ThreadExecutor::new(), runs: 0 };
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", executor)
        .background()
        .unwrap();
    scheduler.start().unwrap();
    scheduler.add(every(1.hours()).run(|| ()).id("job")).unwrap();
    let outcomes = ends(move || {
        let run = |_| scheduler.run_now("job").unwrap().wait().unwrap().outcome.unwrap();
        (0..4).map(run).collect::<Vec<_>>()
    });
    let (lost, succeeded) = (outcomes[0], Outcome::Succeeded);
    assert_eq!(outcomes, [lost, succeeded, lost, succeeded]);
    assert!(lost != succeeded);
}
