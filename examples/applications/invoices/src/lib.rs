//! Sends invoices and reminders. `tests/a_month.rs` tests what happens in a
//! month, in milliseconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use matins::prelude::*;
use matins::{Handle, State};

/// Letters that were sent, and whether the post office is open.
#[derive(Default)]
pub struct PostOffice {
    letters: Mutex<Vec<String>>,
    closed: Mutex<bool>,
}

impl PostOffice {
    fn send(&self, letter: String) -> Result<(), &'static str> {
        if *self.closed.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err("the post office is closed");
        }
        self.letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(letter);
        Ok(())
    }

    /// Opens or closes it.
    pub fn set_closed(&self, closed: bool) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = closed;
    }

    /// Returns the letters so far.
    pub fn letters(&self) -> Vec<String> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn invoice(
    State(post): State<Arc<PostOffice>>,
    customer: String,
    run: &TaskContext,
) -> Result<(), &'static str> {
    post.send(format!(
        "invoice for {customer}, {}",
        run.scheduled.format("%B %Y")
    ))
}

fn remind(
    State(post): State<Arc<PostOffice>>,
    customer: String,
) -> Result<(), &'static str> {
    post.send(format!("reminder for {customer}"))
}

/// Adds the jobs of a customer: an invoice on the first of each month, and
/// three reminders, a week apart.
///
/// # Errors
/// If the customer has jobs already.
pub fn add_customer(
    scheduler: &Handle,
    customer: &str,
) -> Result<(), SchedulerError> {
    let retry =
        Retry::times(5).backoff(Backoff::Fixed(Duration::from_secs(3600)));
    let monthly = cron("0 9 1 * *")
        .in_zone("Europe/Berlin")
        .run(invoice)
        .arguments(customer);
    scheduler.add(monthly.id(format!("invoice-{customer}")).retry(retry))?;
    let weekly = every(7.days()).run(remind).arguments(customer).max_runs(3);
    scheduler.add(weekly.id(format!("reminder-{customer}")))?;
    Ok(())
}
