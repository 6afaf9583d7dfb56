//! A scheduler that is owned by what it calls itself, and dropped there, ends.

use super::*;

type Owned = Arc<Mutex<Option<BackgroundScheduler>>>;

/// Has `arrange` give a scheduler something to call, which drops what it is given. Checks that this returns and the scheduler ends.
#[track_caller]
fn drops_where_it_is_called(arrange: impl FnOnce(&BackgroundScheduler, Box<dyn Fn() + Send + Sync>)) {
    let scheduler = started();
    let handle = scheduler.handle();
    let owned = Owned::default();
    let (dropped, drops) = mpsc::channel();
    let (owner, dropped) = (owned.clone(), Mutex::new(dropped));
    let drop_it = move || {
        let taken = owner.lock().unwrap().take();
        if let Some(scheduler) = taken {
            drop(scheduler);
            let _ = dropped.lock().unwrap().send(());
        }
    };
    arrange(&scheduler, Box::new(drop_it));
    *owned.lock().unwrap() = Some(scheduler);
    // What comes before it is there is called in vain.
    ends(move || {
        while let Ok(outcome) = handle.run_now("job") {
            let _ = outcome.wait_within(GENEROUS);
        }
        drops.recv_timeout(GENEROUS).expect("it is dropped");
        handle.wait_until_shut_down();
        assert_eq!(handle.state(), SchedulerState::ShutDown);
    });
}

fn job() -> matins_scheduler::NewJob {
    every(1.hours()).run(|| ()).id("job")
}

#[test]
fn inside_a_task() {
    drops_where_it_is_called(|scheduler, drop_it| {
        scheduler.add(every(1.hours()).run(drop_it).id("job")).unwrap();
    });
}

#[test]
fn inside_a_callback_of_a_job() {
    drops_where_it_is_called(|scheduler, drop_it| {
        scheduler.add(job().on_success(move |_| drop_it())).unwrap();
    });
}

#[test]
fn inside_a_listener() {
    drops_where_it_is_called(|scheduler, drop_it| {
        let ends = |event: &Event| matches!(event, Event::RunFinished { .. });
        scheduler.on_event(ends, move |_| drop_it()).unwrap();
        scheduler.add(job()).unwrap();
    });
}

#[test]
fn inside_a_filter_of_events() {
    let (keep, events) = mpsc::channel();
    drops_where_it_is_called(|scheduler, drop_it| {
        let subscribed = scheduler.subscribe_to(move |event| {
            if matches!(event, Event::RunFinished { .. }) {
                drop_it();
            }
            false
        });
        keep.send(subscribed).unwrap();
        scheduler.add(job()).unwrap();
    });
    drop(events);
}

/// On the thread of a command, which delivers the events that it causes.
#[test]
fn inside_a_filter_of_events_on_the_thread_of_a_caller() {
    let scheduler = started();
    let handle = scheduler.handle();
    let owned: Owned = Arc::default();
    let owner = owned.clone();
    let _events = scheduler.subscribe_to(move |event| {
        if matches!(event, Event::JobPaused { .. }) {
            let taken = owner.lock().unwrap().take();
            drop(taken);
        }
        false
    });
    scheduler.add(job()).unwrap();
    *owned.lock().unwrap() = Some(scheduler);
    ends(move || {
        handle.pause("job").unwrap();
        handle.wait_until_shut_down();
        assert_eq!(handle.state(), SchedulerState::ShutDown);
    });
}

/// What owns the scheduler is itself dropped by the scheduler: a closure that captures it, when the scheduler lets go of it.
#[test]
fn with_what_a_closure_has_captured() {
    for in_callback in [false, true] {
        let owned = Owned::default();
        let captured = Captured(owned.clone());
        let scheduler = started();
        let (handle, captured) = (scheduler.handle(), Mutex::new(Some(captured)));
        let holds = move || assert!(captured.lock().unwrap().is_some());
        let job = if in_callback {
            job().on_success(move |_| holds())
        } else {
            every(1.hours()).run(holds).id("job")
        };
        scheduler.add(job).unwrap();
        *owned.lock().unwrap() = Some(scheduler);
        ends(move || {
            handle.remove("job").unwrap();
            handle.wait_until_shut_down();
            assert_eq!(handle.state(), SchedulerState::ShutDown);
        });
    }
}

/// Drops the scheduler when it is dropped itself.
struct Captured(Owned);

impl Drop for Captured {
    fn drop(&mut self) {
        let taken = self.0.lock().unwrap().take();
        drop(taken);
    }
}

/// Uses a handle when it is dropped, and says that it was.
struct UsesHandle(Handle, mpsc::Sender<()>);

impl Drop for UsesHandle {
    fn drop(&mut self) {
        let _ = self.0.get("job");
        let _ = self.1.send(());
    }
}

/// Once, it was dropped under the lock that it asked for.
#[test]
fn what_a_run_has_registered_and_nobody_has_called() {
    let scheduler = started();
    let handle = scheduler.handle();
    let (dropped, drops) = mpsc::channel();
    let work = move |context: &TaskContext| {
        let (on_cancel, on_shutdown) = (handle.clone(), handle.clone());
        let (on_cancel, on_shutdown) =
            (UsesHandle(on_cancel, dropped.clone()), UsesHandle(on_shutdown, dropped.clone()));
        context.cancel.on_cancel(move || drop(on_cancel));
        context.cancel.on_shutdown(move || drop(on_shutdown));
    };
    scheduler.add(every(1.hours()).run(work).id("job")).unwrap();
    ends(move || {
        for _ in 0..3 {
            let run = scheduler.run_now("job").unwrap().wait().unwrap();
            assert_eq!(run.outcome, Some(Outcome::Succeeded));
            assert_eq!((drops.recv_timeout(GENEROUS), drops.recv_timeout(GENEROUS)), (Ok(()), Ok(())));
        }
    });
}
