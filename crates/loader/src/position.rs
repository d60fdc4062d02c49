//! Where a stream of batches stands.

/// All that a stopped run needs in order to go on: start with the same options, `seed`, and `batch`
/// as the first batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The loader's seed.
    pub seed: u64,
    /// The number of the next batch.
    pub batch: u64,
    /// Where each stream stands then, in the order of `LoaderOptions::streams`; for people to read.
    pub streams: Vec<StreamPosition>,
}

/// Where one stream stands: (epoch, index) of its next sample, as in [`SampleTag`](crate::SampleTag).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPosition {
    /// The domain's name.
    pub domain: String,
    /// The stream's number.
    pub stream: u32,
    /// How often the stream has been gone through; of a drawn stream, the batch's number.
    pub epoch: u64,
    /// The place in that epoch's order; of a drawn stream 0.
    pub index: u64,
    /// Samples of an epoch.
    pub samples: u64,
}
