//! The shard format seen from outside: what is written comes back, what is damaged is noticed.

mod access;
mod bands;
mod damage;
mod drawing;
mod fuzz_seeds;
mod hostile;
mod jpeg;
mod layout;
mod masked;
mod memory;
mod messages;
mod resuming;
mod round_trip;
mod version_1;
mod victim;
mod writing;
