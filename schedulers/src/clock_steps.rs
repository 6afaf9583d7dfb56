//! Steps of the system's clock, where the system tells of them.
//!
//! One thread for the process sleeps in a read of a timer that is never due, and that the kernel cancels when the clock is set
//! (`timerfd_create(2)`). It is started by the first who wants to hear of steps.

#[cfg(target_os = "linux")]
pub(crate) use linux::{are_told, monotonic, tell};
#[cfg(not(target_os = "linux"))]
pub(crate) use nowhere::{are_told, monotonic, tell};

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Once};
    use std::thread;
    use std::time::Duration;

    use matins_core::Wake;
    use rustix::io::{Errno, read};
    use rustix::time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
        timerfd_create, timerfd_settime,
    };

    use crate::wakes::Wakes;

    static WAKES: Wakes = Wakes::new();
    static START: Once = Once::new();
    static ARE_TOLD: AtomicBool = AtomicBool::new(false);

    /// Has `wake` called at each step from now on, where the system lets us.
    pub(crate) fn tell(wake: &Arc<Wake>) {
        WAKES.add(wake);
        START.call_once(|| ARE_TOLD.store(start().is_ok(), Ordering::Relaxed));
    }

    /// Returns the time since the system was started, with the time in which it was suspended.
    pub(crate) fn monotonic() -> Duration {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Boottime);
        Duration::new(tv_sec.try_into().unwrap_or(0), tv_nsec.try_into().unwrap_or(0))
    }

    /// Whether somebody listens to the kernel.
    pub(crate) fn are_told() -> bool {
        ARE_TOLD.load(Ordering::Relaxed)
    }

    fn start() -> Result<(), std::io::Error> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC)?;
        set(&timer)?;
        thread::Builder::new().name("matins-clock".to_owned()).spawn(move || listen(&timer)).map(drop)
    }

    fn set(timer: &OwnedFd) -> Result<(), Errno> {
        // In 2242: the kernel refuses to set the clock so far (to more than 30 years before 2262).
        let never = Timespec { tv_sec: 1 << 33, tv_nsec: 0 };
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let how = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(timer, how, &Itimerspec { it_interval: once, it_value: never }).map(drop)
    }

    fn listen(timer: &OwnedFd) {
        let mut expirations = [0; 8];
        loop {
            match read(timer, &mut expirations) {
                // Set again first: then the next step is not missed, and a look from now on sees this one.
                Err(Errno::CANCELED) if set(timer).is_ok() => WAKES.call(),
                Err(Errno::INTR) => {}
                _ => break,
            }
        }
        ARE_TOLD.store(false, Ordering::Relaxed);
        WAKES.call();
    }
}

#[cfg(not(target_os = "linux"))]
mod nowhere {
    use std::sync::{Arc, OnceLock};
    use std::time::{Duration, Instant};

    use matins_core::Wake;

    pub(crate) fn tell(_wake: &Arc<Wake>) {}

    pub(crate) fn are_told() -> bool {
        false
    }

    /// Returns the time since the first call.
    pub(crate) fn monotonic() -> Duration {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        FIRST.get_or_init(Instant::now).elapsed()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use matins_core::Wake;
    use rustix::time::{ClockId, clock_gettime, clock_settime};

    use super::*;

    /// Sets the system's clock, to what it is.
    #[test]
    #[ignore = "it sets the system's clock, which takes a privilege"]
    fn the_kernel_tells_when_the_clock_is_set() {
        let (sender, called) = mpsc::channel();
        let wake: Arc<Wake> = Arc::new(move || sender.send(()).unwrap());
        tell(&wake);
        assert!(are_told());
        for _ in 0..3 {
            clock_settime(ClockId::Realtime, clock_gettime(ClockId::Realtime)).expect("the privilege");
            called.recv_timeout(Duration::from_secs(60)).expect("a call");
        }
    }
}
