//! Work in a process, which can be killed.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Cancel, Task};

/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(5);

// ANCHOR: command
/// Returns a task that runs a command of the shell. If it should end, the
/// process is killed, with all processes that it has started.
pub fn command(line: &str) -> Task {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).stdin(Stdio::null());
    // A group of its own: the processes that it starts are in it too.
    command.process_group(0);
    Box::new(move |cancel: &Cancel| {
        let mut child = command
            .spawn()
            .map_err(|error| format!("cannot start a shell: {error}"))?;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(status.to_string()),
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
            if cancel.sleep(LOOK).is_some() {
                kill_group(&mut child);
                return Err("killed".to_owned());
            }
        }
    })
}

fn kill_group(child: &mut Child) {
    // A minus before the number means the group.
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    // Without this, the process would stay as a zombie.
    let _ = child.wait();
}
// ANCHOR_END: command
