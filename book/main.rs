//! Builds the book and says where it is: `cargo run -p matins-book`. With `pictures`, draws its pictures anew.

use std::error::Error;
use std::fs;
use std::path::Path;

use matins_book::pictures;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => println!("the book is at {}", matins_book::build()?.display()),
        Some("pictures") => draw()?,
        Some(other) => return Err(format!("{other:?} is nothing to do; there is `pictures`").into()),
    }
    Ok(())
}

fn draw() -> Result<(), Box<dyn Error>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (file, picture) in pictures::all() {
        fs::write(source.join(file), picture)?;
        println!("{file}");
    }
    Ok(())
}
