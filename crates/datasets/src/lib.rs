//! Reads a dataset folder as its manifest describes it: lists image and label pairs, decodes both,
//! and maps every label to a train id.
//!
//! A manifest is one TOML file. Those of the official datasets lie in `data-manifests/` and are part
//! of the program ([`Manifest::built_in`]); a dataset of your own needs a manifest and no code, and
//! [`draft_manifest`] writes a first one. Unknown keys are refused.
//!
//! ```toml
//! name = "camvid"                       # the dataset's name, and its domain unless told otherwise
//! mapping = "camvid-11/1"               # name and version of the label mapping, kept in the shards
//! license = "research use only"         # one line, shown whenever the data is packed
//! reading = "pavement-sidewalk"         # optional: the name of this reading; default: "default"
//! classes = ["road", "sidewalk"]        # optional: the train ids in order; default: Cityscapes' 19
//!
//! [layout]
//! images = ["{split}/{stem}.png"]       # patterns below the root, every one is looked for
//! labels = ["{split}annot/{stem}.png"]  # for each image the first that exists is its label
//! id = "{stem}"                         # optional; default: all placeholders but {split}, by `/`
//! refuse = [{ path = "RGB/Stereo_Left", reason = "..." }] # optional: tells of another dataset
//! hint = "download it from ..."         # optional: shown when nothing is found
//!
//! [labels]
//! encoding = "index"                    # see below
//! range = [0, 11]                       # optional: unlisted ids in here are ignored, not errors
//! unlisted = "ignore"                   # optional, for colours: those not listed are ignored
//! config = ["config.json"]              # optional: the dataset's own names of ids, to compare
//! ids = [                               # every id that may occur
//!     { id = 3, name = "road", train = "road" },
//!     { id = 4, name = "pavement", train = "sidewalk" },
//!     { id = 11, name = "void", train = "ignore" },
//! ]
//!
//! [readings.pavement-road]              # optional: another way to read the same labels
//! mapping = "camvid-pavement-road/1"    # not the mapping above
//! train = { pavement = "road" }         # optional: other classes, by the dataset's own name
//! files = ["{split}annot/{stem}_b.png"] # optional: other label patterns
//! encoding = "grey-id"                  # optional, as are range, unlisted and ids
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
//! Encodings; all are read as stored, so a palette is never expanded and 16 bits are never cut, and
//! a file of another colour type or bit depth is refused:
//!
//! | `encoding` | label file | id |
//! |---|---|---|
//! | `index` | PNG, 8-bit grey or palette | the stored value |
//! | `grey-id` | PNG, 8-bit grey | the stored value |
//! | `palette-index` | PNG, palette of up to 8 bits | the palette index |
//! | `rgb16-red` | PNG, 16-bit RGB, RGBA or grey with alpha | the first sample |
//! | `grey-or-red` | PNG, 8-bit grey, RGB or RGBA | the first sample |
//! | `rgb-colour` | PNG, 8-bit RGB or RGBA | the entry whose `colour = [r, g, b]` it is |
//! | `shown-colour` | PNG, palette, 8-bit RGB or RGBA | likewise, a palette's index by its colour |
//! | `polygons` | JSON of Cityscapes and IDD | the entry whose `name` is the object's label |
//!
//! Images may be PNG (8 bits per sample, any colour type) or JPEG, told apart by content and never
//! by extension. An image whose pixels are all the same is refused as blank.
#![forbid(unsafe_code)]

mod built_in;
mod diagnosis;
mod draft;
mod error;
mod fill;
mod folder_check;
mod id_table;
mod image_file;
mod label_file;
mod listing;
mod manifest;
mod manifest_check;
mod manifest_file;
mod pattern;
mod png_file;
mod polygons;
mod sample;
mod sample_error;
mod source_file;
mod tally;

pub use built_in::built_in_names;
pub use draft::{Draft, draft_manifest};
pub use error::{DatasetError, WrongLayout};
pub use id_table::IdEntry;
pub use image_file::{Rgb, decode_image};
pub use listing::{Listing, Pair, Skip, SkipKind};
pub use manifest::{Encoding, Manifest, Split};
pub use sample::{Decoded, PairSize};
pub use sample_error::{SampleError, SampleErrorKind};
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
