//! A worker with the tasks of the conformance suite and one that notes each beginning in a file, for the tests: it is killed, stopped and
//! started again. It works until its standard input ends.
//!
//! `nats_worker URL NAMESPACE RUNS_AT_ONCE ACK_WAIT_MILLISECONDS`

use std::io::{Read, Write};
use std::time::Duration;

use matins_conformance::executor_suite;
use matins_core::{Shutdown, TaskContext};
use matins_executor_nats::{NatsServer, Worker};
use matins_task_function::TaskRegistry;

/// Notes that it has begun, in a file, and works for a while.
fn note(arguments: (String, u64), context: &TaskContext) -> std::io::Result<()> {
    let (file, milliseconds) = arguments;
    let mut file = std::fs::File::options().append(true).create(true).open(file)?;
    file.write_all(format!("{} {} {}\n", context.job, context.run, context.attempt).as_bytes())?;
    let (stop, stopped) = std::sync::mpsc::channel();
    context.cancel.on_cancel(move || {
        let _ = stop.send(());
    });
    match stopped.recv_timeout(Duration::from_millis(milliseconds)) {
        Ok(()) => Err(std::io::Error::other("told to stop")),
        Err(_) => Ok(()),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, namespace, at_once, ack_wait] = arguments.as_slice() else {
        return Err("usage: nats_worker URL NAMESPACE RUNS_AT_ONCE ACK_WAIT_MILLISECONDS".into());
    };
    let tasks = TaskRegistry::default();
    executor_suite::register(&tasks)?;
    tasks.register("note", note)?;
    let server = NatsServer::new(url.as_str()).namespace(namespace.as_str());
    let server = server.ack_wait(Duration::from_millis(ack_wait.parse()?));
    let mut worker = Worker::builder(server).at_once(at_once.parse()?).start(tasks)?;
    println!("{}", worker.name());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    worker.stop(Shutdown::Wait);
    Ok(())
}
