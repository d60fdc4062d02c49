//! Datasets opened in folders, in an S3 bucket and on a web server, whole and damaged ones, over
//! good and bad connections. No test leaves this machine.
#![cfg(test)]

mod local;
mod samples;

#[cfg(feature = "remote")]
mod clouds;
#[cfg(feature = "remote")]
mod faults;
#[cfg(feature = "remote")]
mod proxy;
#[cfg(feature = "remote")]
mod s3;
#[cfg(feature = "remote")]
mod s3_server;
#[cfg(feature = "remote")]
mod shared_cache;
#[cfg(feature = "remote")]
mod web;
#[cfg(feature = "remote")]
mod web_server;
