//! Colours of the book's pictures and pages stand out from their ground, in the light theme and in the dark ones.
//!
//! Contrast is that of WCAG 2.2 (<https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>): text needs 4.5 to 1, what is drawn
//! needs 3 to 1. A picture has one set of colours for both themes; no grey has more than 4.17 to 1 on both grounds, so that
//! small words in pictures are held to 4.

use std::fs;
use std::path::{Path, PathBuf};

const WHITE: &str = "#ffffff";
/// Grounds of mdBook's themes navy, coal and ayu.
const DARK: [&str; 3] = ["#161923", "#141617", "#0f1419"];

/// What small words in pictures are written in.
const WORDS: &str = "#7d7d7d";

fn luminance(colour: &str) -> f64 {
    let digits = colour.trim_start_matches('#');
    let digits: String =
        if digits.len() == 3 { digits.chars().flat_map(|digit| [digit; 2]).collect() } else { digits.into() };
    let part = |at: usize| {
        let value = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Every `#rgb` and `#rrggbb` of a text.
fn colours(text: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .split('#')
        .skip(1)
        .map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>())
        .filter(|digits| [3, 6].contains(&digits.len()))
        .map(|digits| format!("#{}", digits.to_lowercase()))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn pictures_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            pictures_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "svg") {
            found.push(path);
        }
    }
}

#[test]
fn black_on_white_is_21_to_1() {
    assert!((contrast("#000", WHITE) - 21.0).abs() < 1e-9);
    assert!((contrast("#777777", WHITE) - 4.48).abs() < 0.01);
}

#[test]
fn pictures_stand_out_in_light_and_dark() {
    let mut pictures = Vec::new();
    pictures_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut pictures);
    assert!(pictures.len() > 10);
    for picture in pictures {
        let text = fs::read_to_string(&picture).unwrap();
        // A terminal brings its own ground.
        let own_ground = text.contains(DARK[0]);
        let grounds: Vec<&str> = if own_ground { vec![DARK[0]] } else { [&[WHITE][..], &DARK].concat() };
        for colour in colours(&text).iter().filter(|colour| !own_ground || *colour != DARK[0]) {
            for ground in &grounds {
                let ratio = contrast(colour, ground);
                let least = if colour == WORDS { 4.0 } else { 3.0 };
                assert!(ratio >= least, "{}: {colour} on {ground} has {ratio:.2}", picture.display());
            }
        }
    }
}

#[test]
fn what_the_book_adds_to_the_themes_stands_out() {
    let style = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("matins.css")).unwrap();
    let rules: Vec<&str> =
        style.split('}').filter_map(|rule| rule.split_once('{').map(|(_, body)| body)).collect();
    let value = |rule: &str, name: &str| {
        rule.lines()
            .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.trim().trim_end_matches(';').to_owned())
    };
    let mut pairs = 0;
    for rule in &rules {
        if let (Some(colour), Some(ground)) = (value(rule, "color"), value(rule, "background")) {
            assert!(contrast(&colour, &ground) >= 4.5, "{colour} on {ground}");
            pairs += 1;
        }
        if let Some(links) = value(rule, "--links") {
            for ground in DARK {
                assert!(contrast(&links, ground) >= 4.5, "links in {links} on {ground}");
                pairs += 1;
            }
        }
    }
    assert_eq!(pairs, 5);
}
