//! Sets up the connection to a store.

use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};

use super::address::{Address, Scheme};
use super::observed::Observed;
use crate::stats::Counters;

/// How long a connection may stay silent, unless the user says otherwise. The time to connect and
/// the time for a whole answer have limits already, of 5 and 30 seconds.
const READ_TIMEOUT: &str = "15s";

/// A store for `address`, set up by the usual environment variables (`AWS_*`, `GOOGLE_*`,
/// `AZURE_*`) and then by `settings`; or why there is none.
pub(crate) fn connect(
    address: &Address,
    settings: &[(String, String)],
    counters: &Arc<Counters>,
) -> Result<Arc<dyn ObjectStore>, String> {
    if let Some((name, _)) = settings.iter().find(|(name, _)| !is_setting(name)) {
        return Err(format!("there is no setting {name:?}"));
    }
    // A macro, because the builders share names and no trait.
    macro_rules! built {
        ($builder:expr, $key:ident, $client_key:path) => {{
            let mut builder = $builder;
            if builder.get_config_value(&$client_key(ClientConfigKey::ReadTimeout)).is_none() {
                builder =
                    builder.with_config($client_key(ClientConfigKey::ReadTimeout), READ_TIMEOUT);
            }
            for (name, value) in settings {
                if let Ok(key) = name.to_ascii_lowercase().parse::<$key>() {
                    builder = builder.with_config(key, value);
                }
            }
            builder
                .with_retry(no_retries())
                .with_http_connector(Observed(counters.clone()))
                .build()
                .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
        }};
    }
    let store = match address.scheme {
        Scheme::S3 => built!(
            AmazonS3Builder::from_env().with_bucket_name(&address.host),
            AmazonS3ConfigKey,
            AmazonS3ConfigKey::Client
        ),
        Scheme::Google => built!(
            GoogleCloudStorageBuilder::from_env().with_bucket_name(&address.host),
            GoogleConfigKey,
            GoogleConfigKey::Client
        ),
        Scheme::Azure => built!(
            MicrosoftAzureBuilder::from_env().with_container_name(&address.host),
            AzureConfigKey,
            AzureConfigKey::Client
        ),
        Scheme::Http => http(address, settings, counters),
    };
    store.map_err(|error| error.to_string())
}

fn http(
    address: &Address,
    settings: &[(String, String)],
    counters: &Arc<Counters>,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let mut builder = HttpBuilder::new()
        .with_url(&address.host)
        .with_config(ClientConfigKey::ReadTimeout, READ_TIMEOUT)
        .with_config(ClientConfigKey::AllowHttp, address.host.starts_with("http:").to_string());
    for (name, value) in settings {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    let builder = builder.with_retry(no_retries()).with_http_connector(Observed(counters.clone()));
    Ok(Arc::new(builder.build()?))
}

/// The fetcher repeats what failed, and two loops, one inside the other, would multiply.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// Whether some store knows a setting of this name; one list may serve several stores.
fn is_setting(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.parse::<AmazonS3ConfigKey>().is_ok()
        || name.parse::<GoogleConfigKey>().is_ok()
        || name.parse::<AzureConfigKey>().is_ok()
}
