//! An S3 server over a folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use shard_store::StoreOptions;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::samples;

/// Key and secret that the server accepts.
pub(crate) const KEY: &str = "key";
pub(crate) const SECRET: &str = "secret";

/// A running server with a bucket `bucket` that holds a dataset under `some/toy`.
pub(crate) struct S3Server {
    pub address: SocketAddr,
    folder: tempfile::TempDir,
    _runtime: Runtime,
}

pub(crate) const URL: &str = "s3://bucket/some/toy";

impl S3Server {
    /// Starts a server whose dataset was packed under `seed`.
    pub(crate) fn start(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dataset = dataset_dir(folder.path());
        std::fs::create_dir_all(&dataset).unwrap();
        samples::pack(&dataset, seed);
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    // A client that hangs up is part of the tests.
                    drop(builder.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self { address, folder, _runtime: runtime }
    }

    /// Folder of the dataset's objects.
    pub(crate) fn dataset(&self) -> PathBuf {
        dataset_dir(self.folder.path())
    }
}

fn dataset_dir(root: &Path) -> PathBuf {
    root.join("bucket/some/toy")
}

/// Options to read from a server at `address`, with a cache in `cache_dir`.
pub(crate) fn options(address: SocketAddr, cache_dir: &Path) -> StoreOptions {
    let settings = [
        ("aws_endpoint", format!("http://{address}")),
        ("aws_allow_http", "true".into()),
        ("aws_region", "us-east-1".into()),
        ("aws_access_key_id", KEY.into()),
        ("aws_secret_access_key", SECRET.into()),
    ];
    StoreOptions {
        cache_dir: Some(cache_dir.to_owned()),
        store: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        ..StoreOptions::default()
    }
}
