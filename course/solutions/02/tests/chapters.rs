//! The tests of chapters 1 and 2, run on this solution.

#[path = "../../../tests/chapter_01.rs"]
mod chapter_01;
#[path = "../../../tests/chapter_02.rs"]
mod chapter_02;
