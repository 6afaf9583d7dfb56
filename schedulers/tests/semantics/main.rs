//! The rules of the engine, on a virtual clock, with runs that end when the test says so.

mod broken;
mod by_hand;
mod chains;
mod clock_set;
mod counts;
mod definitions;
mod ends;
mod fires;
mod groups;
mod jitter;
mod late;
mod lists;
mod outside;
mod pains;
mod parts;
mod paused;
mod postponed;
mod retries;
mod rig;
mod taken_up;
mod values;
