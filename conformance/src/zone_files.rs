//! Files of time zones for tests: TZif data (RFC 9636) written from a list of changes.

use chrono::{DateTime, Utc};

/// Returns TZif data of a zone that begins with the offset `first`, in seconds east of UTC, and changes it at the given
/// instants, in order. After the last one the POSIX rule applies; an empty rule leaves the offset as it is.
///
/// ```
/// use matins_conformance::zone_files::tzif;
///
/// // British Columbia stays on daylight saving time from November 2026 on.
/// let changes = [("2026-03-08T10:00:00Z".parse().unwrap(), -7 * 3600)];
/// let data = tzif(-8 * 3600, &changes, "MST7");
/// assert_eq!(&data[..5], b"TZif2");
/// ```
pub fn tzif(first: i32, changes: &[(DateTime<Utc>, i32)], rule: &str) -> Vec<u8> {
    let mut offsets = vec![first];
    offsets.extend(changes.iter().map(|(_, offset)| *offset));
    let mut types = offsets.clone();
    types.sort_unstable();
    types.dedup();
    // What holds before the first change is the first type.
    types.retain(|offset| *offset != first);
    types.insert(0, first);
    let type_of = |offset: i32| types.iter().position(|known| *known == offset).unwrap_or_default() as u8;

    let mut data = header([0, 0, 1, 1]);
    // The first block is for readers of old: one type that nobody reads.
    data.extend([0, 0, 0, 0, 0, 0, 0]);
    data.extend(header([0, changes.len(), types.len(), 4]));
    data.extend(changes.iter().flat_map(|(instant, _)| instant.timestamp().to_be_bytes()));
    data.extend(changes.iter().map(|(_, offset)| type_of(*offset)));
    for offset in &types {
        data.extend(offset.to_be_bytes());
        data.extend([0, 0]);
    }
    data.extend(b"TST\0");
    data.extend(format!("\n{rule}\n").bytes());
    data
}

/// A header with the numbers of leap seconds, changes, types and letters.
fn header(counts: [usize; 4]) -> Vec<u8> {
    let mut header = b"TZif2".to_vec();
    header.extend([0; 15 + 8]);
    header.extend(counts.iter().flat_map(|count| (*count as u32).to_be_bytes()));
    header
}
