//! The stores of three clouds, set up by settings alone. Google's and Microsoft's are read from a
//! plain web server, which knows nothing of credentials.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shard_format::{Dataset, Storage};
use shard_store::{Remote, StoreOptions, open};

use crate::samples;
use crate::web_server::{GOOD, Manners, Version, WebServer};

/// A service account that signs nothing.
const ACCOUNT: &str = r#"{"private_key": "none", "private_key_id": "none", "client_email": "nobody@example.org", "disable_oauth": true}"#;

const URLS: [&str; 3] = ["s3://toy", "gs://toy", "az://toy"];

/// Settings that send each of [`URLS`] to `address`; one list serves all.
fn options(address: SocketAddr, cache_dir: &Path) -> StoreOptions {
    let endpoint = format!("http://{address}");
    let settings = [
        ("allow_http", "true"),
        ("aws_endpoint", &endpoint),
        ("aws_region", "us-east-1"),
        ("aws_access_key_id", "key"),
        ("aws_secret_access_key", "secret"),
        ("google_base_url", &endpoint),
        ("google_service_account_key", ACCOUNT),
        ("azure_endpoint", &endpoint),
        ("azure_storage_account_name", "account"),
        ("azure_storage_account_key", "c2VjcmV0"),
    ];
    StoreOptions {
        cache_dir: Some(cache_dir.to_owned()),
        store: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..StoreOptions::default()
    }
}

/// Where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn connecting_sends_nothing_and_names_files_by_url() {
    let cache = tempfile::tempdir().unwrap();
    for url in URLS {
        let remote = Remote::connect(Path::new(url), &options(nobody(), cache.path())).unwrap();
        assert_eq!(remote.location("index.json"), Path::new(url).join("index.json"));
        assert_eq!(remote.stats().requests, 0);
    }
}

#[test]
fn a_server_that_is_down_is_named_and_given_up_soon() {
    let cache = tempfile::tempdir().unwrap();
    for url in URLS {
        let start = Instant::now();
        let options = StoreOptions { retries: 2, ..options(nobody(), cache.path()) };
        assert_eq!(
            open(Path::new(url), &options).unwrap_err().to_string(),
            format!(
                "{url}/index.json: cannot read the index: Connection refused (os error 111) at \
                 try 3 of 3, expected an answer; hint: check the network, the endpoint and the \
                 credentials"
            )
        );
        // Waits of 0.1 and 0.2 seconds, and room for a busy machine.
        assert!(start.elapsed() < Duration::from_secs(3), "{url}: {:?}", start.elapsed());
    }
}

#[test]
fn every_pixel_comes_through_each_client_and_then_from_the_disk() {
    let server = WebServer::start(Manners { version: Version::ETagAndLastModified, ..GOOD }, 1);
    for url in URLS {
        let cache = tempfile::tempdir().unwrap();
        let options = options(server.address, cache.path());
        samples::check_all(&open(Path::new(url), &options).unwrap(), 1);
        let remote = Remote::connect(Path::new(url), &options).unwrap();
        samples::check_all(&Dataset::open_in(Arc::new(remote.clone())).unwrap(), 1);
        // The index alone.
        assert!(remote.stats().bytes_fetched < 10_000, "{url}: {:?}", remote.stats());
    }
}
