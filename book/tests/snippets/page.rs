//! Code blocks of the built pages, as the copy button gives them.

use std::fs;
use std::path::Path;

use crate::files_below;

/// A block of code of a page.
pub(crate) struct Block {
    /// What the fence says: the language, then further words, as in `rust ignore`.
    pub(crate) kind: String,
    /// What the copy button copies. In mdBook 0.5 that is the `innerText` of the block: hidden lines are left out.
    pub(crate) text: String,
    /// Whether lines of the block are hidden.
    pub(crate) hides: bool,
}

impl Block {
    /// A program that can be copied, and runs.
    pub(crate) fn is_program(&self) -> bool {
        self.kind == "rust"
    }

    /// A part of a program that is shown elsewhere.
    pub(crate) fn is_piece(&self) -> bool {
        self.kind.starts_with("rust ") || self.kind == "rust,ignore"
    }

    /// The manifest of the programs of its page.
    pub(crate) fn is_manifest(&self) -> bool {
        self.kind == "toml" && self.text.starts_with("[package]")
    }

    /// What the program before it prints.
    pub(crate) fn is_output(&self) -> bool {
        self.kind == "text output"
    }
}

/// A page of the book.
pub(crate) struct Page {
    /// Its path below the book, without the extension.
    pub(crate) name: String,
    pub(crate) blocks: Vec<Block>,
}

impl Page {
    pub(crate) fn programs(&self) -> impl Iterator<Item = (usize, &Block)> {
        self.blocks.iter().enumerate().filter(|(_, block)| block.is_program())
    }
}

/// Builds the book and reads all of its pages.
pub(crate) fn pages() -> Vec<Page> {
    let directory = tempfile::tempdir().unwrap();
    matins_book::build_into(directory.path()).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files_below(directory.path(), "html").into_iter().filter_map(|file| {
        let name = file.strip_prefix(directory.path()).unwrap().with_extension("");
        // The others, such as the page for printing, repeat these.
        let is_page = source.join(&name).with_extension("md").exists();
        is_page.then(|| (name.to_str().unwrap().replace('\\', "/"), fs::read_to_string(file).unwrap()))
    });
    files.map(|(name, html)| Page { name, blocks: blocks(&html) }).collect()
}

fn blocks(html: &str) -> Vec<Block> {
    html.split("<pre").skip(1).filter_map(block).collect()
}

/// A block, from what follows `<pre`.
fn block(html: &str) -> Option<Block> {
    let (_, rest) = html.split_once("<code class=\"language-")?;
    let (kind, rest) = rest.split_once("\">")?;
    let (code, _) = rest.split_once("</code>")?;
    let (mut text, mut hides, mut rest) = (String::new(), false, code);
    while let Some((before, tag)) = rest.split_once("<span class=\"boring\">") {
        text += before;
        hides = true;
        rest = tag.split_once("</span>")?.1;
    }
    text += rest;
    assert!(!text.contains('<'), "markup in a block of code: {text}");
    Some(Block { kind: kind.trim().to_owned(), text: unescaped(&text), hides })
}

fn unescaped(html: &str) -> String {
    let mut text = html.to_owned();
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&")]
    {
        text = text.replace(entity, character);
    }
    text
}

#[test]
fn a_block_is_copied_without_its_hidden_lines() {
    let html = "<pre class=\"playground\"><code class=\"language-rust\"><span class=\"boring\">fn main() {\n</span>let a = \
                &quot;&lt;&amp;lt;&quot;;\n<span class=\"boring\">}</span></code></pre>";
    let blocks = blocks(html);
    assert_eq!(blocks.len(), 1);
    assert!(blocks[0].hides && blocks[0].is_program());
    assert_eq!(blocks[0].text, "let a = \"<&lt;\";\n");
}
