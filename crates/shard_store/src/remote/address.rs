//! Takes the URL of a dataset apart.

use object_store::path::Path;

/// Kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    S3,
    Google,
    Azure,
    Http,
}

/// Where a dataset lies behind a URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub scheme: Scheme,
    /// Bucket, container, or the URL up to the path.
    pub host: String,
    /// Folder of the dataset.
    pub prefix: Path,
    /// The URL without slashes at its end.
    pub url: String,
}

/// What is wrong with a URL, and what would be right.
pub(crate) type Mistake = (String, &'static str);

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, Mistake> {
        let expected = "s3://, gs://, az://, http:// or https://";
        let (scheme_text, rest) =
            url.split_once("://").ok_or_else(|| ("no scheme".to_owned(), expected))?;
        let scheme = match scheme_text {
            "s3" => Scheme::S3,
            "gs" => Scheme::Google,
            "az" => Scheme::Azure,
            "http" | "https" => Scheme::Http,
            _ => return Err((format!("scheme {scheme_text:?}"), expected)),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return Err(("no bucket or host".into(), "one between :// and the next slash"));
        }
        // A password would be shown in every message.
        if host.contains('@') {
            let expected = "credentials in the environment variables of the store";
            return Err(("credentials in the URL".into(), expected));
        }
        if let Some(mark) = url.find(['?', '#']) {
            let found = format!("{:?} in the URL", &url[mark..=mark]);
            return Err((found, "the folder that holds index.json"));
        }
        let prefix = match scheme {
            // The path of a web address is percent-encoded, the name of an object is not.
            Scheme::Http => Path::from_url_path(path),
            _ => Path::parse(path),
        };
        let prefix = prefix.map_err(|error| (error.to_string(), "the path of a folder"))?;
        let host = match scheme {
            Scheme::Http => format!("{scheme_text}://{host}"),
            _ => host.to_owned(),
        };
        Ok(Self { scheme, host, prefix, url: url.trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_and_a_web_server_are_told_apart() {
        let bucket = Address::parse("s3://bucket/a/b/").unwrap();
        assert_eq!((bucket.scheme, bucket.host.as_str()), (Scheme::S3, "bucket"));
        assert_eq!((bucket.prefix.as_ref(), bucket.url.as_str()), ("a/b", "s3://bucket/a/b"));
        let web = Address::parse("https://host:81/a%20b").unwrap();
        assert_eq!((web.scheme, web.host.as_str()), (Scheme::Http, "https://host:81"));
        assert_eq!(web.prefix.as_ref(), "a b");
        assert_eq!(Address::parse("gs://bucket").unwrap().prefix.as_ref(), "");
    }

    #[test]
    fn other_urls_are_refused_with_what_is_wrong() {
        for (url, found) in [
            ("ftp://host/a", "scheme \"ftp\""),
            ("s3:///a", "no bucket or host"),
            ("http://user:secret@host/a", "credentials in the URL"),
            ("http://host/a?signature=1", "\"?\" in the URL"),
            ("s3://bucket/a//b", "Path \"a//b\" contained empty path segment"),
        ] {
            assert_eq!(Address::parse(url).unwrap_err().0, found, "{url}");
        }
    }
}
