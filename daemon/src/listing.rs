//! Lists that are printed as they come, however long they are.

use matins_terminal::{Text, answer, secrets, stdout_is_terminal};
use serde_json::Value;

use crate::{Failure, Paged, Taker, Target};

/// Prints the answer to a request under a heading: a table on a terminal; elsewhere a line each, with tabs between.
///
/// # Errors
/// If nobody can be asked, or an item is not one that is known here.
pub fn rows(
    target: &Target,
    request: impl Paged,
    heading: &[&str],
    row: &mut dyn FnMut(Value) -> Result<Vec<String>, Failure>,
) -> Result<(), Failure> {
    let mut rows = Rows { row, is_table: stdout_is_terminal(), widths: Vec::new(), waiting: Vec::new() };
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
            answer::print(&Text::table_page(&rows, &mut self.widths));
        } else {
            answer::print(&Text::tabbed(&rows));
        }
    }
}

/// Prints the answer to a request as an array of JSON.
///
/// # Errors
/// If nobody can be asked.
pub fn json(target: &Target, request: impl Paged) -> Result<(), Failure> {
    let mut array = Array { is_empty: true, text: Text::new() };
    target.ask_in_pages(request, &mut array)?;
    if array.is_empty {
        array.text = Text::from("[");
    } else {
        array.text = array.text.end_line();
    }
    array.text = array.text.and("]").end_line();
    array.end_of_page();
    Ok(())
}

/// An array, as [`answer::json`] would print it whole.
struct Array {
    is_empty: bool,
    text: Text,
}

impl Taker for Array {
    fn item(&mut self, mut item: Value) -> Result<(), Failure> {
        secrets::hide_unless_shown(&mut item);
        self.text = std::mem::take(&mut self.text).json_item(&item, self.is_empty);
        self.is_empty = false;
        Ok(())
    }

    fn end_of_page(&mut self) {
        answer::print(&std::mem::take(&mut self.text));
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
            let mut array = Array { is_empty: true, text: Text::new() };
            for item in &items[..count] {
                array.item(item.clone()).unwrap();
            }
            assert_eq!(array.text.end_line().and("]"), Text::pretty_json(&json!(items[..count])));
        }
    }

    #[test]
    fn columns_of_later_pages_are_not_narrower() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let mut widths = Vec::new();
        let mut page = |rows: &[Vec<String>]| Text::table_page(rows, &mut widths);
        let lines = |text: &str| Text::new().lines(text);
        let first = page(&[row(["JOB", "NEXT"]), row(["abcd", "x"])]);
        assert_eq!(first, lines("  JOB   NEXT\n  abcd  x\n"));
        assert_eq!(page(&[row(["b", "y"])]), lines("  b     y\n"));
        assert_eq!(page(&[row(["abcdef", "z"])]), lines("  abcdef  z\n"));
    }
}
