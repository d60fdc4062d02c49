//! Opens packed datasets wherever they lie: in a folder, on a network file system, behind a URL.
#![forbid(unsafe_code)]
