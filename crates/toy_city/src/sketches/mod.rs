//! How single things are built from faces, each about the place where it stands.

pub(crate) mod cycles;
pub(crate) mod people;
pub(crate) mod plants;
pub(crate) mod posts;
pub(crate) mod vehicles;
