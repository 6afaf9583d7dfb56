//! Which boot of the machine this is.

use std::fs;

/// Identifies the boot: the kernel's boot id, and when process 1 was started, as a container has a process 1 of its own.
/// `None` where the system does not say.
pub(crate) fn id() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let init = fs::read_to_string("/proc/1/stat").ok();
    // The name in the second field may contain spaces and parentheses; the 22nd is the start in ticks since the boot.
    let started = init.as_deref().and_then(|stat| stat.rsplit_once(')')?.1.split_whitespace().nth(19));
    Some(format!("{} {}", boot.trim(), started.unwrap_or("-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_the_same() {
        assert_eq!(id(), id());
    }
}
