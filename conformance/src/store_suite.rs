//! The suite of job stores. Draft.
