//! Builds the book and says where it is: `cargo run -p matins-book`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("the book is at {}", matins_book::build()?.display());
    Ok(())
}
