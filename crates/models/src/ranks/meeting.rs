//! Ranks that are threads of this process.

use std::any::Any;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use super::{Ranks, RanksError};

/// How a rank ended without a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RankFailure {
    /// It panicked; where it waited for a rank that was gone, with that error's text.
    #[error("rank {rank}: {message}")]
    Panicked {
        /// The rank.
        rank: usize,
        /// What it panicked with.
        message: String,
    },
    /// There was no thread for it.
    #[error("rank {rank}: cannot start a thread")]
    NotStarted {
        /// The rank.
        rank: usize,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Runs `work` on `count` ranks, each a thread, and returns what each came to.
///
/// A rank that panics, or returns while others wait for it, fails the others at their next sum, so
/// that all threads end.
///
/// # Errors
/// Rank by rank; the others may still have a result.
///
/// # Panics
/// If `count` is 0: a bug of the caller.
pub fn in_threads<T: Send>(
    count: usize,
    work: impl Fn(Arc<dyn Ranks>) -> T + Sync,
) -> Vec<Result<T, RankFailure>> {
    assert!(count > 0, "at least one rank");
    let meeting = Arc::new(Meeting::new(count));
    let seats: Vec<Seat> = (0..count).map(|rank| Seat { meeting: meeting.clone(), rank }).collect();
    let work = &work;
    thread::scope(|scope| {
        let start = |seat: Seat| {
            let rank = seat.rank;
            // Made here: a thread that never starts leaves the meeting all the same.
            let presence = Presence(seat.clone());
            let run = move || {
                let _presence = presence;
                work(Arc::new(seat))
            };
            thread::Builder::new()
                .name(format!("rank {rank}"))
                .spawn_scoped(scope, run)
                .map_err(|source| RankFailure::NotStarted { rank, source })
        };
        let threads: Vec<_> = seats.into_iter().map(start).collect();
        let ended = |(rank, thread): (usize, Result<thread::ScopedJoinHandle<'_, T>, _>)| {
            let panicked = |payload| RankFailure::Panicked { rank, message: message(payload) };
            thread?.join().map_err(panicked)
        };
        threads.into_iter().enumerate().map(ended).collect()
    })
}

/// Where threads wait for each other, sum after sum.
#[derive(Debug)]
struct Meeting {
    count: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Sums that are done.
    done: u64,
    /// What the next sum is called.
    name: String,
    /// Each rank's part of the next sum, where it has come.
    parts: Vec<Option<Vec<f64>>>,
    /// The last sum that is done. All ranks have read it before the next one is: each must come.
    sum: Vec<f64>,
    /// The first rank that left.
    gone: Option<usize>,
    /// Set for good once ranks were at different sums.
    apart: Option<RanksError>,
}

impl Meeting {
    fn new(count: usize) -> Self {
        let state = State { parts: vec![None; count], ..State::default() };
        Self { count, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, rank: usize) {
        self.lock().gone.get_or_insert(rank);
        self.changed.notify_all();
    }
}

impl State {
    fn failure(&self, name: &str) -> Option<RanksError> {
        let gone = |rank| RanksError::Gone { rank, name: name.to_owned() };
        self.apart.clone().or_else(|| self.gone.map(gone))
    }

    /// Takes a rank's part of the next sum, if it is one of that sum.
    fn take(&mut self, rank: usize, name: &str, part: &[f64]) {
        match self.parts.iter().flatten().next() {
            None => name.clone_into(&mut self.name),
            Some(first) if self.name == name && first.len() == part.len() => {}
            Some(first) => {
                self.apart = Some(RanksError::Apart {
                    rank,
                    found: name.to_owned(),
                    found_len: part.len(),
                    expected: self.name.clone(),
                    expected_len: first.len(),
                });
                return;
            }
        }
        self.parts[rank] = Some(part.to_vec());
        if self.parts.iter().all(Option::is_some) {
            self.sum = vec![0.0; part.len()];
            for part in self.parts.iter_mut().filter_map(Option::take) {
                for (sum, value) in self.sum.iter_mut().zip(part) {
                    *sum += value;
                }
            }
            self.done += 1;
        }
    }
}

/// A rank's place in a meeting.
#[derive(Clone, Debug)]
struct Seat {
    meeting: Arc<Meeting>,
    rank: usize,
}

impl Ranks for Seat {
    fn count(&self) -> usize {
        self.meeting.count
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn sum(&self, name: &str, values: &mut [f64]) -> Result<(), RanksError> {
        let mut state = self.meeting.lock();
        let number = state.done;
        if state.failure(name).is_none() {
            state.take(self.rank, name, values);
            self.meeting.changed.notify_all();
        }
        let waits = |state: &mut State| state.done == number && state.failure(name).is_none();
        let state =
            self.meeting.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        // A sum that is done is given out, even if a rank left right after it.
        match state.failure(name) {
            Some(failure) if state.done == number => Err(failure),
            _ => {
                values.copy_from_slice(&state.sum);
                Ok(())
            }
        }
    }
}

/// Leaves the meeting when the thread's work ends, however it ends. Not the seat does: steps of a
/// backward pass that never ran may keep one.
struct Presence(Seat);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.meeting.leave(self.0.rank);
    }
}

fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast::<String>().map(|text| *text);
    let text = text.or_else(|payload| payload.downcast::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|_| "panicked without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures<T>(results: Vec<Result<T, RankFailure>>) -> Vec<String> {
        results.into_iter().filter_map(|result| Some(result.err()?.to_string())).collect()
    }

    #[test]
    fn every_rank_gets_each_sum_taken_in_the_order_of_the_ranks() {
        let sums = in_threads(3, |ranks| {
            assert_eq!(ranks.count(), 3);
            let of_round = |round: usize| {
                // In this order 1 is lost beside 1e16; in any other the sum would be 1 or 2.
                let mut values = [[1e16, 1.0, -1e16][ranks.rank()], (round + ranks.rank()) as f64];
                ranks.sum(&format!("round {round}"), &mut values).unwrap();
                values
            };
            (0..200).map(of_round).collect::<Vec<_>>()
        });
        let expected: Vec<_> = (0..200).map(|round| [0.0, (3 * round + 3) as f64]).collect();
        for of_rank in sums {
            assert_eq!(of_rank.unwrap(), expected);
        }
    }

    #[test]
    fn a_rank_that_panics_fails_all_others_at_their_next_sum() {
        let results = in_threads(3, |ranks| {
            ranks.sum("first", &mut [1.0]).unwrap();
            assert!(ranks.rank() != 1, "a broken image");
            ranks.sum("second", &mut [1.0]).unwrap_err()
        });
        let gone = RanksError::Gone { rank: 1, name: "second".to_owned() };
        let [first, second, third] = <[_; 3]>::try_from(results).unwrap();
        assert_eq!([first.unwrap(), third.unwrap()], [gone.clone(), gone]);
        assert_eq!(second.unwrap_err().to_string(), "rank 1: a broken image");
    }

    #[test]
    fn a_rank_that_ends_early_fails_those_that_go_on_and_keeps_its_result() {
        let results = in_threads(2, |ranks| {
            if ranks.rank() == 0 {
                return;
            }
            super::super::Exchange { ranks, name: "layer1 mean".to_owned() }.sum(&mut [1.0]);
        });
        assert!(results[0].is_ok());
        assert_eq!(
            failures(results),
            ["rank 1: rank 0: found it gone, expected its part of the sum \"layer1 mean\"; \
                 hint: what it failed with is the cause"]
        );
    }

    #[test]
    fn ranks_at_different_sums_all_fail_and_stay_failed() {
        for ask in [
            |ranks: &dyn Ranks| ranks.sum(["mean", "variance"][ranks.rank()], &mut [1.0]),
            |ranks: &dyn Ranks| {
                ranks.sum("mean", &mut [[1.0].as_slice(), &[1.0; 2]][ranks.rank()].to_vec())
            },
        ] {
            let results = in_threads(2, |ranks| {
                let failure = ask(&*ranks).unwrap_err();
                assert!(matches!(&failure, RanksError::Apart { .. }), "{failure}");
                assert_eq!(ranks.sum("later", &mut [1.0]), Err(failure));
            });
            assert!(failures(results).is_empty());
        }
    }

    #[test]
    fn what_a_rank_panics_with_is_its_failure_whatever_the_payload() {
        let results: Vec<Result<(), _>> = in_threads(1, |_| std::panic::panic_any(1));
        assert_eq!(failures(results), ["rank 0: panicked without a message"]);
        let results: Vec<Result<(), _>> = in_threads(1, |ranks| panic!("rank {}", ranks.rank()));
        assert_eq!(failures(results), ["rank 0: rank 0"]);
    }
}
