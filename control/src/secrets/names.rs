//! Names whose values are secrets: of environment variables, options, keys and fields.

use std::cell::RefCell;
use std::collections::HashMap;

/// Parts of a name, its letters and digits taken together and in lower case. The table in the book lists them.
pub(super) const PARTS: [&str; 21] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "privkey",
    "sshkey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "authkey",
    "appkey",
    "bearer",
    "databaseurl",
    "connectionstring",
    "webhook",
];

/// Words of a name: `key` is one of `API_KEY` and of `apiKey`, and none of `KEYBOARD`.
pub(super) const WORDS: [&str; 14] = [
    "key",
    "auth",
    "authorization",
    "pass",
    "passin",
    "passout",
    "pwd",
    "pw",
    "cred",
    "creds",
    "dsn",
    "jwt",
    "otp",
    "cookie",
];

/// Ends of a word: `PGPASS`, `MYSQLPWD`.
pub(super) const ENDS: [&str; 2] = ["pass", "pwd"];

/// Words that end so and name no secret.
pub(super) const PLAIN: [&str; 3] = ["bypass", "compass", "trespass"];

/// Variables of shells that are no secrets.
const WORKING_DIRECTORIES: [&str; 2] = ["PWD", "OLDPWD"];

/// How many names are remembered, and how long one may be: a list of a million jobs has the same fields a million times.
const REMEMBERED: usize = 256;
const LONGEST_REMEMBERED: usize = 64;

thread_local! {
    static KNOWN: RefCell<HashMap<String, bool>> = RefCell::default();
}

/// Returns whether a name looks like that of a secret: `DB_PASSWORD`, `PGPASS`, `GITHUB_TOKEN`, `apiKey`.
///
/// ```
/// use matins_control::secrets;
///
/// assert!(secrets::is_secret("DB_PASSWORD"));
/// assert!(!secrets::is_secret("HOME"));
/// ```
pub fn is_secret(name: &str) -> bool {
    KNOWN.with_borrow_mut(|known| {
        if let Some(is_secret) = known.get(name) {
            return *is_secret;
        }
        let is_secret = looks_secret(name);
        if known.len() < REMEMBERED && name.len() <= LONGEST_REMEMBERED {
            known.insert(name.to_owned(), is_secret);
        }
        is_secret
    })
}

fn looks_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    if WORKING_DIRECTORIES.contains(&name) {
        return false;
    }
    PARTS.iter().any(|part| plain.contains(part)) || words(name).any(|word| is_secret_word(&word))
}

fn is_secret_word(word: &str) -> bool {
    WORDS.contains(&word) || (ENDS.iter().any(|end| word.ends_with(end)) && !PLAIN.contains(&word))
}

/// The words of a name, in lower case: they are apart where another character is, or where a capital follows a small letter.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (was_small && c.is_ascii_uppercase()) {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_lowercase());
        }
        was_small = c.is_ascii_lowercase();
    }
    words.into_iter()
}
