//! APScheduler, by an interpreter that has it.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use serde::de::DeserializeOwned;

const WORKS: &str = include_str!("works.py");

#[derive(Debug)]
pub(crate) struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// Looks whether it is there, and has APScheduler 3.
    pub(crate) fn new(interpreter: PathBuf) -> Result<Self, Box<dyn Error>> {
        let output = Command::new(&interpreter)
            .args(["-c", "import apscheduler; print(apscheduler.version)"])
            .output()
            .map_err(|error| format!("{}: {error}; --python takes an interpreter", interpreter.display()))?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if version.starts_with("3.") {
            return Ok(Self { interpreter });
        }
        let cure = "install it there (pip install 'apscheduler<4'), or leave --python out";
        Err(format!("{} has no APScheduler 3; {cure}", interpreter.display()).into())
    }

    /// Has it do a work; what it measured.
    pub(crate) fn measure<T: DeserializeOwned>(&self, work: &str, arguments: &[&str]) -> T {
        let output = Command::new(&self.interpreter)
            .args(["-c", WORKS, work])
            .args(arguments)
            .output()
            .expect("the interpreter that was there before");
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(text.trim()).unwrap_or_else(|error| {
            panic!("APScheduler, {work} {arguments:?}: {error}: {}", String::from_utf8_lossy(&output.stderr))
        })
    }
}
