//! Builds the book and says where it is: `cargo run -p matins-book`. With `serve`, shows it to a browser on this machine; with
//! `pictures`, draws its pictures; with `lines`, writes its generated tables
//! and records.

use std::error::Error;
use std::fs;
use std::path::Path;

use matins_book::serve::BookServer;
use matins_book::{index, items, lines, page_pictures, pictures, records};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => println!("the book is at {}", matins_book::build()?.display()),
        Some("serve") => serve()?,
        Some("pictures") => write(pictures::all())?,
        Some("page-pictures") => write(vec![page_pictures::checksum()?])?,
        Some("lines") => {
            write(lines::tables()?)?;
            write(items::tables()?)?;
            write(records::records()?)?;
            write(vec![index::index()?])?;
        }
        Some(other) => {
            return Err(format!("{other:?} is unknown; write serve, pictures, page-pictures or lines").into());
        }
    }
    Ok(())
}

/// At port 3000, or at the one that is named.
fn serve() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(2).map_or(Ok(3000), |port| port.parse())?;
    let first = matins_book::build()?;
    let pages = first.parent().ok_or("the book has no directory")?;
    let server = BookServer::new(pages.to_owned(), port)?;
    println!("the book is at {}; stop with Ctrl-C", server.address());
    server.run();
    Ok(())
}

/// Writes files below `src/`.
fn write(files: Vec<(&str, String)>) -> Result<(), Box<dyn Error>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (file, text) in files {
        fs::write(source.join(file), text)?;
        println!("{file}");
    }
    Ok(())
}
