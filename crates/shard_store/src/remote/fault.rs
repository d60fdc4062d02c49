//! What can go wrong between a store and a reader.

use std::error::Error;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};

/// Most characters of a reason.
const LONGEST_REASON: usize = 300;

/// Why an object could not be read; the message stands behind the object's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("not found")]
    NotFound,
    #[error(
        "the store has no bucket of this name; hint: check the name, the region and the endpoint"
    )]
    NoBucket,
    #[error("deleted since it was opened, expected it to stay as long as it is read")]
    Deleted,
    #[error(
        "changed since it was opened: {found}, expected {expected}; hint: the dataset was written anew, start again to read the new one"
    )]
    Changed { found: String, expected: String },
    #[error(
        "the server refused access ({reason}), expected permission to read; hint: check the name and the credentials (AWS_*, GOOGLE_*, AZURE_*); for a public bucket set AWS_SKIP_SIGNATURE or its like to true"
    )]
    Denied { reason: String },
    #[error(
        "the server ignores ranges, expected one that sends parts of a file; hint: copy the dataset into a folder, or serve it with another program"
    )]
    NoRanges,
    #[error("{found} bytes, expected at most {limit}")]
    TooLong { found: u64, limit: u64 },
    #[error(
        "{reason} at try {tries} of {tries}, expected an answer; hint: check the network, the endpoint and the credentials"
    )]
    Unreachable { reason: String, tries: u64 },
    #[error(
        "the store answered {reason}, expected the object; hint: check the endpoint, the region and the name"
    )]
    Refused { reason: String },
    #[error("the connection was closed meanwhile")]
    Closed,
}

impl Fault {
    /// The same for an object that was there once.
    pub(crate) fn after_opening(self) -> Self {
        if self == Self::NotFound { Self::Deleted } else { self }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        let kind = match fault {
            Fault::NotFound => io::ErrorKind::NotFound,
            Fault::Denied { .. } => io::ErrorKind::PermissionDenied,
            Fault::NoRanges => io::ErrorKind::Unsupported,
            Fault::TooLong { .. } => io::ErrorKind::FileTooLarge,
            Fault::Unreachable { .. } => io::ErrorKind::HostUnreachable,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, fault)
    }
}

impl From<&object_store::Error> for Fault {
    fn from(error: &object_store::Error) -> Self {
        use object_store::Error as Store;
        match error {
            Store::NotFound { source, .. } if source.to_string().contains("NoSuchBucket") => {
                Self::NoBucket
            }
            Store::NotFound { .. } => Self::NotFound,
            Store::NotSupported { .. } => Self::NoRanges,
            Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
                Self::Denied { reason: reason(error) }
            }
            _ => Self::Refused { reason: reason(error) },
        }
    }
}

/// Whether another try may succeed.
pub(crate) fn is_passing(error: &object_store::Error) -> bool {
    use HttpErrorKind::{Connect, Interrupted, Request, Timeout};
    http_error(error)
        .is_some_and(|error| matches!(error.kind(), Connect | Request | Timeout | Interrupted))
}

/// What happened, in few words and without what changes from run to run.
pub(crate) fn reason(error: &object_store::Error) -> String {
    printable(&status_or_text(&deepest(error).to_string()))
}

fn status_or_text(text: &str) -> String {
    let Some(status) = text.strip_prefix("Server returned non-2xx status code: ") else {
        return text.to_owned();
    };
    // What follows is the body of the answer: XML of the store, or a whole web page.
    let (status, body) = status.split_once(": ").unwrap_or((status, ""));
    match between(body, "<Code>", "</Code>") {
        Some(code) => format!("{status}, {code}"),
        None => status.to_owned(),
    }
}

/// The error at the bottom of the chain, which is the system's or the server's own; those above
/// say "error sending request" and the like.
pub(crate) fn deepest<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    chain(error).last().unwrap_or(error)
}

/// A part of `text` that fits into a line, without what moves a terminal's cursor: a server writes
/// what it likes.
fn printable(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().take(LONGEST_REASON) {
        match character {
            '"' | '\'' | '\\' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    line
}

fn http_error(error: &object_store::Error) -> Option<&HttpError> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}
