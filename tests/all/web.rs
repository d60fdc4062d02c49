//! A web server for a folder, with ranges.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

/// Serves `root` until the process ends.
pub(crate) fn serve(root: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let root = root.clone();
            // A client may hang up whenever it likes.
            std::thread::spawn(move || answer_all(client, &root).ok());
        }
    });
    address
}

fn answer_all(mut client: TcpStream, root: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    while let Some(request) = lines.next().transpose()? {
        let mut range = None;
        while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
            let line = line.to_ascii_lowercase();
            range = line.strip_prefix("range: bytes=").map(str::to_owned).or(range);
        }
        let (head, body) = answer(&request, range.as_deref(), root);
        client.write_all(head.as_bytes())?;
        if !request.starts_with("HEAD") {
            client.write_all(&body)?;
        }
    }
    Ok(())
}

/// Head and body; every file has the same version, as none is changed.
fn answer(request: &str, range: Option<&str>, root: &Path) -> (String, Vec<u8>) {
    let path = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    let Ok(mut body) = fs::read(root.join(path)) else {
        return ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(), Vec::new());
    };
    let mut status = "200 OK".to_owned();
    if let Some((first, last)) = range.and_then(|range| range.split_once('-')) {
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        status =
            format!("206 Partial Content\r\ncontent-range: bytes {first}-{last}/{}", body.len());
        body = body[first..=last].to_vec();
    }
    let length = body.len();
    (format!("HTTP/1.1 {status}\r\netag: \"1\"\r\ncontent-length: {length}\r\n\r\n"), body)
}
