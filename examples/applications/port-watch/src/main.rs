//! Watches TCP ports, and says at the end how often each was open.
//!
//! ```text
//! cargo run -p port-watch -- 5 127.0.0.1:22 127.0.0.1:80
//! ```
//!
//! It checks each address five times, a fifth of a second apart. Ctrl-C ends it
//! earlier.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use matins::prelude::*;

/// How often an address was checked, and how often it was open.
#[derive(Default, Clone, Copy)]
struct Tally {
    checks: u64,
    open: u64,
}

/// The table that all jobs write to.
#[derive(Default)]
struct Table(Mutex<BTreeMap<SocketAddr, Tally>>);

impl Table {
    /// Adds a check, and returns the number of all checks.
    fn add(&self, address: SocketAddr, open: bool) -> u64 {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = table.entry(address).or_default();
        tally.checks += 1;
        tally.open += u64::from(open);
        table.values().map(|tally| tally.checks).sum()
    }

    fn print(&self) {
        for (address, Tally { checks, open }) in
            &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
        {
            println!("{address}: open at {open} of {checks} checks");
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: port-watch CHECKS ADDRESS:PORT...";
    let checks: u64 = arguments.next().ok_or(usage)?.parse()?;
    let addresses: Vec<SocketAddr> =
        arguments.map(|address| address.parse()).collect::<Result<_, _>>()?;
    if checks == 0 || addresses.is_empty() {
        return Err(usage.into());
    }

    let table = Arc::new(Table::default());
    let all_checks = checks * addresses.len() as u64;
    let scheduler = matins::scheduler().blocking()?;
    scheduler.shutdown_on_signals(Shutdown::Now)?;
    for address in addresses {
        let (table, handle) = (table.clone(), scheduler.handle());
        let check = move || {
            let open =
                TcpStream::connect_timeout(&address, Duration::from_secs(1))
                    .is_ok();
            if table.add(address, open) == all_checks {
                handle.request_shutdown(Shutdown::Wait);
            }
        };
        // A check that takes longer delays the next one, and none is left out.
        let job = every(200.milliseconds()).run(check).id(address.to_string());
        scheduler.add(job.max_runs(checks).overlap(Overlap::QueueOne))?;
    }
    scheduler.run();
    table.print();
    Ok(())
}
