//! What the token and the log of one run share: one allocation.

use crate::cancel::Cancelling;
use crate::run_log::Log;

#[derive(Default)]
pub(crate) struct RunState {
    pub(crate) cancelling: Cancelling,
    pub(crate) log: Log,
}

// Elsewhere, locks take more.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Allocators of the system serve small blocks much faster: up to 128 bytes, with what `Arc` and they add.
    #[test]
    fn the_state_of_a_run_is_small() {
        assert!(size_of::<RunState>() <= 104, "{}", size_of::<RunState>());
    }
}
