//! A worker process that says what it does, and that is killed and started again.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

/// What a worker says of the run with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Its work begins.
    Begun(u64),
    /// Its work has ended.
    Ended(u64),
}

impl Told {
    /// Says it to the process that has started this one.
    ///
    /// # Errors
    /// If nobody reads it.
    pub fn tell(self) -> io::Result<()> {
        let (kind, number) = match self {
            Self::Begun(number) => (b'b', number),
            Self::Ended(number) => (b'e', number),
        };
        let mut message = [kind; 9];
        message[1..].copy_from_slice(&number.to_le_bytes());
        let mut out = io::stdout().lock();
        out.write_all(&message)?;
        out.flush()
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut message = [0; 9];
        from.read_exact(&mut message)?;
        let [kind, number @ ..] = message;
        let number = u64::from_le_bytes(number);
        Ok(if kind == b'b' { Self::Begun(number) } else { Self::Ended(number) })
    }
}

/// One worker process at a time, which is this program with other arguments.
#[derive(Debug)]
pub struct Workers {
    arguments: Vec<String>,
    worker: Child,
    teller: Sender<Told>,
    told: Receiver<Told>,
}

impl Workers {
    /// Starts the first one.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let (teller, told) = unbounded();
        let worker = start(&arguments, teller.clone());
        Self { arguments, worker, teller, told }
    }

    /// What all of them have said, in its order.
    pub fn told(&self) -> &Receiver<Told> {
        &self.told
    }

    /// Kills the worker as `kill -9` does, and starts another.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn kill_and_replace(&mut self) {
        self.worker.kill().expect("it is ours to kill");
        self.worker.wait().expect("it is our child");
        self.worker = start(&self.arguments, self.teller.clone());
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

fn start(arguments: &[String], teller: Sender<Told>) -> Child {
    let program = std::env::current_exe().expect("this program");
    let worker = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut worker = worker.expect("a worker");
    let mut out = worker.stdout.take().expect("it is piped");
    thread::spawn(move || {
        // Until the worker ends, or nobody listens.
        while let Ok(message) = Told::read(&mut out)
            && teller.send(message).is_ok()
        {}
    });
    worker
}
