//! What the loader yields.

use crate::faults::Fault;
use crate::roles::MetaRole;

/// One training batch, or of several ranks this rank's part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The batch's number in the stream.
    pub index: u64,
    /// One part per stream, in the order of `LoaderOptions::streams`.
    pub streams: Vec<StreamBatch>,
    /// Damage that was met and how it was dealt with, in the order of streams, samples and tiles.
    pub faults: Vec<Fault>,
}

/// The samples of one stream in a batch; there may be none where samples are drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamBatch {
    /// The domain's name.
    pub name: String,
    /// The stream's number within its domain.
    pub stream: u32,
    /// The stream's place in `LoaderOptions::streams`.
    pub stream_index: usize,
    /// Its part in an episode, if batches have roles.
    pub role: Option<MetaRole>,
    /// Whether `LoaderOptions::strong_augment` was applied.
    pub strong: bool,
    /// Number of samples, B.
    pub batch: usize,
    /// Height of the crop, H.
    pub height: usize,
    /// Width of the crop, W.
    pub width: usize,
    /// RGB levels. Shapes: [B, 3, H, W].
    pub images: Vec<u8>,
    /// Train ids, and the ignore id in the padding. Shapes: [B, H, W].
    pub labels: Vec<u8>,
    /// Where each of the B samples comes from.
    pub samples: Vec<SampleTag>,
}

/// Where a sample of a batch comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleTag {
    /// How often the stream has been gone through before; where samples are drawn, the batch's
    /// number.
    pub epoch: u64,
    /// The place in that epoch's order; where samples are drawn, the slot of the batch.
    ///
    /// (seed, domain, stream, epoch, index) determine every pixel.
    pub index: u64,
    /// The sample's number within the domain, its folders concatenated.
    pub sample: usize,
    /// The sample's id in its dataset.
    pub id: String,
    /// The train id of the class that the sample was chosen for, if it was.
    pub class: Option<u8>,
}
