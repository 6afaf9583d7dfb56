//! Lists that are printed as they come, however long they are.

use std::io::{self, IsTerminal};

use serde_json::Value;

use crate::control::client::Target;
use crate::control::pages::{Paged, Taker};
use crate::failure::Failure;
use crate::shown;

/// Prints the answer to a request under a heading: a table on a terminal; elsewhere a line each, with tabs between.
pub(crate) fn rows(
    target: &Target,
    request: impl Paged,
    heading: &[&str],
    row: &mut dyn FnMut(Value) -> Result<Vec<String>, Failure>,
) -> Result<(), Failure> {
    let mut rows =
        Rows { row, is_table: io::stdout().is_terminal(), widths: Vec::new(), waiting: Vec::new() };
    if rows.is_table {
        rows.waiting.push(heading.iter().map(|word| (*word).to_owned()).collect());
    }
    target.ask_in_pages(request, &mut rows)?;
    rows.end_of_page();
    Ok(())
}

struct Rows<'a> {
    row: &'a mut dyn FnMut(Value) -> Result<Vec<String>, Failure>,
    is_table: bool,
    /// The widths of the columns so far: each page may make them wider, and none narrower.
    widths: Vec<usize>,
    waiting: Vec<Vec<String>>,
}

impl Taker for Rows<'_> {
    fn item(&mut self, item: Value) -> Result<(), Failure> {
        self.waiting.push((self.row)(item)?);
        Ok(())
    }

    fn end_of_page(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let rows = std::mem::take(&mut self.waiting);
        if self.is_table {
            shown::print(&table(&rows, &mut self.widths));
        } else {
            let lines: Vec<String> = rows.iter().map(|row| row.join("\t") + "\n").collect();
            shown::print(&lines.concat());
        }
    }
}

/// Rows in columns that are as wide as those before, or wider.
fn table(rows: &[Vec<String>], widths: &mut Vec<usize>) -> String {
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&*widths).map(|(cell, width)| format!("  {cell:width$}"));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

/// Prints the answer to a request as an array of JSON.
pub(crate) fn json(target: &Target, request: impl Paged) -> Result<(), Failure> {
    let mut array = Array { is_empty: true, text: String::new() };
    target.ask_in_pages(request, &mut array)?;
    array.text.push_str(if array.is_empty { "[]\n" } else { "\n]\n" });
    array.end_of_page();
    Ok(())
}

/// An array, as [`shown::json`] would print it whole.
struct Array {
    is_empty: bool,
    text: String,
}

impl Taker for Array {
    fn item(&mut self, item: Value) -> Result<(), Failure> {
        self.text.push_str(if self.is_empty { "[" } else { "," });
        self.is_empty = false;
        // Texts have no line breaks in JSON: each line begins with the white space of the layout.
        for line in format!("{item:#}").lines() {
            self.text.push_str("\n  ");
            self.text.push_str(line);
        }
        Ok(())
    }

    fn end_of_page(&mut self) {
        shown::print(&std::mem::take(&mut self.text));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_array_that_is_printed_as_it_comes_looks_as_one_that_is_printed_whole() {
        let items = [json!({"a": [1, {"b": "x\ny"}], "c": {}}), json!(null), json!([[]])];
        for count in 1..=items.len() {
            let mut array = Array { is_empty: true, text: String::new() };
            for item in &items[..count] {
                array.item(item.clone()).unwrap();
            }
            assert_eq!(format!("{}\n]", array.text), format!("{:#}", json!(items[..count])));
        }
    }

    #[test]
    fn columns_of_later_pages_are_not_narrower() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let mut widths = Vec::new();
        assert_eq!(
            table(&[row(["JOB", "NEXT"]), row(["abcd", "x"])], &mut widths),
            "  JOB   NEXT\n  abcd  x\n"
        );
        assert_eq!(table(&[row(["b", "y"])], &mut widths), "  b     y\n");
        assert_eq!(table(&[row(["abcdef", "z"])], &mut widths), "  abcdef  z\n");
    }
}
