//! What is said when a store cannot be read, and how soon.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use shard_format::{Decoder, Storage};
use shard_store::{Remote, StoreOptions, open};

use crate::s3_server::{S3Server, URL, options};
use crate::samples;
use crate::web_server::{GOOD, Manners, WebServer};

fn message(url: &str, options: &StoreOptions) -> String {
    open(Path::new(url), options).unwrap_err().to_string()
}

/// Gives up after 0.2 seconds of silence and one more try.
fn impatient(cache_dir: &Path) -> StoreOptions {
    StoreOptions {
        retries: 1,
        cache_dir: Some(cache_dir.to_owned()),
        store: vec![("read_timeout".into(), "200ms".into())],
        ..StoreOptions::default()
    }
}

#[test]
fn a_server_that_never_answers_is_given_up_soon() {
    let cache = tempfile::tempdir().unwrap();
    let server = WebServer::start(Manners { silent: true, ..GOOD }, 1);
    let start = Instant::now();
    let options = impatient(cache.path());
    assert_eq!(
        message(&server.url(), &options),
        format!(
            "{}/index.json: cannot read the index: operation timed out at try 2 of 2, expected an \
             answer; hint: check the network, the endpoint and the credentials",
            server.url()
        )
    );
    // Twice 0.2 seconds of silence and a wait of 0.1.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn a_server_that_falls_silent_while_tiles_are_read_is_given_up_soon() {
    let cache = tempfile::tempdir().unwrap();
    let server = WebServer::start(GOOD, 1);
    let dataset = open(Path::new(&server.url()), &impatient(cache.path())).unwrap();
    server.fall_silent();
    let start = Instant::now();
    let error = dataset.read_image(1, samples::WHOLE, &mut Decoder::new()).unwrap_err();
    assert!(error.damage().is_none());
    let (error, named) =
        (error.to_string(), format!("{}/toy-00001.shard: sample \"1\": ", server.url()));
    assert!(error.starts_with(&named), "{error}");
    assert!(error.contains("operation timed out at try 2 of 2"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn an_object_replaced_after_opening_is_an_error_that_names_it() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let dataset = open(Path::new(URL), &options(server.address, cache.path())).unwrap();
    let other = tempfile::tempdir().unwrap();
    samples::pack(other.path(), 2);
    let shard = "toy-00001.shard";
    fs::copy(other.path().join(shard), server.dataset().join(shard)).unwrap();
    let error = dataset.read_image(1, samples::WHOLE, &mut Decoder::new()).unwrap_err().to_string();
    let tagged: Vec<&str> = error.split('"').collect();
    let [_, _, tag_of, found, middle, expected, hint] = tagged[..] else { panic!("{error}") };
    assert!(error.starts_with("s3://bucket/some/toy/toy-00001.shard: sample \"1\": "), "{error}");
    assert!(tag_of.ends_with(": changed since it was opened: ETag "), "{error}");
    assert_ne!(found, expected);
    assert!(middle.ends_with(" bytes, expected ETag "), "{error}");
    let advice = "; hint: the dataset was written anew, start again to read the new one";
    assert!(hint.contains(advice), "{error}");
}

#[test]
fn an_object_deleted_after_opening_is_an_error_that_names_it() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let dataset = open(Path::new(URL), &options(server.address, cache.path())).unwrap();
    fs::remove_file(server.dataset().join("toy-00002.shard")).unwrap();
    let error = dataset.read_image(2, samples::WHOLE, &mut Decoder::new()).unwrap_err().to_string();
    assert!(error.starts_with("s3://bucket/some/toy/toy-00002.shard: sample \"2\": "), "{error}");
    let fault = "deleted since it was opened, expected it to stay as long as it is read";
    assert!(error.contains(fault), "{error}");
}

#[test]
fn a_shard_that_was_cut_or_is_missing_is_noticed_when_opening() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let options = options(server.address, cache.path());
    let shard = server.dataset().join("toy-00000.shard");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..1000]).unwrap();
    assert_eq!(
        message(URL, &options),
        format!(
            "s3://bucket/some/toy/toy-00000.shard: 1000 bytes, expected {}; hint: the shard was \
             cut off or altered, copy it again or pack the dataset again",
            bytes.len()
        )
    );
    fs::remove_file(&shard).unwrap();
    assert_eq!(
        message(URL, &options),
        "s3://bucket/some/toy/toy-00000.shard: not found, expected a shard listed in index.json; \
         hint: copy the whole folder, index.json and every shard"
    );
}

#[test]
fn a_wrong_place_in_a_bucket_is_named() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    assert_eq!(
        message("s3://bucket/other", &options(server.address, cache.path())),
        "s3://bucket/other/index.json: not found, expected the index of a packed dataset; hint: \
         name the folder that `shard pack` wrote, and pack again if packing was interrupted"
    );
}

#[test]
fn refusals_are_told_with_the_code_of_the_store() {
    for (status, body, expected) in [
        (
            "404 Not Found",
            "<Error><Code>NoSuchBucket</Code></Error>",
            "the store has no bucket of this name; hint: check the name, the region and the \
             endpoint",
        ),
        (
            "400 Bad Request",
            "<Error><Code>AuthorizationHeaderMalformed</Code></Error>",
            "the store answered 400 Bad Request, AuthorizationHeaderMalformed, expected the \
             object; hint: check the endpoint, the region and the name",
        ),
        (
            "400 Bad Request",
            "<Error><Code>Bad\x1b[2J\nName\u{202e}</Code></Error>",
            "the store answered 400 Bad Request, Bad\\u{1b}[2J\\nName\\u{202e}, expected the \
             object; hint: check the endpoint, the region and the name",
        ),
        (
            "301 Moved Permanently",
            "",
            "the store answered Received redirect without LOCATION, this normally indicates an \
             incorrectly configured region, expected the object; hint: check the endpoint, the \
             region and the name",
        ),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let server = WebServer::start(Manners { refusal: Some((status, body)), ..GOOD }, 1);
        let remote =
            Remote::connect(Path::new(URL), &options(server.address, cache.path())).unwrap();
        assert_eq!(remote.read("index.json", 1 << 20).unwrap_err().to_string(), expected);
        assert_eq!(remote.stats().retries, 0);
    }
}

#[test]
fn missing_credentials_are_told_as_such() {
    let cache = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut options = StoreOptions { retries: 0, ..options(nobody, cache.path()) };
    options.store.retain(|(name, _)| !name.contains("access_key"));
    options.store.push(("aws_metadata_endpoint".into(), format!("http://{nobody}")));
    assert_eq!(
        message(URL, &options),
        "s3://bucket/some/toy/index.json: cannot read the index: no credentials in the \
         environment, and none from this machine's metadata service (Connection refused (os error \
         111)) at try 1 of 1, expected an answer; hint: check the network, the endpoint and the \
         credentials"
    );
}

#[test]
fn wrong_credentials_are_told_as_such() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let mut options = options(server.address, cache.path());
    options.store.push(("aws_secret_access_key".into(), "guess".into()));
    assert_eq!(
        message(URL, &options),
        "s3://bucket/some/toy/index.json: cannot read the index: the server refused access (403 \
         Forbidden, SignatureDoesNotMatch), expected permission to read; hint: check the name and the \
         credentials (AWS_*, GOOGLE_*, AZURE_*); for a public bucket set AWS_SKIP_SIGNATURE or \
         its like to true"
    );
}

#[test]
fn an_index_beyond_the_limit_is_not_read() {
    let (server, cache) = (S3Server::start(1), tempfile::tempdir().unwrap());
    let remote = Remote::connect(Path::new(URL), &options(server.address, cache.path())).unwrap();
    let length = fs::metadata(server.dataset().join("index.json")).unwrap().len();
    let error = remote.read("index.json", 10).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    assert_eq!(error.to_string(), format!("{length} bytes, expected at most 10"));
}

#[test]
fn wrong_urls_and_settings_are_refused_before_anything_is_sent() {
    let default = StoreOptions::default();
    assert_eq!(
        message("ftp://host/toy", &default),
        "ftp://host/toy: scheme \"ftp\", expected s3://, gs://, az://, http:// or https://"
    );
    let setting = ("aws_secret".to_owned(), "guess".to_owned());
    assert_eq!(
        message(URL, &StoreOptions { store: vec![setting], ..default }),
        "s3://bucket/some/toy: cannot set up the connection: there is no setting \"aws_secret\"; \
         hint: check the environment variables of the store (AWS_*, GOOGLE_*, AZURE_*)"
    );
}
