//! What a worker is told about a run that it is doing, or is about to begin: 17 bytes, so that each is written as a whole.

use std::time::Duration;

use matins_core::{CancelReason, CancelToken};

/// The length of an encoded signal.
pub(crate) const LENGTH: usize = 17;

/// What is said about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// It is cancelled, for this reason.
    Cancel(CancelReason),
    /// The scheduler has begun to shut down.
    ShuttingDown,
}

impl Signal {
    /// The bytes for the run with this number: the kind, the number, and the time limit in microseconds.
    pub(crate) fn to_bytes(self, number: u64) -> [u8; LENGTH] {
        let (kind, micros) = match self {
            Self::ShuttingDown => (1, 0),
            Self::Cancel(CancelReason::TimeLimit(limit)) => {
                (2, u64::try_from(limit.as_micros()).unwrap_or(u64::MAX))
            }
            Self::Cancel(_) => (0, 0),
        };
        let mut bytes = [kind; LENGTH];
        bytes[1..9].copy_from_slice(&number.to_le_bytes());
        bytes[9..].copy_from_slice(&micros.to_le_bytes());
        bytes
    }

    /// The signal, and the number of its run. `None` if no worker of this version sends such bytes.
    pub(crate) fn from_bytes(bytes: [u8; LENGTH]) -> Option<(u64, Self)> {
        let (kind, rest) = bytes.split_first()?;
        let (number, micros) = rest.split_first_chunk()?;
        let micros = u64::from_le_bytes(micros.try_into().ok()?);
        let signal = match kind {
            0 => Self::Cancel(CancelReason::Asked),
            1 => Self::ShuttingDown,
            2 => Self::Cancel(CancelReason::TimeLimit(Duration::from_micros(micros))),
            _ => return None,
        };
        Some((u64::from_le_bytes(*number), signal))
    }

    /// Tells the run with this token. What the task has registered may take its time, and must not keep this thread from hearing more.
    pub(crate) fn tell(self, token: &CancelToken) {
        match self {
            Self::Cancel(reason) => token.set(reason).call_in_background(),
            Self::ShuttingDown => token.note_shutdown().call_in_background(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_as_they_were_written() {
        let limit = CancelReason::TimeLimit(Duration::from_millis(1_500));
        for signal in [Signal::ShuttingDown, Signal::Cancel(CancelReason::Asked), Signal::Cancel(limit)] {
            for number in [1, u64::MAX] {
                assert_eq!(Signal::from_bytes(signal.to_bytes(number)), Some((number, signal)));
            }
        }
        assert_eq!(Signal::from_bytes([9; LENGTH]), None);
    }
}
