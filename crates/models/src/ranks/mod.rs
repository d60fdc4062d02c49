//! Data-parallel ranks: what the layers of one rank ask of all ranks.
//!
//! Each rank holds the whole network and a part of the batch. A [`Pass`](crate::pass::Pass) whose
//! `ranks` are set normalises by the statistics of the whole batch: batch norm and switchable
//! whitening average theirs over all ranks through [`Mode::sum_over_ranks`]. Whoever runs the ranks
//!
//! - gives every rank the same parameters, as leaves of its own, and at least one image;
//! - runs the same passes and backward passes on every rank, in the same order;
//! - has every rank's loss be its part of the sum: where the loss of the whole batch divides by a
//!   number of pixels or images, each rank divides by that number of the whole batch;
//! - adds the ranks' gradients, and likewise their Hessian products: each is the derivative of the
//!   sum of all ranks' losses by that rank's copy of the parameters;
//! - gives dropout and noise a stream of each rank, and the memory's write the features of all;
//! - reads the running statistics of any rank: their bits are the same on all.
//!
//! # Why the ranks meet in the same order
//!
//! A sum waits for all ranks, so two ranks that wait for different sums wait for ever. Forward, the
//! order is that of the network's text. Backward, it is Burn's (`burn-autodiff` 0.22.1,
//! `runtime/server.rs` and `graph/traversal.rs`): steps run from the deepest to the shallowest, a
//! step's depth being one more than that of its deepest input, and within a depth in the order of a
//! depth-first walk from the loss along each step's inputs as they were written. The numbers of
//! nodes, which come from one counter of the process, only look steps up. The order is thus a
//! function of the graph, which is the same on all ranks that run the same text. Nothing is
//! computed twice, as [`Mode::sum_over_ranks`] is never a step that a checkpoint repeats. Should
//! ranks run different texts after all, the sums carry names, and all ranks fail.
//!
//! A backward pass holds the lock of its graph while it waits. Ranks that are threads of one process
//! therefore share no tracked tensor: it would join their graphs, and one would wait for the other.

mod meeting;
mod sum;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

pub use meeting::{RankFailure, in_threads};
pub(crate) use sum::sum_over_ranks;

#[cfg(doc)]
use crate::mode::Mode;

/// One rank's place among all ranks.
pub trait Ranks: Send + Sync + Debug {
    /// Number of ranks.
    fn count(&self) -> usize;

    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// Replaces `values` by their elementwise sums over all ranks.
    ///
    /// Blocks until all ranks have called it for the sum called `name`. The sums are taken in the
    /// order of the ranks, so that all ranks receive the same bits.
    ///
    /// # Errors
    /// If a rank is gone, or at another sum. Then every later sum fails too, on all ranks.
    fn sum(&self, name: &str, values: &mut [f64]) -> Result<(), RanksError>;
}

/// Why ranks could not meet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RanksError {
    /// A rank has ended, or failed.
    #[error(
        "rank {rank}: found it gone, expected its part of the sum \"{name}\"; hint: what it failed \
         with is the cause"
    )]
    Gone {
        /// The first rank that went.
        rank: usize,
        /// The sum that another rank asked for.
        name: String,
    },
    /// Two ranks are at different places of a pass.
    #[error(
        "rank {rank}: found it at the sum \"{found}\" of {found_len} values, expected \
         \"{expected}\" of {expected_len}; hint: ranks must run the same passes in the same order"
    )]
    Apart {
        /// The rank that came later.
        rank: usize,
        /// What it asked for.
        found: String,
        /// How many values it gave.
        found_len: usize,
        /// What the ranks before it had asked for.
        expected: String,
        /// How many values they gave.
        expected_len: usize,
    },
}

/// One sum over all ranks, by name.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Who takes part.
    pub ranks: Arc<dyn Ranks>,
    /// Layer and quantity.
    pub name: String,
}

impl Exchange {
    /// The sum of a derivative of this one, `what`.
    #[must_use]
    pub fn of(&self, what: &str) -> Self {
        Self { ranks: self.ranks.clone(), name: format!("{}, {what}", self.name) }
    }

    /// See [`Ranks::sum`].
    ///
    /// # Panics
    /// If ranks cannot meet, with the error's text: this is called from within forward and backward
    /// passes, which return no errors. [`in_threads`] makes a [`RankFailure`] of it.
    pub fn sum(&self, values: &mut [f64]) {
        if let Err(error) = self.ranks.sum(&self.name, values) {
            panic!("{error}");
        }
    }
}
