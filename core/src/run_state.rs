//! What the token and the log of one run share: one allocation.

use crate::cancel::Cancelling;
use crate::run_log::Log;

#[derive(Default)]
pub(crate) struct RunState {
    pub(crate) cancelling: Cancelling,
    pub(crate) log: Log,
}
