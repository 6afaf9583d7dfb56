//! Shows the book to a browser on this machine.

use std::error::Error;
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use tiny_http::{Header, Request, Response, Server};

/// A server of the book, which listens on this machine only.
pub struct BookServer {
    server: Server,
    pages: PathBuf,
}

impl BookServer {
    /// Serves the pages below a directory at this port; 0 takes one that is free.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn new(pages: PathBuf, port: u16) -> Result<Self, Box<dyn Error>> {
        let server = Server::http(("127.0.0.1", port))
            .map_err(|error| format!("port {port}: {error}; name another one: serve PORT"))?;
        Ok(Self { server, pages })
    }

    /// Where it is to be found.
    pub fn address(&self) -> String {
        format!("http://{}/", self.server.server_addr())
    }

    /// Answers requests, until the process ends.
    pub fn run(&self) {
        for request in self.server.incoming_requests() {
            // A browser that has gone has its answer no more.
            let _ = self.answer(request);
        }
    }

    fn answer(&self, request: Request) -> std::io::Result<()> {
        let found = file_of(request.url()).and_then(|file| {
            let path = self.pages.join(file);
            let path = if path.is_dir() { path.join("index.html") } else { path };
            Some((File::open(&path).ok()?, kind_of(&path)))
        });
        match found {
            Some((file, kind)) => {
                let header = Header::from_bytes("Content-Type", kind).into_iter();
                request.respond(header.fold(Response::from_file(file), Response::with_header))
            }
            None => request.respond(Response::from_string("there is no such page\n").with_status_code(404)),
        }
    }
}

/// The file that a request asks for; `None` where it asks for one outside the book.
fn file_of(url: &str) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next()?.trim_start_matches('/');
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| path.to_owned())
}

fn kind_of(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

impl std::fmt::Debug for BookServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BookServer").field("address", &self.address()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::thread;

    use super::*;

    fn get(address: &str, path: &str) -> String {
        let host = address.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn pages_are_served_and_nothing_beside_them() {
        let directory = tempfile::tempdir().unwrap();
        let pages = directory.path().join("book");
        std::fs::create_dir(&pages).unwrap();
        std::fs::write(pages.join("index.html"), "the first page").unwrap();
        std::fs::write(directory.path().join("secret"), "not in the book").unwrap();
        let server = BookServer::new(pages, 0).unwrap();
        let address = server.address();
        thread::spawn(move || server.run());
        for path in ["/", "/index.html", "/?search=x"] {
            let answer = get(&address, path);
            assert!(answer.contains("text/html") && answer.ends_with("the first page"), "{path}: {answer}");
        }
        for path in ["/none.html", "/../secret", "//etc/passwd", "/./../secret"] {
            let answer = get(&address, path);
            assert!(answer.contains("404") && !answer.contains("not in the book"), "{path}: {answer}");
        }
    }
}
