//! The program as its users see it: packing, checking, describing and unpacking a toy dataset.
#![cfg(test)]

mod audits;
mod pack_failures;
mod parts;
mod reading;
mod remote;
mod resume;
mod round_trip;
mod texts;
mod toy_city;
mod verifying;
