//! Where results go, and whether anyone still reads them.

use std::io::{ErrorKind, Result, Write};

/// A writer that remembers whether its reader left.
pub(crate) struct Results<W> {
    inner: W,
    reader_left: bool,
}

impl<W: Write> Results<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, reader_left: false }
    }

    /// Whether a write failed because nobody reads any more.
    pub(crate) fn reader_left(&self) -> bool {
        self.reader_left
    }

    fn noted<T>(&mut self, result: Result<T>) -> Result<T> {
        let broken = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
        self.reader_left |= result.as_ref().err().is_some_and(broken);
        result
    }
}

impl<W: Write> Write for Results<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let result = self.inner.write(bytes);
        self.noted(result)
    }

    fn flush(&mut self) -> Result<()> {
        let result = self.inner.flush();
        self.noted(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_broken_pipe_means_that_the_reader_left() {
        for (kind, left) in [(ErrorKind::BrokenPipe, true), (ErrorKind::StorageFull, false)] {
            let mut results = Results::new(Failing(kind));
            assert!(!results.reader_left());
            assert_eq!(results.write_all(b"x").unwrap_err().kind(), kind);
            assert_eq!(results.reader_left(), left);
        }
    }
}
