//! Clients that mean harm, against a server with short limits.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream as Client};
use std::sync::mpsc;
use std::time::Instant;

use axum::routing::{get, post};

use super::*;

/// How long a test waits for what must happen.
const GENEROUS: Duration = Duration::from_secs(30);

/// How large the answer at `/large` is: more than what the system holds for a client that does not read.
const LARGE: usize = 16 * 1024 * 1024;

fn short() -> Limits {
    let short = Duration::from_millis(300);
    Limits { header: short, answer: short, write: short, connection: GENEROUS, ..Limits::default() }
}

/// Starts a server that ends with the process, and returns its address.
fn server(connections: usize, limits: Limits) -> SocketAddr {
    let routes = Router::new()
        .route("/", get(async || "here\n"))
        .route("/large", get(async || vec![b'x'; LARGE]))
        .route("/never", get(async || std::future::pending::<String>().await))
        .route("/length", post(async |body: axum::body::Bytes| body.len().to_string()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(accept(listener, routes, connections, limits));
    });
    address
}

fn connect(address: SocketAddr) -> Client {
    let client = Client::connect(address).unwrap();
    client.set_read_timeout(Some(GENEROUS)).unwrap();
    client
}

/// Sends a request and reads until the server closes the connection.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut client = connect(address);
    // It may be closed before all was sent.
    let _ = client.write_all(request);
    read_all(client)
}

fn read_all(mut client: Client) -> String {
    let mut answer = Vec::new();
    match client.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("it was not closed: {error}"),
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";

/// Asks until there is an answer: places of clients that were just closed are free a moment later.
fn wait_for_answer(address: SocketAddr) {
    let until = Instant::now() + GENEROUS;
    while !ask(address, GET).ends_with("here\n") {
        assert!(Instant::now() < until, "nobody is answered any more");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn half_a_request_takes_a_place_for_a_while_and_clients_beyond_the_limit_are_sent_away() {
    let address = server(3, Limits { header: Duration::from_secs(3), ..short() });
    let stalled: Vec<Client> = (0..3)
        .map(|_| {
            let mut client = connect(address);
            client.write_all(b"GET / HTTP/1.1\r\nhost: h").unwrap();
            client
        })
        .collect();
    // The fourth is not kept waiting.
    let answer = ask(address, b"");
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("try again in a moment.\n"),
        "{answer:?}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    // The others are closed, and then there is room again.
    for client in stalled {
        read_all(client);
    }
    wait_for_answer(address);
}

#[test]
fn a_client_that_sends_a_byte_now_and_then_is_closed() {
    let address = server(1, short());
    let mut client = connect(address);
    let sender = client.try_clone().unwrap();
    let (closed, is_closed) = mpsc::channel::<()>();
    let drip = thread::spawn(move || {
        let mut sender = sender;
        for byte in b"GET / HTTP/1.1\r\nx: ".iter().chain(std::iter::repeat(&b'y')) {
            if sender.write_all(&[*byte]).is_err()
                || is_closed.recv_timeout(Duration::from_millis(50)).is_ok()
            {
                return;
            }
        }
    });
    let _ = client.read_to_end(&mut Vec::new());
    closed.send(()).unwrap();
    drip.join().unwrap();
    wait_for_answer(address);
}

#[test]
fn a_client_that_reads_nothing_is_closed() {
    let address = server(1, short());
    let mut deaf = connect(address);
    deaf.write_all(b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n").unwrap();
    wait_for_answer(address);
    let mut got = Vec::new();
    let _ = deaf.read_to_end(&mut got);
    assert!(got.len() < LARGE, "it got all {} bytes", got.len());
}

#[test]
fn a_pipelined_flood_is_bounded_and_hurts_nobody_else() {
    let limits = Limits { requests: 50, ..short() };
    let address = server(2, limits);
    // Reads its answers: it has as many as there may be, and is closed.
    let flood = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n".repeat(1000);
    let answers = ask(address, &flood).matches("HTTP/1.1 200").count();
    assert!(answers <= 50, "{answers}");
    // Reads none.
    let mut deaf = connect(address);
    deaf.set_write_timeout(Some(GENEROUS)).unwrap();
    let large = b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n".repeat(1000);
    while deaf.write_all(&large).is_ok() {}
    wait_for_answer(address);
}

#[test]
fn headers_bodies_and_answers_have_limits() {
    let address = server(8, short());
    let huge = format!("GET / HTTP/1.1\r\nhost: here\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    assert!(!ask(address, huge.as_bytes()).contains("200 OK"));
    let many = format!("GET / HTTP/1.1\r\nhost: here\r\n{}\r\n", "x: y\r\n".repeat(1000));
    assert!(!ask(address, many.as_bytes()).contains("200 OK"));
    let post = |length: usize, body: &str| {
        let head =
            format!("POST /length HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: {length}");
        ask(address, format!("{head}\r\n\r\n{body}").as_bytes())
    };
    assert!(post(5, "12345").ends_with("\r\n5"));
    let over = Limits::default().body_bytes + 1;
    assert!(post(over, &"x".repeat(over)).starts_with("HTTP/1.1 413 "));
    // The rest of the body never comes.
    let late = post(5, "12");
    assert!(late.starts_with("HTTP/1.1 503 ") && late.contains("in time"), "{late:?}");
    assert!(ask(address, b"GET /never HTTP/1.1\r\nhost: here\r\n\r\n").starts_with("HTTP/1.1 503 "));
    assert!(ask(address, &[0xff; 4096]).starts_with("HTTP/1.1 400 "));
    wait_for_answer(address);
}

#[test]
fn a_connection_ends_however_busy_it_is() {
    let limits = Limits { connection: Duration::from_millis(300), ..short() };
    let address = server(1, limits);
    let mut client = connect(address);
    let until = Instant::now() + GENEROUS;
    let mut buffer = [0; 1024];
    // Each request is in time.
    while client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").is_ok()
        && client.read(&mut buffer).is_ok_and(|count| count > 0)
    {
        assert!(Instant::now() < until, "it is still open");
    }
    wait_for_answer(address);
}
