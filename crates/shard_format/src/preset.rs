//! How hard a sample is compressed.

use std::fmt;

use serde::{Deserialize, Serialize};
use zstd_safe::{CCtx, CParameter, Strategy};

use crate::block::Version;
use crate::grid::Grid;

/// Compression level of label tiles.
const LABEL_LEVEL: i32 = 9;

/// How a sample's tiles are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Smallest and fastest to read, about ten times slower to write than `Fast`.
    Default,
    /// Quick to write.
    Fast,
    /// Not compressed.
    Raw,
    /// JPEG files kept as they are, everything else as with `Default`.
    Jpeg,
}

impl fmt::Display for Preset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Default => "default",
            Self::Fast => "fast",
            Self::Raw => "raw",
            Self::Jpeg => "jpeg",
        })
    }
}

impl Preset {
    /// How this preset stores decoded pictures.
    pub(crate) const fn codec(self) -> Codec {
        match self {
            Self::Default | Self::Fast | Self::Jpeg => Codec::GradientZstd,
            Self::Raw => Codec::Raw,
        }
    }

    /// Whether a dataset of this preset can hold samples of `codec`.
    pub(crate) fn allows(self, codec: Codec) -> bool {
        codec == self.codec() || (self, codec) == (Self::Jpeg, Codec::Jpeg)
    }

    fn rgb_parameters(self) -> &'static [CParameter] {
        // Measured on street frames: the optimal parser with a short minimum match is smaller
        // and faster to decode than every faster parser; at level 1 longer matches pay.
        match self {
            Self::Default | Self::Jpeg => &[
                CParameter::Strategy(Strategy::ZSTD_btopt),
                CParameter::MinMatch(3),
                CParameter::SearchLog(1),
                CParameter::TargetLength(16),
                CParameter::HashLog(14),
                CParameter::ChainLog(14),
                CParameter::WindowLog(18),
            ],
            Self::Fast => &[CParameter::CompressionLevel(1), CParameter::MinMatch(7)],
            Self::Raw => &[],
        }
    }
}

/// How the tiles of a sample are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// Every tile plain.
    Raw,
    /// RGB tiles as gradient residuals in zstd, label tiles in zstd.
    GradientZstd,
    /// The image as a JPEG file, label tiles in zstd.
    Jpeg,
}

impl fmt::Display for Codec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Raw => "raw",
            Self::GradientZstd => "gradient-zstd",
            Self::Jpeg => "jpeg",
        })
    }
}

impl Codec {
    pub(crate) const fn id(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::GradientZstd => 1,
            Self::Jpeg => 2,
        }
    }

    /// The codec of this id, if `version` has it.
    pub(crate) const fn from_id(id: u8, version: Version) -> Option<Self> {
        match (id, version) {
            (0, _) => Some(Self::Raw),
            (1, _) => Some(Self::GradientZstd),
            (2, Version::Two) => Some(Self::Jpeg),
            _ => None,
        }
    }

    /// The presets whose datasets can hold such samples, in words.
    pub(crate) const fn presets(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::GradientZstd => "default, fast or jpeg",
            Self::Jpeg => "jpeg",
        }
    }

    /// The tiles of an image of this size.
    pub(crate) const fn rgb_grid(self, width: u32, height: u32) -> Grid {
        match self {
            Self::Raw | Self::GradientZstd => Grid::rgb(width, height),
            Self::Jpeg => Grid::whole_rgb(width, height),
        }
    }
}

/// A zstd context for tiles of one kind.
pub(crate) struct Compressor(CCtx<'static>);

impl Compressor {
    /// For residual RGB tiles.
    pub(crate) fn rgb(preset: Preset) -> Result<Self, &'static str> {
        Self::new(preset.rgb_parameters())
    }

    /// For label tiles.
    pub(crate) fn labels() -> Result<Self, &'static str> {
        Self::new(&[CParameter::CompressionLevel(LABEL_LEVEL)])
    }

    fn new(parameters: &[CParameter]) -> Result<Self, &'static str> {
        let mut context = CCtx::try_create().ok_or("no memory for a compression context")?;
        // The tile table's CRC-32C takes the place of zstd's own checksum.
        let frame = [CParameter::ContentSizeFlag(true), CParameter::ChecksumFlag(false)];
        for parameter in parameters.iter().copied().chain(frame) {
            context.set_parameter(parameter).map_err(zstd_safe::get_error_name)?;
        }
        Ok(Self(context))
    }

    /// Compresses `tile` into one frame.
    pub(crate) fn compress(&mut self, tile: &[u8]) -> Result<Vec<u8>, &'static str> {
        let mut frame = Vec::with_capacity(zstd_safe::compress_bound(tile.len()));
        self.0.compress2(&mut frame, tile).map_err(zstd_safe::get_error_name)?;
        Ok(frame)
    }
}
