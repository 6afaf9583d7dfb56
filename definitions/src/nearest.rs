//! The word that somebody may have meant.

/// Returns the one of the `known` words that was probably meant: the nearest to `written`, if one is near.
///
/// ```
/// use matins_definitions::nearest;
///
/// assert_eq!(nearest("back up", ["backup", "report"].into_iter()), Some("backup"));
/// assert_eq!(nearest("sync", ["backup", "report"].into_iter()), None);
/// ```
pub fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|word| (strsim::damerau_levenshtein(written, word), word))
        .min()
        .filter(|(distance, word)| *distance <= word.len() / 3 + 1)
        .map(|(_, word)| word)
}
