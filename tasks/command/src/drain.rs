//! Reads, and drops, what background processes print after the run that left them behind has ended.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

static DRAIN: Mutex<Drain> = Mutex::new(Drain { arrivals: Vec::new(), wake: None });

struct Drain {
    /// Pipes that the thread has not taken over yet.
    arrivals: Vec<PipeReader>,
    /// Wakes the thread; `None` while no thread is there.
    wake: Option<PipeWriter>,
}

/// Reads `pipe` until the last process that writes to it has closed it, on a thread that all such pipes share.
pub(crate) fn until_closed(pipe: PipeReader) {
    let mut drain = lock();
    drain.arrivals.push(pipe);
    if let Some(wake) = &drain.wake {
        // It takes 64 KiB of these to block, and the thread reads them all whenever it wakes up.
        let _ = (&*wake).write_all(b"!");
    } else if start(&mut drain).is_err() {
        // Without a thread the pipes are closed, and whoever writes to them gets SIGPIPE.
        drain.arrivals.clear();
    }
}

fn lock() -> MutexGuard<'static, Drain> {
    DRAIN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(drain: &mut Drain) -> io::Result<()> {
    let (woken, wake) = io::pipe()?;
    let thread = thread::Builder::new().name("matins-drain".to_owned()).stack_size(128 * 1024);
    thread.spawn(move || read_all(woken))?;
    drain.wake = Some(wake);
    Ok(())
}

/// What the thread does; it ends when there is no pipe left.
fn read_all(mut woken: PipeReader) {
    let mut pipes: Vec<PipeReader> = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        {
            let mut drain = lock();
            pipes.append(&mut drain.arrivals);
            if pipes.is_empty() {
                drain.wake = None;
                return;
            }
        }
        let all = std::iter::once(woken.as_fd()).chain(pipes.iter().map(AsFd::as_fd));
        let mut polled: Vec<PollFd<'_>> =
            all.map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)).collect();
        match poll(&mut polled, None) {
            Err(Errno::INTR) => {}
            // Out of memory: the pipes are closed.
            Err(_) => pipes.clear(),
            Ok(_) => {
                let ready: Vec<bool> = polled.iter().map(|pipe| !pipe.revents().is_empty()).collect();
                if ready.first() == Some(&true) {
                    let _ = woken.read(&mut buffer);
                }
                let mut ready = ready.into_iter().skip(1);
                pipes.retain_mut(|pipe| !ready.next().unwrap_or(false) || !is_at_end(pipe, &mut buffer));
            }
        }
    }
}

/// Reads once, from a pipe that has something to read or is at its end.
fn is_at_end(pipe: &mut PipeReader, buffer: &mut [u8]) -> bool {
    match pipe.read(buffer) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != io::ErrorKind::Interrupted,
    }
}
