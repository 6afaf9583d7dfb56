//! What is wrong with a text: long sentences, and phrases that are banned.

/// A sentence may have this many words.
const LONGEST: usize = 35;
/// A page may have this many words a sentence.
const AVERAGE: usize = 20;

/// Paragraphs, items of lists and cells of tables, each on one line, without links' targets, snippets and code.
fn paragraphs(page: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut is_snippet = false;
    for line in page.lines().map(str::trim) {
        if line.starts_with("```") {
            is_snippet = !is_snippet;
            found.push(String::new());
        } else if is_snippet || line.is_empty() || line.starts_with(['#', '<', '{']) {
            found.push(String::new());
        } else if line.starts_with('|') {
            found.extend(plain(line).split('|').map(str::to_owned));
            found.push(String::new());
        } else {
            let number = line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
            if number || line.starts_with("* ") || line.starts_with("- ") {
                found.push(String::new());
            }
            let last = found.last_mut().unwrap();
            last.push(' ');
            last.push_str(line);
        }
    }
    found.iter().map(|paragraph| plain(paragraph)).filter(|paragraph| !paragraph.trim().is_empty()).collect()
}

/// Code becomes one word, and a link its text.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (number, part) in text.split('`').enumerate() {
        plain.push_str(if number % 2 == 0 { part } else { "code" });
    }
    let mut words = String::new();
    let mut rest = plain.as_str();
    while let Some((before, link)) = rest.split_once("](") {
        words.push_str(before);
        rest = link.split_once(')').map_or("", |(_, rest)| rest);
    }
    (words + rest).replace(['*', '[', '!'], "")
}

/// A sentence ends with a full stop, a question mark, a colon or a semicolon and a space.
fn sentences(paragraph: &str) -> impl Iterator<Item = &str> {
    [". ", "? ", ": ", "; "]
        .iter()
        .fold(vec![paragraph], |parts, end| parts.iter().flat_map(|part| part.split(end)).collect())
        .into_iter()
}

pub(crate) fn words(text: &str) -> Vec<String> {
    let letters = |word: &str| word.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase();
    text.split_whitespace().map(letters).filter(|word| !word.is_empty()).collect()
}

/// What is wrong with a page.
pub(crate) fn faults(name: &str, page: &str, banned: &[Vec<String>]) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut count, mut sum) = (0, 0);
    for paragraph in paragraphs(page) {
        for sentence in sentences(&paragraph) {
            let words = words(sentence);
            (count, sum) = (count + 1, sum + words.len());
            if words.len() > LONGEST {
                faults.push(format!("{name}: a sentence of {} words: {sentence}", words.len()));
            }
            for phrase in banned {
                if words.windows(phrase.len()).any(|part| part == phrase) {
                    faults.push(format!("{name}: {:?} in: {sentence}", phrase.join(" ")));
                }
            }
        }
    }
    if sum > AVERAGE * count {
        faults.push(format!("{name}: {} words a sentence", sum / count.max(1)));
    }
    faults
}

#[test]
fn faults_are_found() {
    let banned = vec![words("goes on")];
    let long = "word ".repeat(36);
    let page = format!(
        "# It goes on\n\n```text\nit goes on\n```\n\nThe run\ngoes on.\n\n| it goes on | {long}|\n| --- | --- |\n"
    );
    let found = faults("page", &page, &banned);
    assert_eq!(found.iter().filter(|fault| fault.contains("\"goes on\"")).count(), 2, "{found:?}");
    assert_eq!(found.iter().filter(|fault| fault.contains("a sentence of 36 words")).count(), 1, "{found:?}");
}
