//! Where results go, and whether anyone still reads them.

use std::io::{Error, ErrorKind, Result, Write};

/// A writer whose failure ends no work: what a program does beside it, such as writing files, is
/// done all the same, and the failure is told at the end.
pub(crate) struct Results<W> {
    inner: W,
    failure: Option<Error>,
}

impl<W: Write> Results<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, failure: None }
    }

    /// Writes what is held back, and tells the first failure.
    ///
    /// A reader that has enough and leaves, such as `head`, is no failure.
    pub(crate) fn finish(mut self) -> Result<()> {
        // The failure of the last write, if any, is kept like that of every other.
        drop(self.flush());
        match self.failure {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

impl<W: Write> Write for Results<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.failure.is_some() {
            return Ok(bytes.len());
        }
        match self.inner.write(bytes) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                self.failure = Some(error);
                Ok(bytes.len())
            }
            result => result,
        }
    }

    fn flush(&mut self) -> Result<()> {
        if self.failure.is_none() {
            self.failure = self.inner.flush().err();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes one byte, and fails from then on.
    struct Failing {
        kind: ErrorKind,
        taken: Vec<u8>,
    }

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            if self.taken.is_empty() {
                self.taken.push(bytes[0]);
                return Ok(1);
            }
            Err(self.kind.into())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_failure_stops_the_program_and_all_but_a_broken_pipe_are_told_at_the_end() {
        for (kind, told) in [(ErrorKind::BrokenPipe, false), (ErrorKind::StorageFull, true)] {
            let mut results = Results::new(Failing { kind, taken: Vec::new() });
            results.write_all(b"a table").unwrap();
            results.write_all(b"and more").unwrap();
            assert_eq!(results.inner.taken, b"a");
            let end = results.finish();
            assert_eq!(end.err().map(|error| error.kind()), told.then_some(kind));
        }
    }

    #[test]
    fn what_fails_only_when_it_is_flushed_is_told_too() {
        let mut held =
            std::io::BufWriter::new(Failing { kind: ErrorKind::StorageFull, taken: vec![0] });
        held.write_all(b"held back").unwrap();
        let end = Results::new(held).finish().unwrap_err();
        assert_eq!(end.kind(), ErrorKind::StorageFull);
    }
}
