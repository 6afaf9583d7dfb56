//! Workers in other processes, which take their runs from a server: ours from NATS, apalis's from Redis.

mod ours;
mod redis;
mod theirs;
mod workers;

pub use ours::{TELL_AND_PAUSE, ours, work_for_ours};
pub use redis::Redis;
pub use theirs::{Theirs, work_for_theirs};
pub use workers::{Told, Workers};

/// What a worker does at once.
pub const AT_ONCE: usize = 64;
/// For how long a worker may be silent before it is taken for lost, in seconds.
pub const SILENCE_SECONDS: u64 = 3;
