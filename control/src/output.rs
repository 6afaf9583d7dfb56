//! What a run prints, for somebody who is shown it while it prints.

/// What somebody has been shown of a run's output.
///
/// A run that prints much keeps the end of its output, below a line that says how much is left out. What is new is found all the same.
///
/// ```
/// use matins_control::{OutputNews, OutputSoFar};
///
/// let mut shown = OutputSoFar::default();
/// assert_eq!(shown.take_up("one\n".into()), Some(OutputNews::Appended("one\n")));
/// assert_eq!(shown.take_up("one\n".into()), None);
/// assert_eq!(shown.take_up("one\ntwo\n".into()), Some(OutputNews::Appended("two\n")));
///
/// let cut = "[the first 4 bytes are left out]\ntwo\nsix\n";
/// let news = OutputNews::Replaced { output: cut, new: "six\n" };
/// assert_eq!(shown.take_up(cut.into()), Some(news));
/// ```
#[derive(Debug, Clone, Default)]
pub struct OutputSoFar {
    text: String,
}

/// What is new in a run's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputNews<'a> {
    /// This follows what was shown.
    Appended(&'a str),
    /// The output does not begin as it did.
    Replaced {
        /// All of it.
        output: &'a str,
        /// What of it was not shown yet, as far as that can be told.
        new: &'a str,
    },
}

impl OutputSoFar {
    /// Takes the output as it is now. Returns what is new in it, if anything is.
    ///
    /// ```
    /// let mut shown = matins_control::OutputSoFar::default();
    /// assert!(shown.take_up("one\n".into()).is_some());
    /// assert!(shown.take_up("one\n".into()).is_none());
    /// ```
    pub fn take_up(&mut self, output: String) -> Option<OutputNews<'_>> {
        if output == self.text {
            return None;
        }
        let before = std::mem::replace(&mut self.text, output);
        if let Some(rest) = self.text.strip_prefix(before.as_str()) {
            return Some(OutputNews::Appended(rest));
        }
        let (dropped_before, kept_before) = parts(&before);
        let (dropped, kept) = parts(&self.text);
        let shown = (dropped_before + kept_before.len()).checked_sub(dropped);
        let new = shown.and_then(|shown| kept.get(shown..)).unwrap_or(&self.text);
        Some(OutputNews::Replaced { output: &self.text, new })
    }
}

/// How many bytes are left out, and those that are kept.
fn parts(output: &str) -> (usize, &str) {
    let count =
        |line: &str| line.strip_prefix("[the first ")?.strip_suffix(" bytes are left out]")?.parse().ok();
    let cut = output.split_once('\n').and_then(|(line, kept)| Some((count(line)?, kept)));
    cut.unwrap_or((0, output))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `matins run ID --follow` shows it.
    fn shown(outputs: &[&str]) -> String {
        let mut so_far = OutputSoFar::default();
        outputs.iter().fold(String::new(), |text, output| match so_far.take_up((*output).to_owned()) {
            None => text,
            Some(OutputNews::Appended(new) | OutputNews::Replaced { new, .. }) => text + new,
        })
    }

    #[test]
    fn what_is_printed_is_shown_once_though_the_beginning_is_left_out() {
        let cut = |dropped: usize, kept: &str| format!("[the first {dropped} bytes are left out]\n{kept}");
        assert_eq!(shown(&["", "abc", "abc", "abcdef"]), "abcdef");
        assert_eq!(shown(&["abcdef", &cut(2, "cdefgh"), &cut(4, "efghij"), &cut(4, "efghij")]), "abcdefghij");
        // More was printed meanwhile than is kept: what is there is shown, with the line.
        assert_eq!(shown(&["ab", &cut(7, "hij")]), format!("ab{}", cut(7, "hij")));
        assert_eq!(shown(&["ab", "xy"]), "ab");
        // A text that only looks so, and a cut within a character.
        assert_eq!(shown(&["[the first day]\na", "[the first day]\nab"]), "[the first day]\nab");
        assert_eq!(shown(&["a", &cut(0, "éb")]), format!("a{}", cut(0, "éb")));
    }
}
