//! A static web server whose manners can be chosen.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::samples;

/// What the server tells of a file's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    ETag,
    WeakETag,
    LastModified,
    /// What the clouds' own servers tell.
    ETagAndLastModified,
    Nothing,
}

/// What the server makes of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conditions {
    Heeded,
    Ignored,
    /// It answers as if none were ever met.
    Misjudged,
}

/// How the server behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    pub version: Version,
    /// Whether it sends parts of files.
    pub ranges: bool,
    /// What it makes of If-Match.
    pub conditions: Conditions,
    /// How many requests it answers with 503 before it answers well.
    pub busy: usize,
    /// Status and body of the answer to every request, where it gives none else.
    pub refusal: Option<(&'static str, &'static str)>,
    /// Whether it takes requests and never answers.
    pub silent: bool,
}

const LAST_MODIFIED: &str = "\r\nlast-modified: Mon, 13 Jul 2026 10:00:00 GMT";

pub(crate) const GOOD: Manners = Manners {
    version: Version::ETag,
    ranges: true,
    conditions: Conditions::Heeded,
    busy: 0,
    refusal: None,
    silent: false,
};

/// A running server with a dataset under `toy`; it ends with the test's process.
pub(crate) struct WebServer {
    pub address: SocketAddr,
    folder: tempfile::TempDir,
    silent: Arc<AtomicBool>,
}

impl WebServer {
    /// Starts a server whose dataset was packed under `seed`.
    pub(crate) fn start(manners: Manners, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dataset = folder.path().join("toy");
        fs::create_dir(&dataset).unwrap();
        samples::pack(&dataset, seed);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, root) = (listener.local_addr().unwrap(), folder.path().to_owned());
        let requests = Arc::new(AtomicUsize::new(0));
        let silent = Arc::new(AtomicBool::new(manners.silent));
        let falls_silent = silent.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, root, requests) = (client.unwrap(), root.clone(), requests.clone());
                let silent = falls_silent.clone();
                // A client that hangs up is part of the tests.
                thread::spawn(move || serve(client, &root, (manners, &silent), &requests).ok());
            }
        });
        Self { address, folder, silent }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/toy", self.address)
    }

    /// From now on it takes requests and never answers.
    pub(crate) fn fall_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// Folder of the dataset's files.
    pub(crate) fn dataset(&self) -> PathBuf {
        self.folder.path().join("toy")
    }
}

fn serve(
    mut client: TcpStream,
    root: &Path,
    (manners, silent): (Manners, &AtomicBool),
    requests: &AtomicUsize,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    loop {
        let Some(request) = lines.next().transpose()? else { return Ok(()) };
        let mut headers = Vec::new();
        while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
            headers.push(line.to_ascii_lowercase());
        }
        if silent.load(Ordering::Relaxed) {
            thread::park();
        }
        let (head, body) = if requests.fetch_add(1, Ordering::Relaxed) < manners.busy {
            ("503 Service Unavailable\r\ncontent-length: 0".to_owned(), Vec::new())
        } else {
            answer(&request, &headers, root, manners)
        };
        client.write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes())?;
        if !request.starts_with("HEAD") {
            client.write_all(&body)?;
        }
    }
}

/// Status line without its first word, headers, and body.
fn answer(request: &str, headers: &[String], root: &Path, manners: Manners) -> (String, Vec<u8>) {
    if let Some((status, body)) = manners.refusal {
        return (format!("{status}\r\ncontent-length: {}", body.len()), body.into());
    }
    let header = |name: &str| headers.iter().find_map(|line| line.strip_prefix(name));
    let path = decoded(request.split(' ').nth(1).unwrap());
    let Ok(mut body) = fs::read(root.join(&path[1..])) else {
        return ("404 Not Found\r\ncontent-length: 0".into(), Vec::new());
    };
    let tag = format!("\"{:08x}\"", crc32c::crc32c(&body));
    let met = header("if-match: ").map(|wanted| match manners.conditions {
        Conditions::Heeded => wanted == tag,
        Conditions::Ignored => true,
        Conditions::Misjudged => false,
    });
    if met == Some(false) {
        return ("412 Precondition Failed\r\ncontent-length: 0".into(), Vec::new());
    }
    let mut head = "200 OK".to_owned();
    if let Some(range) = header("range: bytes=").filter(|_| manners.ranges) {
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        head = format!("206 Partial Content\r\ncontent-range: bytes {range}/{}", body.len());
        body = body[first..=last].to_vec();
    }
    head += &format!("\r\ncontent-length: {}", body.len());
    head += &match manners.version {
        Version::ETag => format!("\r\netag: {tag}"),
        Version::WeakETag => format!("\r\netag: W/{tag}"),
        Version::LastModified => LAST_MODIFIED.into(),
        Version::ETagAndLastModified => format!("\r\netag: {tag}{LAST_MODIFIED}"),
        Version::Nothing => String::new(),
    };
    (head, body)
}

/// A path without its percent-encoding; Google's client encodes even dots.
fn decoded(path: &str) -> String {
    let mut parts = path.split('%');
    let start = parts.next().unwrap().to_owned();
    parts.fold(start, |path, part| {
        let character = u8::from_str_radix(&part[..2], 16).unwrap() as char;
        format!("{path}{character}{}", &part[2..])
    })
}
