//! Reads a dataset folder as its manifest describes it: lists image and label pairs, decodes both,
//! and maps every label to a train id.
//!
//! A manifest is one TOML file; `data-manifests/` holds the official datasets, and a dataset of
//! your own needs a manifest and no code. Unknown keys are refused.
//!
//! ```toml
//! name = "camvid"                       # the dataset's name, and its domain unless told otherwise
//! mapping = "camvid-11/1"               # name and version of the label mapping, kept in the shards
//! license = "research use only"         # one line, shown whenever the data is packed
//! classes = ["road", "sidewalk"]        # optional: the train ids in order; default: Cityscapes' 19
//!
//! [layout]
//! images = ["{split}/{stem}.png"]       # patterns below the root, every one is looked for
//! labels = ["{split}annot/{stem}.png"]  # for each image the first that exists is its label
//! id = "{stem}"                         # optional; default: all placeholders but {split}, by `/`
//! hint = "download it from ..."         # optional: shown when nothing is found
//!
//! [labels]
//! encoding = "index"                    # see below
//! range = [0, 11]                       # optional: unlisted ids in here are ignored, not errors
//! ids = [                               # every id that may occur
//!     { id = 3, name = "road", train = "road" },
//!     { id = 4, name = "pavement", train = "sidewalk" },
//!     { id = 11, name = "void", train = "ignore" },
//! ]
//!
//! [splits.train]
//! folders = ["train"]                   # optional: values of {split}; default: the split's name
//! list = "lists/camvid_train.txt"       # optional: ids, one a line, beside the manifest
//! expected = [367]                      # optional: the counts that complete copies have
//! known_bad = ["0001TP_006690"]         # optional: ids left out
//! ```
//!
//! Patterns use `/`, and a placeholder `{name}` stands for one or more characters of one folder or
//! file name. `{split}` takes the split's folders; `{stem}` is required; a placeholder used twice
//! must match the same text twice. Hidden files never match. A split's `list` selects among the
//! patterns without `{split}`; patterns with it are selected by folder alone.
//!
//! Encodings; all are read as stored, so a palette is never expanded and 16 bits are never cut:
//!
//! | `encoding` | label file | id |
//! |---|---|---|
//! | `index` | PNG, 8-bit grey or palette | the stored value |
//! | `grey-id` | PNG, 8-bit grey | the stored value |
//! | `palette-index` | PNG, palette of up to 8 bits | the palette index |
//! | `rgb16-red` | PNG, 16-bit RGB, RGBA or grey with alpha | the first sample |
//! | `rgb-colour` | PNG, 8-bit RGB or RGBA | the entry whose `colour = [r, g, b]` it is |
//! | `polygons` | JSON of Cityscapes and IDD | the entry whose `name` is the object's label |
//!
//! Images may be PNG (8 bits per sample, any colour type) or JPEG, told apart by content and never
//! by extension.
#![forbid(unsafe_code)]

mod diagnosis;
mod error;
mod fill;
mod id_table;
mod image_file;
mod label_file;
mod listing;
mod manifest;
mod pattern;
mod png_file;
mod polygons;
mod sample;
mod tally;

pub use error::{DatasetError, SampleError, SampleErrorKind, WrongLayout};
pub use id_table::IdEntry;
pub use listing::{Listing, Pair, Skip, SkipKind};
pub use manifest::{Encoding, Manifest, Split};
pub use sample::Decoded;
pub use tally::{ClassTally, Tally};

/// The train id of pixels that count for nothing.
pub const IGNORE_ID: u8 = 255;

/// Largest accepted width or height in pixels.
pub const MAX_SIDE: u32 = 32_768;

/// Largest accepted number of pixels of one image: 2^27, about 134 megapixels.
pub const MAX_PIXELS: u64 = 1 << 27;

/// Names of the 19 Cityscapes train ids, in order.
pub const CITYSCAPES_CLASSES: [&str; 19] = [
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
];
