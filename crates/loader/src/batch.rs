//! What the loader yields.

/// One training batch: the same number of samples from every domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The batch's number in the stream.
    pub index: u64,
    /// One part per domain, in the order of `LoaderOptions::domains`.
    pub domains: Vec<DomainBatch>,
}

/// The samples of one domain in a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainBatch {
    /// The domain's name.
    pub name: String,
    /// The domain's place in `LoaderOptions::domains`.
    pub domain_index: usize,
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
    /// How often the domain has been gone through before.
    pub epoch: u64,
    /// The place in that epoch's order; (seed, domain, epoch, index) determine every pixel.
    pub index: u64,
    /// The sample's number within the domain, its folders concatenated.
    pub sample: usize,
    /// The sample's id in its dataset.
    pub id: String,
}
