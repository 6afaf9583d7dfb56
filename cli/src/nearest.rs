//! The word that somebody may have meant.

/// The nearest of them to `written`, where one is near.
pub(crate) fn of<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|word| (strsim::damerau_levenshtein(written, word), word))
        .min()
        .filter(|(distance, word)| *distance <= word.len() / 3 + 1)
        .map(|(_, word)| word)
}
