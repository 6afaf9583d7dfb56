//! The tests of chapters 1 to 3, run on this solution.

#[path = "../../../tests/chapter_01.rs"]
mod chapter_01;
#[path = "../../../tests/chapter_02.rs"]
mod chapter_02;
#[path = "../../../tests/chapter_03.rs"]
mod chapter_03;
