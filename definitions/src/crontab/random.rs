//! Random values that stay the same: on one machine, a line of a crontab has the same ones at each start.

use std::fs;

/// What random values of a line are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Salt<'a> {
    pub(super) machine: &'a str,
    /// The line's text.
    pub(super) entry: &'a str,
}

impl Salt<'_> {
    /// A number below `below` for a purpose; another purpose gets another one.
    pub(super) fn number(&self, purpose: &str, below: u64) -> u64 {
        // FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>, as the standard library's hashes may change between
        // versions; and the finalizer of MurmurHash3, as its low bits alone are not well mixed.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for part in [self.machine, self.entry, purpose] {
            for byte in part.bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (hash ^ (hash >> 33)) % below.max(1)
    }
}

/// Identifies this machine: machine-id(5), or else its host name.
pub(super) fn machine_id() -> String {
    match fs::read_to_string("/etc/machine-id") {
        Ok(id) if !id.trim().is_empty() => id.trim().to_owned(),
        _ => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable_and_spread() {
        let number = |machine: &str, entry: &str| Salt { machine, entry }.number("minute", 60);
        assert_eq!(number("a", "0~59 * * * * x"), number("a", "0~59 * * * * x"));
        let spread: std::collections::BTreeSet<u64> =
            (0..600).map(|n| number(&format!("host-{n}"), "0~59 * * * * x")).collect();
        assert_eq!(spread.len(), 60, "each minute is somebody's");
    }
}
