//! The tests of chapters 1 to 6, run on this solution.

#[path = "../../../tests/chapter_01.rs"]
mod chapter_01;
#[path = "../../../tests/chapter_02.rs"]
mod chapter_02;
#[path = "../../../tests/chapter_03.rs"]
mod chapter_03;
#[path = "../../../tests/chapter_04.rs"]
mod chapter_04;
#[path = "../../../tests/chapter_05.rs"]
mod chapter_05;
#[path = "../../../tests/chapter_06.rs"]
mod chapter_06;
