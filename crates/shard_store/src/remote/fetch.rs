//! Reads objects and ranges of objects, again and again where it takes that.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ObjectMeta, ObjectStore};

use super::fault::{Fault, is_passing, reason};
use crate::stats::Counters;

/// A connection that brought this many bytes before it broke off does not count as failed: the
/// next one goes on where it ended.
const PROGRESS_BYTES: usize = 64 << 10;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Reads from one store.
#[derive(Debug)]
pub(crate) struct Fetcher {
    pub store: Arc<dyn ObjectStore>,
    pub retries: u32,
    pub counters: Arc<Counters>,
}

/// An object as it was when it was opened.
#[derive(Debug)]
pub(crate) struct Object {
    pub path: Path,
    pub length: u64,
    pub version: Version,
    /// Asks the server to answer only while the object is the same.
    conditions: GetOptions,
}

/// What tells two versions of an object apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Version {
    ETag(String),
    LastModified(String),
    /// The server says nothing.
    Unknown,
}

impl Fetcher {
    /// A whole object of at most `limit` bytes.
    pub(crate) async fn whole(&self, path: &Path, limit: u64) -> Result<Vec<u8>, Fault> {
        let mut attempts = Attempts::new(self, path);
        loop {
            let mut bytes = Vec::new();
            let result = self.get(path, GetOptions::default()).await;
            let outcome = match result {
                Err(error) => Err(error),
                Ok(result) if result.meta.size > limit => {
                    return Err(Fault::TooLong { found: result.meta.size, limit });
                }
                Ok(result) => self.collect(result, &mut bytes, limit).await,
            };
            match outcome {
                Ok(()) => return Ok(bytes),
                Err(broken) => attempts.wait(broken, 0).await?,
            }
        }
    }

    /// Size and version of an object.
    pub(crate) async fn head(&self, path: &Path) -> Result<Object, Fault> {
        let mut attempts = Attempts::new(self, path);
        loop {
            match self.get(path, GetOptions { head: true, ..GetOptions::default() }).await {
                Ok(result) => return Ok(Object::new(path, &result.meta)),
                Err(broken) => attempts.wait(broken, 0).await?,
            }
        }
    }

    /// The bytes of `object` in `range`, which must lie inside it.
    pub(crate) async fn range(&self, object: &Object, range: Range<u64>) -> Result<Vec<u8>, Fault> {
        let length = (range.end - range.start) as usize;
        let mut bytes = Vec::with_capacity(length);
        let mut attempts = Attempts::new(self, &object.path);
        let mut conditions = Some(&object.conditions);
        loop {
            let before = bytes.len();
            let rest = range.start + before as u64..range.end;
            let options = conditions.cloned().unwrap_or_default().with_range(Some(rest));
            let outcome = match self.get(&object.path, options).await {
                Err(Broken::Store(object_store::Error::Precondition { .. }))
                    if conditions.is_some() =>
                {
                    let found = self.head(&object.path).await.map_err(Fault::after_opening)?;
                    object.check(&found.version, found.length)?;
                    // The server misjudges conditions. The check of each answer remains.
                    conditions = None;
                    continue;
                }
                Err(error) => Err(error),
                Ok(result) => {
                    object.check(&Version::of(&result.meta), result.meta.size)?;
                    self.collect(result, &mut bytes, length as u64).await
                }
            };
            match outcome {
                Ok(()) if bytes.len() == length => return Ok(bytes),
                Ok(()) => attempts.wait(Broken::Short, bytes.len() - before).await,
                Err(broken) => attempts.wait(broken, bytes.len() - before).await,
            }
            .map_err(Fault::after_opening)?;
        }
    }

    async fn get(&self, path: &Path, options: GetOptions) -> Result<GetResult, Broken> {
        self.store.get_opts(path, options).await.map_err(Broken::Store)
    }

    /// Appends the body of an answer to `bytes`, up to `limit` bytes in all.
    async fn collect(
        &self,
        result: GetResult,
        bytes: &mut Vec<u8>,
        limit: u64,
    ) -> Result<(), Broken> {
        let mut body = result.into_stream();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(Broken::Body)?;
            self.counters.bytes_fetched.add(piece.len() as u64);
            if (bytes.len() + piece.len()) as u64 > limit {
                return Err(Broken::Long);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(())
    }
}

impl Object {
    fn new(path: &Path, meta: &ObjectMeta) -> Self {
        let version = Version::of(meta);
        let mut conditions = GetOptions::default();
        match &version {
            // A weak ETag matches nothing in If-Match by definition. The check of each answer
            // remains.
            Version::ETag(tag) if tag.starts_with("W/") => {}
            Version::ETag(tag) => conditions.if_match = Some(tag.clone()),
            Version::LastModified(_) => conditions.if_unmodified_since = Some(meta.last_modified),
            Version::Unknown => {}
        }
        Self { path: path.clone(), length: meta.size, version, conditions }
    }

    /// Checks that the object is still the one that was opened; not every server heeds conditions.
    fn check(&self, version: &Version, length: u64) -> Result<(), Fault> {
        if *version == self.version && length == self.length {
            return Ok(());
        }
        let [found, expected] = [(version, length), (&self.version, self.length)]
            .map(|(version, length)| format!("{version} and {length} bytes"));
        Err(Fault::Changed { found, expected })
    }
}

impl Version {
    fn of(meta: &ObjectMeta) -> Self {
        match &meta.e_tag {
            Some(tag) => Self::ETag(tag.clone()),
            // The library's stand-in for a server that does not say.
            None if meta.last_modified.timestamp() == 0 => Self::Unknown,
            None => Self::LastModified(meta.last_modified.to_rfc3339()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ETag(tag) => write!(f, "ETag {tag}"),
            Self::LastModified(time) => write!(f, "last modified {time}"),
            Self::Unknown => f.write_str("no ETag"),
        }
    }
}

/// Why a request brought less than it should.
enum Broken {
    Store(object_store::Error),
    Body(object_store::Error),
    Short,
    Long,
}

/// The tries of one operation.
struct Attempts<'a> {
    fetcher: &'a Fetcher,
    path: &'a Path,
    failed: u32,
}

impl<'a> Attempts<'a> {
    fn new(fetcher: &'a Fetcher, path: &'a Path) -> Self {
        Self { fetcher, path, failed: 0 }
    }

    /// Waits for the next try, or says why there is none; `progress` bytes came in the last one.
    async fn wait(&mut self, broken: Broken, progress: usize) -> Result<(), Fault> {
        let reason = match &broken {
            Broken::Store(error) if !is_passing(error) => return Err(error.into()),
            Broken::Store(error) | Broken::Body(error) => reason(error),
            Broken::Short => "the answer ended too early".into(),
            Broken::Long => "the answer was longer than announced".into(),
        };
        if progress >= PROGRESS_BYTES {
            self.failed = 0;
        }
        let retries = self.fetcher.retries;
        if self.failed == retries {
            return Err(Fault::Unreachable { reason, tries: u64::from(retries) + 1 });
        }
        let wait = wait_before_retry(self.failed, self.path);
        self.failed += 1;
        self.fetcher.counters.retries.add(1);
        tracing::debug!(path = %self.path, reason, retry = self.failed, ?wait, "trying again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Doubles from try to try; the objects differ by up to a quarter, so that the requests that a
/// fault stopped together do not come back together.
fn wait_before_retry(failed: u32, path: &Path) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failed)).min(LONGEST_WAIT);
    let spread = crc32c::crc32c_append(failed, path.as_ref().as_bytes()) % 256;
    wait - wait / 1024 * spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_differ_between_objects() {
        let (a, b) = (Path::from("a"), Path::from("b"));
        for failed in 0..40 {
            let longest = FIRST_WAIT.saturating_mul(1 << failed.min(20)).min(LONGEST_WAIT);
            let wait = wait_before_retry(failed, &a);
            assert!(wait <= longest && wait >= longest / 4 * 3, "{failed}: {wait:?}");
        }
        assert_ne!(wait_before_retry(3, &a), wait_before_retry(3, &b));
    }
}
