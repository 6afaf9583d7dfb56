//! Whether the pictures of the page are those of today's page.

use std::error::Error;
use std::fs;
use std::path::Path;

/// Where the checksum of the page is kept that the pictures were made of.
pub const FILE: &str = "how-to/page-pictures.txt";

/// Returns the file with the checksum of what the page is made of: its style sheet, its script and its templates.
///
/// # Errors
/// When one of them cannot be read.
pub fn checksum() -> Result<(&'static str, String), Box<dyn Error>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src/page");
    let mut sources = fs::read_dir(page)?.collect::<Result<Vec<_>, _>>()?;
    sources.sort_by_key(fs::DirEntry::file_name);
    let mut hasher = crc32fast::Hasher::new();
    for source in sources {
        hasher.update(&fs::read(source.path())?);
    }
    Ok((FILE, format!("{:08x}\n", hasher.finalize())))
}
