//! The program as its users see it: packing, checking, describing and unpacking a toy dataset.

mod pack_failures;
mod round_trip;
mod toy_city;
