//! Commands on a dataset behind a URL.
#![cfg(feature = "remote")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use terminal::Outcome;

use crate::toy_city::{ToyCity, image, read_png};

/// Serves the files of `root` by HTTP on this machine alone, until the process ends, and returns
/// the URL.
fn serve(root: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let root = root.clone();
            std::thread::spawn(move || answer(&root, stream));
        }
    });
    url
}

/// Answers one GET or HEAD request, of the whole file or a range of it.
fn answer(root: &Path, mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let range = lines
        .take_while(|line| !line.is_empty())
        .find_map(|line| Some(line.to_lowercase().strip_prefix("range: bytes=")?.to_owned()));
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let Ok(bytes) = std::fs::read(root.join(path.trim_start_matches('/'))) else {
        let head = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(head.as_bytes());
    };
    let etag = blake3::hash(&bytes).to_hex();
    let (status, extra, body) = match range.as_deref().and_then(|range| range.split_once('-')) {
        Some((first, last)) => {
            let first: usize = first.parse().expect("a number");
            let last = last.parse().unwrap_or(usize::MAX).min(bytes.len() - 1);
            let extra = format!("Content-Range: bytes {first}-{last}/{}\r\n", bytes.len());
            ("206 Partial Content", extra, &bytes[first..=last])
        }
        None => ("200 OK", String::new(), &bytes[..]),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"{etag}\"\r\n\
         Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n{extra}Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    if method == "HEAD" { Ok(()) } else { stream.write_all(body) }
}

#[test]
fn every_command_reads_a_dataset_behind_a_url_as_if_it_were_a_folder() {
    let city = ToyCity::new(4);
    city.pack("packed", &[]).result.unwrap();
    let url = format!("{}/packed", serve(city.path("")));
    let on_url = |words: &[&str]| {
        let words = [&words[..1], &[&url, "--cache-dir", "@cache"], &words[1..]].concat();
        city.shard(&words)
    };
    let source = ["--against-source", "@data", "--manifest", "@toy.toml"];
    let verified = on_url(&[&["verify", "--deep"], &source[..]].concat());
    assert_eq!(verified.result, Ok(Outcome::Done), "{}", verified.output);
    assert!(verified.output.starts_with(&format!("{url}: 4 samples")), "{}", verified.output);
    assert_eq!(on_url(&["inspect"]).output, city.shard(&["inspect", "@packed"]).output);
    assert_eq!(on_url(&["stats"]).output, city.shard(&["stats", "@packed"]).output);
    assert_eq!(on_url(&["extract", "--out", "@back"]).result, Ok(Outcome::Done));
    assert!(read_png(&city.path("back/t__03.png")).2 == image(112, 3));
    assert_eq!(on_url(&["preview", "--out", "@sheet.png"]).result, Ok(Outcome::Done));
    let benched = on_url(&["bench", "--seconds", "0", "--count", "1", "--threads", "1"]);
    assert_eq!(benched.result, Ok(Outcome::Done));
    assert!(city.exists("cache"));
}

#[test]
fn a_url_of_an_unknown_kind_is_refused() {
    let refused = ToyCity::new(0).shard(&["inspect", "ftp://host/folder"]).result.unwrap_err();
    let expected = "ftp://host/folder: scheme \"ftp\", expected s3://, gs://, az://, http:// or \
                    https://";
    assert_eq!(refused, expected);
}
