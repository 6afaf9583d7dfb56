//! The tests of chapter 1, run on this solution.

#[path = "../../../tests/chapter_01.rs"]
mod chapter_01;
