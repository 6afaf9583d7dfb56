//! The end of a long text, in bounded memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Takes any amount of bytes, and keeps the last of them: a task that prints for hours costs no more than its tail.
///
/// ```
/// let mut tail = matins_core::Tail::new(5);
/// tail.push(b"hello, ledger");
/// assert_eq!(tail.to_text().unwrap(), "[the first 8 bytes are left out]\nedger");
/// ```
#[derive(Debug, Clone)]
pub struct Tail {
    kept: Vec<u8>,
    limit: usize,
    dropped: u64,
}

impl Tail {
    /// Keeps the last `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), limit, dropped: 0 }
    }

    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        // Let it grow to twice the limit, so that bytes are moved seldom.
        if self.kept.len() > 2 * self.limit {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let surplus = self.kept.len().saturating_sub(self.limit);
        self.kept.drain(..surplus);
        self.dropped += surplus as u64;
    }

    /// The text kept, with a first line that says what was left out; `None` when there was nothing.
    pub fn to_text(&mut self) -> Option<String> {
        self.cut();
        // Not to begin within a character.
        let is_inner = |byte: &u8| self.dropped > 0 && byte & 0b1100_0000 == 0b1000_0000;
        let inner = self.kept.iter().take(3).take_while(|byte| is_inner(byte)).count();
        let text = String::from_utf8_lossy(&self.kept[inner..]);
        match self.dropped + inner as u64 {
            0 if text.is_empty() => None,
            0 => Some(text.into_owned()),
            dropped => Some(format!("[the first {dropped} bytes are left out]\n{text}")),
        }
    }
}

/// A [`Tail`] that others can read while it is filled. Clones are one tail.
///
/// ```
/// let tail = matins_core::LiveTail::new(5);
/// tail.clone().push(b"hello, ledger");
/// assert_eq!(tail.to_text().unwrap(), "[the first 8 bytes are left out]\nedger");
/// ```
#[derive(Debug, Clone)]
pub struct LiveTail(Arc<Mutex<Tail>>);

impl LiveTail {
    /// Keeps the last `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Tail::new(limit))))
    }

    /// Adds bytes.
    ///
    /// ```
    /// let tail = matins_core::LiveTail::new(1024);
    /// tail.push(b"copied a.txt\n");
    /// assert_eq!(tail.to_text().as_deref(), Some("copied a.txt\n"));
    /// ```
    pub fn push(&self, bytes: &[u8]) {
        self.lock().push(bytes);
    }

    /// Returns the text kept so far, as [`Tail::to_text`] does.
    pub fn to_text(&self) -> Option<String> {
        self.lock().to_text()
    }

    fn lock(&self) -> MutexGuard<'_, Tail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_whole_and_long_output_loses_its_beginning() {
        let mut tail = Tail::new(10);
        tail.push(b"hello ");
        tail.push(b"you");
        assert_eq!(tail.to_text().as_deref(), Some("hello you"));

        let mut tail = Tail::new(10);
        for _ in 0..1_000 {
            tail.push(b"0123456789abcdef");
        }
        assert!(tail.kept.len() <= 20);
        assert_eq!(tail.to_text().as_deref(), Some("[the first 15990 bytes are left out]\n6789abcdef"));
        assert_eq!(Tail::new(10).to_text(), None);
    }

    #[test]
    fn a_character_is_not_cut_in_two() {
        let mut tail = Tail::new(4);
        tail.push("aaa€bc".as_bytes());
        assert_eq!(tail.to_text().as_deref(), Some("[the first 6 bytes are left out]\nbc"));
    }
}
