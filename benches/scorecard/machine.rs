//! What was measured on.

use std::fs;
use std::process::Command;
use std::thread;

/// The processor, memory, kernel and compiler, and the day.
pub(crate) fn describe() -> String {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let model = after("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = after("/proc/meminfo", "MemTotal").and_then(|text| {
        let kibibytes: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some(format!(", {:.0} GiB", kibibytes / 1024.0 / 1024.0))
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| std::env::consts::OS.to_owned(), |release| format!("Linux {}", release.trim()));
    let compiler = Command::new("rustc").arg("--version").output().ok();
    let compiler = compiler.map_or_else(
        || "an unknown rustc".to_owned(),
        |output| {
            let version = String::from_utf8_lossy(&output.stdout).into_owned();
            version.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
        },
    );
    format!(
        "{processors} processors of {model}{}; {kernel}; {compiler}; {}",
        memory.unwrap_or_default(),
        chrono::Utc::now().format("%Y-%m-%d")
    )
}

/// What stands behind `key` and a colon in a file.
fn after(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}
