//! Secrets within a text: `NAME=value`, `--option value`, `"name": "value"`, headers, users of URLs, private keys.
//!
//! Where it is not clear how far a secret goes, more is hidden rather than less.

use std::borrow::Cow;
use std::ops::Range;

use super::{HIDDEN, is_secret, programs};

/// HTTP headers whose value is a secret, in lower case.
pub(super) const HEADERS: [&str; 13] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-auth-token",
    "x-access-token",
    "x-vault-token",
    "x-amz-security-token",
    "private-token",
    "job-token",
];

/// How long a word after `Bearer` has to be to be taken for a token.
const LEAST_BEARER: usize = 8;

/// How far before an option its program is looked for, in bytes, and how long a URL's user and password may be. The output of
/// a hostile job must not cost more than a look at each of its bytes.
const LONGEST_COMMAND: usize = 1024;
const LONGEST_USER: usize = 4096;

/// The end of a private key in PEM begins so.
const PEM_END: &[u8] = b"-----END";

/// Hides the secrets of a text. A text without any is returned as it is.
///
/// ```
/// use matins_control::secrets;
///
/// let text = "cannot reach postgres://ada:hunter2@db/jobs";
/// assert_eq!(secrets::hide_in_text(text), "cannot reach postgres://(hidden)@db/jobs");
/// ```
pub fn hide_in_text(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut shown = String::new();
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        match secret_at(text, at) {
            Some(secret) if !secret.is_empty() => {
                shown.push_str(&text[copied..secret.start]);
                shown.push_str(HIDDEN);
                copied = secret.end;
                at = secret.end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 && shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[copied..]);
    Cow::Owned(shown)
}

/// Returns the secret that the sign at `at` announces. All that is looked for is ASCII, so that the range is at characters.
fn secret_at(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    match bytes[at] {
        b':' if bytes[at..].starts_with(b"://") => user_of_url(bytes, at),
        b':' => header(bytes, at).or_else(|| field(bytes, at)),
        b'=' => assignment(bytes, at),
        b'-' if bytes[at..].starts_with(b"-----BEGIN ") => private_key(bytes, at),
        b'-' if begins_word(bytes, at) => option(text, at),
        b'b' | b'B' if begins_word(bytes, at) => bearer(bytes, at),
        _ => None,
    }
}

/// Returns the length of `--name=` or `NAME=` at the start of a word of its own, where that is the name of a secret.
pub(super) fn secret_name_before_value(word: &str) -> Option<usize> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.bytes().all(is_of_name) && is_secret(name);
    (is_name && !value.is_empty()).then_some(name.len() + 1)
}

/// Returns whether a word is an option whose value, the next word, is a secret.
pub(super) fn is_secret_flag(word: &str) -> bool {
    let name = word.trim_start_matches('-');
    let dashes = word.len() - name.len();
    let is_long = dashes == 2 || (dashes == 1 && name.len() > 2);
    // This program's own option has no value.
    is_long && name != "show-secrets" && name.bytes().all(is_of_name) && is_secret(name)
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'')
}

fn begins_word(bytes: &[u8], at: usize) -> bool {
    at == 0
        || bytes[at - 1].is_ascii_whitespace()
        || is_quote(bytes[at - 1])
        || matches!(bytes[at - 1], b'(' | b'`' | b'[')
}

/// The name that ends before `end`.
fn name_before(bytes: &[u8], end: usize) -> Range<usize> {
    let length = bytes[..end].iter().rev().take_while(|byte| is_of_name(**byte)).count();
    end - length..end
}

fn is_secret_name(bytes: &[u8], name: &Range<usize>) -> bool {
    str::from_utf8(&bytes[name.clone()]).is_ok_and(is_secret)
}

fn skip(bytes: &[u8], from: usize, what: impl Fn(u8) -> bool) -> usize {
    from + bytes[from..].iter().take_while(|byte| what(**byte)).count()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The end of a quoted text whose content begins at `from`: where `quote` is, not after a backslash.
fn closing(bytes: &[u8], from: usize, quote: u8) -> Option<usize> {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            byte if byte == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The end of a word as shells read it: quotes and backslashes keep spaces in it.
fn end_of_word(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() && !bytes[at].is_ascii_whitespace() {
        at = match bytes[at] {
            // What follows may be more than a byte, of which none is like those that are looked for.
            b'\\' => at + 2,
            quote if is_quote(quote) => closing(bytes, at + 1, quote).map_or(at + 1, |end| end + 1),
            _ => at + 1,
        };
    }
    character_from(bytes, at)
}

/// The first start of a character from `at` on.
fn character_from(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    skip(bytes, at, |byte| byte & 0b1100_0000 == 0b1000_0000)
}

/// The end of a value that begins at `from`, where the name before it begins at `name`: a quote before the name is one
/// around both.
fn end_of_value(bytes: &[u8], name: usize, from: usize) -> usize {
    let around = name.checked_sub(1).map(|before| bytes[before]).filter(|byte| is_quote(*byte));
    around.and_then(|quote| closing(bytes, from, quote)).unwrap_or_else(|| end_of_word(bytes, from))
}

/// `NAME=value`, `--option=value`, `name = value`.
fn assignment(bytes: &[u8], equals: usize) -> Option<Range<usize>> {
    if bytes.get(equals + 1) == Some(&b'=') {
        return None;
    }
    let blanks = bytes[..equals].iter().rev().take_while(|byte| is_blank(**byte)).count();
    let name = quoted_name_before(bytes, equals).unwrap_or_else(|| name_before(bytes, equals - blanks));
    if !is_secret_name(bytes, &name) {
        return None;
    }
    let from = if blanks > 0 { skip(bytes, equals + 1, is_blank) } else { equals + 1 };
    let is_quoted = bytes.get(name.end).copied().is_some_and(is_quote);
    let until = if is_quoted { end_of_word(bytes, from) } else { end_of_value(bytes, name.start, from) };
    Some(from..until)
}

/// A name in quotes that end before `end`.
fn quoted_name_before(bytes: &[u8], end: usize) -> Option<Range<usize>> {
    let quote = end.checked_sub(1).map(|last| bytes[last]).filter(|byte| is_quote(*byte))?;
    let name = name_before(bytes, end - 1);
    (name.start > 0 && bytes[name.start - 1] == quote && !name.is_empty()).then_some(name)
}

/// `"name": "value"`, also where its quotes are written `\"`.
fn field(bytes: &[u8], colon: usize) -> Option<Range<usize>> {
    let quote = colon.checked_sub(1).map(|last| bytes[last]).filter(|byte| is_quote(*byte))?;
    let before_quote = &bytes[..colon - 1];
    let slashes = before_quote.iter().rev().take_while(|byte| **byte == b'\\').count();
    let name = name_before(bytes, before_quote.len() - slashes);
    if name.start == 0 || bytes[name.start - 1] != quote || !is_secret_name(bytes, &name) {
        return None;
    }
    let value = skip(bytes, colon + 1, |byte| byte.is_ascii_whitespace());
    let first = skip(bytes, value, |byte| byte == b'\\');
    match bytes.get(first) {
        Some(opening) if is_quote(*opening) => {
            let from = first + 1;
            let mut mark = vec![b'\\'; slashes];
            mark.push(*opening);
            let is_end = |at: usize| {
                bytes[at..].starts_with(&mark)
                    && bytes[from..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
            };
            Some(from..(from..bytes.len()).find(|at| is_end(*at)).unwrap_or(bytes.len()))
        }
        _ => {
            let is_inside = |byte: u8| !byte.is_ascii_whitespace() && !matches!(byte, b',' | b'}' | b']');
            Some(value..skip(bytes, value, is_inside))
        }
    }
}

/// `Authorization: ...`, to the end of the line, or of the quotes around it.
fn header(bytes: &[u8], colon: usize) -> Option<Range<usize>> {
    let name = name_before(bytes, colon);
    let is_header = HEADERS.iter().any(|header| bytes[name.clone()].eq_ignore_ascii_case(header.as_bytes()));
    if !is_header {
        return None;
    }
    let from = skip(bytes, colon + 1, is_blank);
    let line = skip(bytes, from, |byte| !matches!(byte, b'\n' | b'\r'));
    let around = name.start.checked_sub(1).map(|before| bytes[before]).filter(|byte| is_quote(*byte));
    let until = around.and_then(|quote| closing(bytes, from, quote)).unwrap_or(line);
    Some(from..until)
}

/// `Bearer` and a token.
fn bearer(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let word = bytes.get(at..at + 6)?;
    if !word.eq_ignore_ascii_case(b"bearer") || !bytes.get(at + 6).copied().is_some_and(is_blank) {
        return None;
    }
    let from = skip(bytes, at + 6, is_blank);
    let until =
        character_from(bytes, skip(bytes, from, |byte| !byte.is_ascii_whitespace() && !is_quote(byte)));
    (until - from >= LEAST_BEARER).then_some(from..until)
}

/// `--password value`, `-p value` of some programs; also where each word is in quotes with commas between.
fn option(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let end = skip(bytes, at, is_of_name);
    let option = &text[at..end];
    if !is_secret_flag(option) {
        if !programs::is_known_option(option) {
            return None;
        }
        let program = program_before(text, at);
        if let Some(length) = programs::glued(program, option) {
            return Some(at + length..end_of_word(bytes, at + length));
        }
        if !programs::takes_secret(program, option) {
            return None;
        }
    }
    let after = skip(bytes, end, is_quote);
    let after_comma = skip(bytes, after, |byte| byte == b',' && after > end);
    let from = skip(bytes, after_comma, is_blank);
    let is_apart = from > after_comma || after_comma > after;
    let is_option = bytes[from..].starts_with(b"--");
    if !is_apart || is_option {
        return None;
    }
    let quote = bytes.get(from).copied().filter(|byte| after > end && is_quote(*byte));
    let quoted = quote.and_then(|quote| closing(bytes, from + 1, quote));
    Some(quoted.map_or_else(|| from..end_of_word(bytes, from), |until| from + 1..until))
}

/// The program whose option is at `at`: the first word before it, in the same simple command, that has options with secrets.
fn program_before(text: &str, at: usize) -> Option<&str> {
    let near = (at.saturating_sub(LONGEST_COMMAND)..=at).find(|near| text.is_char_boundary(*near))?;
    let command = text[near..at].rsplit(['|', ';', '&', '\n']).next()?;
    let is_between = |c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | '(' | '`' | ',');
    command.split(is_between).find(|word| programs::is_known_program(word))
}

/// What is before the last `@` of a URL's authority. A password that holds a `/` ends the authority early, so that the rest of
/// the word is looked at too where a password has begun.
fn user_of_url(bytes: &[u8], colon: usize) -> Option<Range<usize>> {
    let scheme = name_before(bytes, colon);
    if scheme.is_empty() {
        return None;
    }
    let from = colon + 3;
    let is_inside = |byte: u8| {
        !byte.is_ascii_whitespace() && !byte.is_ascii_control() && !matches!(byte, b'"' | b'<' | b'>' | b'`')
    };
    let bytes = &bytes[..bytes.len().min(from + LONGEST_USER)];
    let word = skip(bytes, from, is_inside);
    let authority = skip(bytes, from, |byte| is_inside(byte) && !matches!(byte, b'/' | b'?' | b'#'));
    let last_at =
        |until: usize| bytes[from..until].iter().rposition(|byte| *byte == b'@').map(|at| from + at);
    if let Some(end) = last_at(authority) {
        return Some(from..end);
    }
    let has_password = bytes.get(from) != Some(&b'[') && bytes[from..authority].contains(&b':');
    if !has_password {
        return None;
    }
    Some(from..last_at(word)?)
}

/// The lines between `-----BEGIN ... PRIVATE KEY-----` and `-----END`.
fn private_key(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let title = bytes[at + 11..].windows(5).position(|window| window == b"-----").map(|end| at + 11 + end)?;
    if !bytes[at..title].ends_with(b"PRIVATE KEY") {
        return None;
    }
    let from = title + 5;
    let end = bytes[from..].windows(PEM_END.len()).position(|window| window == PEM_END);
    Some(from..end.map_or(bytes.len(), |end| from + end))
}
