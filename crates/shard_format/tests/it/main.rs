//! The shard format seen from outside: what is written comes back, what is damaged is noticed.

mod damage;
mod drawing;
mod round_trip;
mod writing;
