//! Where logs go, whether or not anyone reads them.

use std::io::{ErrorKind, Result, Stderr, Write, stderr};

/// A writer whose failure is nobody's business: what cannot be written is dropped, and the work
/// goes on. `eprintln!` and a bare [`Stderr`] under a subscriber end it by a panic.
pub(crate) struct Remarks<W>(W);

impl Remarks<Stderr> {
    /// Remarks to standard error.
    pub(crate) fn to_standard_error() -> Self {
        Self(stderr())
    }
}

impl<W: Write> Write for Remarks<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.0.write(bytes) {
            // Neither is progress, and whoever writes all would try again or call it an error.
            Err(error) if error.kind() != ErrorKind::Interrupted => Ok(bytes.len()),
            Ok(0) => Ok(bytes.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> Result<()> {
        // What is held back is as lost as what is refused at once.
        drop(self.0.flush());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails, or takes nothing, until there is room; then it takes a byte at a time.
    struct Full {
        failure: Option<Result<usize>>,
        taken: Vec<u8>,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            match self.failure.take() {
                Some(failure) => failure,
                None => {
                    self.taken.push(bytes[0]);
                    Ok(1)
                }
            }
        }

        fn flush(&mut self) -> Result<()> {
            Err(ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn a_remark_that_cannot_be_written_is_dropped_and_the_next_one_is_tried() {
        for failure in
            [Err(ErrorKind::StorageFull.into()), Err(ErrorKind::BrokenPipe.into()), Ok(0)]
        {
            let mut remarks = Remarks(Full { failure: Some(failure), taken: Vec::new() });
            remarks.write_all(b"lost").unwrap();
            remarks.flush().unwrap();
            remarks.write_all(b"told").unwrap();
            assert_eq!(remarks.0.taken, b"told");
        }
        let failure = Some(Err(ErrorKind::Interrupted.into()));
        let mut remarks = Remarks(Full { failure, taken: Vec::new() });
        remarks.write_all(b"told").unwrap();
        assert_eq!(remarks.0.taken, b"told", "what is interrupted is written again");
    }
}
