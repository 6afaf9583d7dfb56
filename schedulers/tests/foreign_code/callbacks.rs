//! Callbacks, filters and closures may use a handle.

use super::*;

/// A task that runs until it is cancelled, and then calls `stop`, on whatever thread that is.
fn until_cancelled(
    begun: mpsc::Sender<()>,
    stop: impl Fn() + Clone + Send + Sync + 'static,
) -> impl Fn(Value, &TaskContext) + Send + Sync + 'static {
    let begun = Mutex::new(begun);
    move |_: Value, context: &TaskContext| {
        let (sender, receiver) = mpsc::channel();
        let stop = stop.clone();
        context.cancel.on_cancel(move || {
            let _ = sender.send(());
            stop();
        });
        let _ = begun.lock().unwrap().send(());
        let _ = receiver.recv_timeout(GENEROUS);
    }
}

#[test]
fn what_a_task_has_registered_may_use_a_handle_while_the_scheduler_shuts_down() {
    for how in [Shutdown::Now, Shutdown::Deadline(Duration::from_millis(10))] {
        let scheduler = started();
        let (begun, begins) = mpsc::channel();
        let (called, calls) = mpsc::channel();
        let handle = scheduler.handle();
        let stop = move || {
            // Each of these would wait for the thread that cancels, if that were a driver.
            let _ = handle.list(&JobQuery::default());
            let _ = handle.remove_store("default", Shutdown::Wait);
            handle.shutdown(Shutdown::Now);
            called.send(handle.state()).unwrap();
        };
        let job = scheduler.add(every(1.hours()).run(until_cancelled(begun, stop))).unwrap();
        let _run = job.run_now().unwrap();
        begins.recv_timeout(GENEROUS).unwrap();
        ends(move || scheduler.shutdown_and_wait(how));
        assert_eq!(calls.recv_timeout(GENEROUS), Ok(SchedulerState::ShutDown));
    }
}

#[test]
fn what_a_task_has_registered_may_use_a_handle_while_its_store_is_removed() {
    let mut scheduler = builder().store("other", MemoryStore::new()).background().unwrap();
    scheduler.start().unwrap();
    let (begun, begins) = mpsc::channel();
    let (called, calls) = mpsc::channel();
    let handle = scheduler.handle();
    let stop = move || {
        let removed = handle.remove_store("other", Shutdown::Wait).map(drop);
        let jobs = handle.count(&JobQuery::default());
        called.send((removed.is_ok(), jobs.unwrap())).unwrap();
    };
    let job = scheduler.add(every(1.hours()).run(until_cancelled(begun, stop))).unwrap();
    let _run = job.run_now().unwrap();
    begins.recv_timeout(GENEROUS).unwrap();
    let handle = scheduler.handle();
    ends(move || handle.remove_store("default", Shutdown::Now).map(drop)).unwrap();
    assert_eq!(calls.recv_timeout(GENEROUS).map(|(is_removed, _)| is_removed), Ok(true));
}

#[test]
fn what_a_task_has_registered_may_use_a_handle_when_its_time_limit_has_passed() {
    let scheduler = started();
    let (begun, _begins) = mpsc::channel();
    let (called, calls) = mpsc::channel();
    let handle = scheduler.handle();
    let stop = move || {
        handle.shutdown(Shutdown::Wait);
        called.send(handle.state()).unwrap();
    };
    let limited = every(1.hours()).run(until_cancelled(begun, stop)).time_limit(Duration::from_millis(10));
    let outcome = scheduler.add(limited).unwrap().run_now().unwrap();
    assert_eq!(outcome.wait_within(GENEROUS).unwrap().unwrap().outcome, Some(Outcome::TimedOut));
    assert_eq!(calls.recv_timeout(GENEROUS), Ok(SchedulerState::ShutDown));
}

/// A panic in such a filter is another matter: there are no more events for it.
#[test]
fn a_filter_of_events_may_use_a_handle() {
    let scheduler = started();
    let (seen, sees) = mpsc::channel();
    let handle = scheduler.handle();
    let events = scheduler.subscribe_to(move |event| {
        let jobs = handle.count(&JobQuery::default()).unwrap_or_default();
        let (stats, state) = (handle.stats(), handle.state());
        let _ = handle.get("job");
        if matches!(event, Event::RunFinished { .. }) {
            // It happens on a driver: what would wait for that is refused, or does not wait.
            let refused = handle.remove_store("default", Shutdown::Wait).map(drop);
            handle.shutdown(Shutdown::Wait);
            let _ = seen.send((
                jobs,
                stats.started,
                state,
                matches!(refused, Err(SchedulerError::WaitsForItself)),
            ));
        }
        true
    });
    let job = scheduler.add(every(1.hours()).run(|| ()).id("job")).unwrap();
    let _run = job.run_now().unwrap();
    assert_eq!(sees.recv_timeout(GENEROUS), Ok((1, 1, SchedulerState::Running, true)));
    let all = ends(move || events.collect::<Vec<_>>());
    assert!(
        matches!(
            all[..],
            [
                Event::JobAdded { .. },
                Event::RunStarted { .. },
                Event::RunFinished { .. },
                Event::SchedulerShutDown
            ]
        ),
        "{all:?}"
    );
}

/// It gets the events that it causes, and everybody gets all events in order.
#[test]
fn a_filter_of_events_may_cause_events() {
    let scheduler = started();
    let handle = scheduler.handle();
    let events = scheduler.subscribe_to(move |event| {
        if matches!(event, Event::JobAdded { .. }) {
            handle.pause_all().unwrap();
        }
        true
    });
    let others = scheduler.subscribe();
    let adding = scheduler.handle();
    ends(move || adding.add(every(1.hours()).run(|| ())).map(drop)).unwrap();
    for events in [events, others] {
        assert!(matches!(events.next_within(GENEROUS), Some(Event::JobAdded { .. })));
        assert_eq!(events.next_within(GENEROUS), Some(Event::SchedulerPaused));
    }
}

#[test]
fn a_change_of_a_job_may_use_a_handle() {
    let scheduler = started();
    let job = scheduler.add(every(1.hours()).run(|| ()).id("job")).unwrap();
    scheduler.add(every(1.hours()).run(|| ()).id("other")).unwrap();
    let handle = scheduler.handle();
    let modified = ends(move || {
        handle.modify("job", |job| {
            handle.modify("other", |other| other.tags = ["changed".to_owned()].into()).unwrap();
            handle.add(every(2.hours()).run(|| ()).id("third").on_conflict(OnConflict::Keep)).unwrap();
            job.tags = ["changed".to_owned()].into();
        })
    });
    assert_eq!(modified.unwrap().tags, ["changed".to_owned()].into());
    assert_eq!(job.get().unwrap().unwrap().tags, ["changed".to_owned()].into());
    assert_eq!(scheduler.count(&JobQuery::default()).unwrap(), 3);
}

#[test]
fn a_change_is_made_again_with_what_others_have_made_of_the_job_meanwhile() {
    let scheduler = builder().blocking().unwrap();
    scheduler.add(every(1.hours()).run(|| ()).id("job")).unwrap();
    let (mut calls, inner) = (0, scheduler.handle());
    scheduler
        .modify("job", |job| {
            calls += 1;
            if calls == 1 {
                inner.modify("job", |job| job.tags.extend(["inner".to_owned()])).unwrap();
                inner.pause("job").unwrap();
            }
            job.tags.insert("outer".to_owned());
        })
        .unwrap();
    assert_eq!(calls, 2);
    let job = scheduler.get("job").unwrap().unwrap();
    assert_eq!(
        (job.tags.into_iter().collect::<Vec<_>>().join(" "), job.next_fire),
        ("inner outer".to_owned(), None)
    );
    // One that never finds the job as it was gives up.
    let mut calls = 0;
    let contended = scheduler.modify("job", |job| {
        calls += 1;
        inner.modify("job", |job| job.tags = [calls.to_string()].into()).unwrap();
        job.tags = ["never".to_owned()].into();
    });
    assert!(matches!(contended, Err(SchedulerError::Contended { tries: 100, .. })), "{contended:?}");
    assert_eq!(scheduler.get("job").unwrap().unwrap().tags, ["100".to_owned()].into());
}

/// A fire is no change by others, and keeps the next fire time that it has left.
#[test]
fn a_job_that_fires_while_it_is_changed_keeps_its_next_fire_time() {
    let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", InlineExecutor)
        .clock(clock.clone())
        .background()
        .unwrap();
    scheduler.start().unwrap();
    scheduler.add(every(10.seconds()).run(|| ()).id("job")).unwrap();
    let mut calls = 0;
    let modified = scheduler.modify("job", |job| {
        calls += 1;
        let next = scheduler.next_outcome("job").unwrap();
        clock.advance(TimeDelta::seconds(10));
        next.wait_within(GENEROUS).unwrap().unwrap();
        job.tags = ["changed".to_owned()].into();
    });
    let next_fire = modified.unwrap().next_fire.unwrap();
    assert_eq!((calls, next_fire.to_rfc3339()), (1, "2026-01-01T00:00:20+00:00".to_owned()));
}

/// What the closure of a job holds; dropping it asks the scheduler something.
struct AsksWhenDropped(Handle, mpsc::Sender<usize>);

impl Drop for AsksWhenDropped {
    fn drop(&mut self) {
        let count = self.0.count(&JobQuery::default()).unwrap_or(usize::MAX);
        let _ = self.1.send(count);
    }
}

#[test]
fn what_a_closure_holds_may_use_a_handle_when_it_is_dropped() {
    let scheduler = started();
    let (sender, answers) = mpsc::channel();
    let job = |id: &str| {
        let held = AsksWhenDropped(scheduler.handle(), sender.clone());
        every(1.hours()).run(move || drop(held.0.count(&JobQuery::default()))).id(id)
    };
    for id in ["removed", "together", "replaced", "last"] {
        scheduler.add(job(id)).unwrap();
    }
    let handle = scheduler.handle();
    let replacement = every(2.hours()).run(|| ()).id("replaced").on_conflict(OnConflict::Replace);
    let (refused, refused_too) = (job("last"), job("new").executor("nobody"));
    ends(move || {
        assert!(handle.add(refused).is_err());
        assert!(handle.add_many([refused_too]).is_err());
        handle.remove("removed").unwrap();
        handle.remove_many(["together"]).unwrap();
        handle.add(replacement).unwrap();
    });
    ends(move || scheduler.shutdown_and_wait(Shutdown::Wait));
    let counts: Vec<usize> = answers.try_iter().collect();
    assert_eq!(counts, [4, 4, 3, 2, 2, usize::MAX]);
}

/// A task that asks the scheduler whether it can take its arguments.
#[test]
fn the_check_of_arguments_may_use_a_handle() {
    struct Asks(Handle);
    impl Task for Asks {
        fn run(&self, _arguments: &Value, _context: &TaskContext) -> TaskResult {
            Ok(TaskOutput::default())
        }
        fn check(&self, arguments: &Value) -> Result<(), ArgumentsError> {
            let count =
                self.0.count(&JobQuery::default()).map_err(|error| ArgumentsError::new(error.to_string()))?;
            if arguments == &Value::from(count) {
                Ok(())
            } else {
                Err(ArgumentsError::new(format!("there are {count} jobs")))
            }
        }
    }
    ends(|| {
        let scheduler = started();
        let asks = || Asks(scheduler.handle().clone());
        let job = |id: &str, count: usize| every(1.hours()).run(asks()).id(id).arguments(count);
        scheduler.add(job("a", 0)).unwrap();
        let error = scheduler.add(job("b", 7)).unwrap_err();
        assert!(error.to_string().contains("there are 1 jobs"), "{error}");
        scheduler.add_many([job("b", 1), job("c", 1)]).unwrap();
        scheduler.modify("a", |job| job.arguments = 3.into()).unwrap();
        assert!(scheduler.modify("a", |job| job.arguments = 4.into()).is_err());
    });
}
