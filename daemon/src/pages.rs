//! Long answers, asked for page by page: whoever prints them may be held up by its reader for as long as that likes.

use matins::control::{JobsRequest, Request, RunsRequest};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Client, Failure, Target};

/// The first page is there at once; the others cost less for an item.
const FIRST_PAGE: usize = 100;
const FURTHER_PAGE: usize = 1_000;

/// A request whose answer may be long.
pub trait Paged: Clone {
    /// The request for a page of so many items, behind the place that the page before has ended with.
    ///
    /// # Errors
    /// If that place is not one that this program knows.
    fn page(&self, size: usize, after: Option<Value>, so_far: usize) -> Result<Request, Failure>;

    /// The request for all of them.
    fn whole(self) -> Request;
}

impl Paged for JobsRequest {
    fn page(&self, size: usize, after: Option<Value>, _so_far: usize) -> Result<Request, Failure> {
        let after = after.map(read_answer).transpose()?;
        Ok(Request::Jobs(Self { page: Some(size), after, ..self.clone() }))
    }

    fn whole(self) -> Request {
        Request::Jobs(self)
    }
}

impl Paged for RunsRequest {
    fn page(&self, size: usize, after: Option<Value>, so_far: usize) -> Result<Request, Failure> {
        let after = after.map(read_answer).transpose()?;
        // 0 is all of them.
        let limit = if self.limit == 0 { 0 } else { self.limit.saturating_sub(so_far).max(1) };
        Ok(Request::Runs(Self { page: Some(size), after, limit, ..self.clone() }))
    }

    fn whole(self) -> Request {
        Request::Runs(self)
    }
}

/// Reads what a daemon has answered, as this program knows it.
///
/// # Errors
/// If it is not known here.
pub fn read_answer<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::NotDone(format!("the daemon answers in a way that is not known here: {error}"))
    })
}

/// Takes the items of a long answer.
pub trait Taker {
    /// Takes the next one.
    ///
    /// # Errors
    /// If it is not one that is known here; then no more come.
    fn item(&mut self, item: Value) -> Result<(), Failure>;

    /// A page is complete: what was taken so far can be shown.
    fn end_of_page(&mut self);
}

impl Target {
    /// Asks for all that `request` asks for, a page at a time.
    ///
    /// # Errors
    /// If nobody can be asked, the request is refused, or an item is.
    pub fn ask_in_pages(&self, request: impl Paged, taker: &mut dyn Taker) -> Result<(), Failure> {
        let mut client = self.client()?;
        let (mut after, mut size, mut so_far) = (None, FIRST_PAGE, 0);
        loop {
            let is_store = matches!(client, Client::Store(_));
            // A store that this process has opened is read to its end: nobody waits for it.
            let asked =
                if is_store { request.clone().whole() } else { request.page(size, after.take(), so_far)? };
            let (mut fault, mut in_page) = (None, 0);
            let done = client.ask_for(asked, &[], &mut |item| {
                fault = taker.item(item).err();
                (so_far, in_page) = (so_far + 1, in_page + 1);
                if in_page == size {
                    // Of a store, or of a daemon that knows no pages.
                    taker.end_of_page();
                    in_page = 0;
                }
                fault.is_none()
            })?;
            if let Some(fault) = fault {
                return Err(fault);
            }
            taker.end_of_page();
            // A daemon that knows no pages has answered all at once, and says nothing of a next one.
            after = done.get("next").filter(|next| !next.is_null()).cloned();
            if after.is_none() {
                return Ok(());
            }
            size = FURTHER_PAGE;
            client = self.client()?;
        }
    }
}
