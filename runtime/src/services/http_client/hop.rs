//! One request to one server, and the request that a redirect makes of it.

use bytes::Bytes;
use http::header::{HOST, HeaderName, LOCATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body_util::Full;

use super::NoResponse;
use crate::host::Origin;
use crate::services::http_types::{Request, Response, SECRET_HEADERS, sendable};

/// An address is not longer.
const ADDRESS_BYTES_MAX: usize = 8 << 10;

/// Headers that are about a body, and go with it.
const OF_BODIES: [&str; 4] =
    ["content-encoding", "content-language", "content-location", "content-type"];

/// A request to one server.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) origin: Origin,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// Nothing can be sent like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAddress {
    /// The request's own address.
    #[error(
        "an address has a scheme (http or https), a host and no user name, as https://example.com/a has"
    )]
    Wrong,
    /// The address of a redirect.
    #[error("the redirect leads to no address")]
    Redirect,
    /// The request's method.
    #[error("{0:?} is no method of a request")]
    Method(String),
    /// The header `host` speaks of another server.
    #[error("the header host says something else than the address")]
    Host,
}

impl Hop {
    /// The first request, as the actor has made it.
    pub(super) fn first(request: Request) -> Result<Hop, NoResponse> {
        let Request { method, uri, headers, body } = request;
        let method = method_of(&method).ok_or(NoAddress::Method(method))?;
        let (uri, origin) = address(&uri).ok_or(NoAddress::Wrong)?;
        let mut headers = sendable(&headers, Some(body.as_deref().unwrap_or_default()))?;
        // With another name, a server could be reached that is not the one that was allowed.
        let is_other = |host: &HeaderValue| {
            uri.authority()
                .is_none_or(|it| !it.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()))
        };
        if headers.get_all(HOST).iter().any(is_other) {
            return Err(NoAddress::Host.into());
        }
        headers.remove(HOST);
        Ok(Hop { method, origin, uri, headers, body: body.unwrap_or_default().into() })
    }

    /// What goes out on a connection to the server.
    pub(super) fn message(&self) -> http::Request<Full<Bytes>> {
        let mut message = http::Request::new(Full::new(self.body.clone()));
        *message.method_mut() = self.method.clone();
        let whole = self.uri.path_and_query().cloned();
        *message.uri_mut() = Uri::from(whole.unwrap_or(PathAndQuery::from_static("/")));
        // Some servers want it first.
        if let Some(Ok(host)) = self.uri.authority().map(|it| HeaderValue::from_str(it.as_str())) {
            message.headers_mut().insert(HOST, host);
        }
        message.headers_mut().extend(self.headers.clone());
        message
    }

    /// The request that a response asks for in place of this one, if it asks for one.
    pub(super) fn redirected(&self, response: &Response) -> Result<Option<Hop>, NoAddress> {
        let is_location = |(name, _): &&(String, String)| name == LOCATION.as_str();
        let Some((_, location)) = response.headers.iter().find(is_location) else {
            return Ok(None);
        };
        let is_get = match response.status {
            // What was to be posted has arrived; what it came to is elsewhere.
            301 | 302 if self.method == Method::POST => true,
            303 if self.method != Method::HEAD => true,
            301 | 302 | 303 | 307 | 308 => false,
            _ => return Ok(None),
        };
        let target = resolve(&self.uri, location);
        let (uri, origin) = address(&target).ok_or(NoAddress::Redirect)?;
        let mut hop = Hop { uri, ..self.clone() };
        if is_get {
            hop.method = Method::GET;
            hop.body = Bytes::new();
            hop.forget(&OF_BODIES);
        }
        if origin != self.origin {
            hop.forget(&SECRET_HEADERS);
            hop.origin = origin;
        }
        Ok(Some(hop))
    }

    fn forget(&mut self, names: &[&'static str]) {
        for name in names {
            self.headers.remove(HeaderName::from_static(name));
        }
    }
}

/// A method that can be sent, in capital letters as manifests have them.
fn method_of(text: &str) -> Option<Method> {
    let method = Method::from_bytes(text.to_ascii_uppercase().as_bytes()).ok()?;
    // A tunnel is no request.
    (method != Method::CONNECT).then_some(method)
}

/// An address, and the server that it leads to.
fn address(text: &str) -> Option<(Uri, Origin)> {
    if text.len() > ADDRESS_BYTES_MAX {
        return None;
    }
    let uri: Uri = text.parse().ok()?;
    let origin = Origin::of(&uri)?;
    Some((uri, origin))
}

/// Where a reference leads that stands in a response to this address: RFC 3986, section 5.2. A fragment
/// is nothing to a server.
fn resolve(base: &Uri, reference: &str) -> String {
    let reference = reference.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str().unwrap_or_default(), base.authority());
    let authority = authority.map_or("", |authority| authority.as_str());
    let before_path = reference.split(['/', '?']).next().unwrap_or_default();
    if before_path.contains(':') {
        return reference.to_owned();
    }
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}");
    }
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let query = match (path, query) {
        // Nothing but a fragment, or nothing at all: the same again.
        ("", None) => base.query(),
        (_, query) => query,
    };
    let path = match path {
        "" => base.path().to_owned(),
        path if path.starts_with('/') => without_dots(path),
        path => {
            let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            without_dots(&format!("{folder}/{path}"))
        }
    };
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    format!("{scheme}://{authority}{path}{query}")
}

/// A path with `.` and `..` carried out.
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = path.split('/').skip(1).peekable();
    while let Some(part) = rest.next() {
        let is_last = rest.peek().is_none();
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => {
                parts.push(part);
                continue;
            }
        }
        if is_last {
            parts.push("");
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: Option<&str>) -> Request {
        Request {
            method: method.to_owned(),
            uri: uri.to_owned(),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            body: body.map(|body| body.as_bytes().to_vec()),
        }
    }

    fn to(status: u16, location: &str) -> Response {
        let headers = vec![("location".to_owned(), location.to_owned())];
        Response { status, headers, body: None }
    }

    #[track_caller]
    fn refused(request: Request) -> String {
        Hop::first(request).map(|hop| hop.uri).unwrap_err().to_string()
    }

    #[test]
    fn references_lead_where_the_rfc_says() {
        // From RFC 3986, section 5.4, and some that redirects have.
        let base: Uri = "http://a/b/c/d;p?q".parse().unwrap();
        for (reference, expected) in [
            ("https://x/y", "https://x/y"),
            ("mailto:me", "mailto:me"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g?y=a/../b", "http://a/b/c/g?y=a/../b"),
            ("g?y=http://x", "http://a/b/c/g?y=http://x"),
        ] {
            assert_eq!(resolve(&base, reference), expected, "{reference}");
        }
    }

    #[test]
    fn only_whole_addresses_of_the_web_are_requested() {
        for uri in [
            "",
            "/path",
            "example.com/a",
            "ftp://a/",
            "file:///etc/passwd",
            "http://",
            "http://me:secret@a/",
            "http://me@a/",
            "http://a/\r\nx",
            "http://a b/",
            "https://a@b@c/",
        ] {
            let expected = NoAddress::Wrong.to_string();
            assert_eq!(refused(request("GET", uri, &[], None)), expected, "{uri}");
        }
        let long = format!("http://a/{}", "x".repeat(ADDRESS_BYTES_MAX));
        assert_eq!(refused(request("GET", &long, &[], None)), NoAddress::Wrong.to_string());
        for method in ["", "GET /x", "CONNECT", "connect", "G\r\nET"] {
            let expected = format!("{method:?} is no method of a request");
            assert_eq!(refused(request(method, "http://a/", &[], None)), expected);
        }
    }

    #[test]
    fn the_header_host_says_what_the_address_says() {
        let to_a = |host: &str| request("GET", "http://a:81/", &[("Host", host)], None);
        assert_eq!(refused(to_a("b")), NoAddress::Host.to_string());
        let message = Hop::first(to_a("A:81")).unwrap().message();
        assert_eq!(message.headers()["host"], "a:81");
        assert_eq!(message.uri(), "/");
    }

    #[test]
    fn what_was_posted_is_not_posted_elsewhere() {
        let all = [("content-type", "a"), ("x", "1"), ("content-length", "4")];
        let post = Hop::first(request("POST", "http://a/", &all, Some("body"))).unwrap();
        for (status, method, body) in [
            (301, "GET", ""),
            (302, "GET", ""),
            (303, "GET", ""),
            (307, "POST", "body"),
            (308, "POST", "body"),
        ] {
            let next = post.redirected(&to(status, "/b")).unwrap().unwrap();
            assert_eq!(
                (next.method.as_str(), &next.body[..]),
                (method, body.as_bytes()),
                "{status}"
            );
            assert_eq!(next.headers.contains_key("content-type"), method == "POST");
            assert_eq!(next.headers["x"], "1");
        }
        let put = Hop::first(request("PUT", "http://a/", &[], Some("body"))).unwrap();
        assert_eq!(put.redirected(&to(302, "/b")).unwrap().unwrap().method, "PUT");
        let head = Hop::first(request("HEAD", "http://a/", &[], None)).unwrap();
        assert_eq!(head.redirected(&to(303, "/b")).unwrap().unwrap().method, "HEAD");
        for status in [200, 300, 304, 404] {
            assert!(post.redirected(&to(status, "/b")).unwrap().is_none(), "{status}");
        }
        let nowhere = Response { headers: Vec::new(), ..to(302, "") };
        assert!(post.redirected(&nowhere).unwrap().is_none());
        let wrong = post.redirected(&to(302, "http://me@b/")).unwrap_err();
        assert_eq!(wrong, NoAddress::Redirect);
    }

    #[test]
    fn proofs_of_who_one_is_stay_with_the_server_they_are_for() {
        let secrets = SECRET_HEADERS.map(|name| (name, "secret"));
        let hop = Hop::first(request("GET", "https://a/", &secrets, None)).unwrap();
        let names = |to_where: &str| {
            hop.redirected(&to(302, to_where)).unwrap().unwrap().headers.keys().len()
        };
        assert_eq!(names("/b"), 5);
        assert_eq!(names("https://A:443/b"), 5);
        for other in ["https://b/", "http://a/", "https://a:444/", "//b/"] {
            assert_eq!(names(other), 0, "{other}");
        }
    }
}
