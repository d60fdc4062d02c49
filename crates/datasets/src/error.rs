//! What can go wrong with a manifest or a dataset folder.

use std::io;
use std::path::PathBuf;

/// A manifest or a dataset folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file or folder could not be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The manifest is not TOML, or has unknown or missing keys.
    #[error(
        "{}: not a valid manifest: {reason}; hint: data-manifests/README.md lists every key",
        path.display()
    )]
    ManifestSyntax {
        /// The manifest.
        path: PathBuf,
        /// The parser's message with line and column.
        reason: String,
    },
    /// A key of the manifest holds something that makes no sense.
    #[error("{}: `{key}`: {reason}", path.display())]
    ManifestValue {
        /// The manifest.
        path: PathBuf,
        /// The key, dotted.
        key: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// There is no manifest file of that path and no built-in manifest of that name.
    #[error(
        "{name}: no such manifest, expected a manifest file or one of: {}; hint: `shard \
         init-manifest` drafts one for a dataset of your own",
        built_in.join(", ")
    )]
    NoSuchManifest {
        /// What the user named.
        name: String,
        /// The built-in manifests.
        built_in: Vec<&'static str>,
    },
    /// The manifest has no reading of that name.
    #[error(
        "{}: no reading `{reading}`, expected one of: {}", path.display(), known.join(", ")
    )]
    UnknownReading {
        /// The manifest.
        path: PathBuf,
        /// The reading named by the user.
        reading: String,
        /// The readings there are.
        known: Vec<String>,
    },
    /// The folder holds another dataset.
    #[error("{}: not `{dataset}`: {reason}", path.display())]
    Refused {
        /// The file or folder that tells.
        path: PathBuf,
        /// The manifest's dataset.
        dataset: String,
        /// What the folder is instead, and what to do.
        reason: String,
    },
    /// The dataset's own label file contradicts the manifest.
    #[error(
        "{}: found {found}, expected {expected} as in {}; hint: this is another version of the \
         dataset, choose the manifest of that version",
        path.display(), manifest.display()
    )]
    ConfigDiffers {
        /// The dataset's label file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What the manifest says.
        expected: String,
        /// The manifest.
        manifest: PathBuf,
    },
    /// Nothing in the folder looks like a dataset.
    #[error(
        "{}: no images with labels found, {found}, expected images (PNG or JPEG) and labels (PNG, \
         or polygons in JSON) whose names begin alike; hint: name the folder that holds both",
        root.display()
    )]
    NothingToDraft {
        /// The folder.
        root: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The dataset's folder does not exist.
    #[error(
        "{}: no such folder, expected the folder that holds {expected}; hint: {hint}",
        root.display()
    )]
    RootMissing {
        /// The folder named by the user.
        root: PathBuf,
        /// The patterns expected below it.
        expected: String,
        /// What to do.
        hint: String,
    },
    /// The manifest has no split of that name.
    #[error("{}: no split `{split}`, expected one of: {}", path.display(), known.join(", "))]
    UnknownSplit {
        /// The manifest.
        path: PathBuf,
        /// The split named by the user.
        split: String,
        /// The splits there are.
        known: Vec<String>,
    },
    /// A split's list file is missing or empty.
    #[error(
        "{}: {found}, expected the ids of split `{split}`, one a line; hint: the list is named in \
         {} and lies beside it",
        path.display(),
        manifest.display()
    )]
    SplitList {
        /// The list file.
        path: PathBuf,
        /// The manifest that names it.
        manifest: PathBuf,
        /// The split.
        split: String,
        /// What is wrong with it.
        found: String,
    },
    /// No image lies where the manifest says.
    #[error(
        "{}: no image of split `{}` found, expected {}; {}; hint: {}",
        .0.root.display(), .0.split, .0.expected.join(" or "), .0.found, .0.hint
    )]
    NoImages(Box<WrongLayout>),
    /// There are images, but not one has a label.
    #[error(
        "{}: {images} images of split `{}` found, but no label for any, expected {}; {}; hint: {}",
        layout.root.display(), layout.split, layout.expected.join(" or "), layout.found,
        layout.hint
    )]
    NoLabels {
        /// How many images there are.
        images: usize,
        /// Where labels were looked for.
        layout: Box<WrongLayout>,
    },
    /// Two different images would get the same id.
    #[error(
        "{}: {first} and {second} would both have the id `{id}`; hint: let `layout.id` hold \
         every placeholder that tells them apart",
        root.display()
    )]
    DuplicateId {
        /// The dataset's folder.
        root: PathBuf,
        /// The id.
        id: String,
        /// One file's path below the root.
        first: String,
        /// The other's.
        second: String,
    },
}

/// A dataset folder in which a split's files are not where the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongLayout {
    /// The dataset's folder.
    pub root: PathBuf,
    /// The split.
    pub split: String,
    /// The patterns tried, `*` for placeholders.
    pub expected: Vec<String>,
    /// What is there instead.
    pub found: String,
    /// What to do.
    pub hint: String,
}
