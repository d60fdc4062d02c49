//! Decodes JPEG pictures to RGB.
#![forbid(unsafe_code)]
