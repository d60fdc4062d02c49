//! The HTTP client under every store: counts requests, and makes an error of each answer that is
//! worth another try, because the stores' own errors do not tell the status.

use std::pin::Pin;
use std::sync::Arc;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

use super::fault::deepest;
use crate::stats::Counters;

/// Makes HTTP clients that count.
#[derive(Debug)]
pub(crate) struct Observed(pub Arc<Counters>);

/// The answer of a server that is busy or broken for the moment.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {0}")]
struct Busy(String);

/// A machine outside of the clouds, and a user who gave no credentials.
#[derive(Debug, thiserror::Error)]
#[error("no credentials in the environment, and none from this machine's metadata service ({0})")]
struct NoCredentials(String);

#[derive(Debug)]
struct ObservedClient {
    client: HttpClient,
    counters: Arc<Counters>,
}

impl HttpConnector for Observed {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(ObservedClient { client, counters: self.0.clone() }))
    }
}

impl HttpService for ObservedClient {
    fn call<'a, 'future>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'future>>
    where
        'a: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            self.counters.requests.add(1);
            let asks_metadata = is_metadata(request.uri().path());
            let response = match self.client.execute(request).await {
                Err(error) if asks_metadata => {
                    let reason = deepest(&error).to_string();
                    return Err(HttpError::new(error.kind(), NoCredentials(reason)));
                }
                response => response?,
            };
            let status = response.status();
            match status.as_u16() {
                408 | 429 | 500 | 502..=599 => {
                    Err(HttpError::new(HttpErrorKind::Interrupted, Busy(status.to_string())))
                }
                _ => Ok(response),
            }
        })
    }
}

/// Whether a path belongs to the services inside AWS, Google Cloud and Azure that hand out
/// credentials.
fn is_metadata(path: &str) -> bool {
    ["/latest/api/token", "/latest/meta-data", "/computeMetadata", "/metadata/identity"]
        .iter()
        .any(|start| path.starts_with(start))
}
