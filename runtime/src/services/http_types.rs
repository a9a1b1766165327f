//! `theater:simple/http-types`: requests and responses as values, and what holds for them on their way
//! in and on their way out.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use theater_record::Value;

/// No body is larger.
pub(super) const BODY_BYTES_MAX: usize = 8 << 20;
/// All headers of a message together are not larger.
pub(super) const HEADER_BYTES_MAX: usize = 64 << 10;
/// No message has more headers.
pub(super) const HEADERS_MAX: usize = 1000;
/// How much of a connection is read ahead: room for all headers and the line before them.
pub(super) const READ_AHEAD_BYTES_MAX: usize = HEADER_BYTES_MAX + (16 << 10);
/// How long things take at most where the manifest does not say.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// Headers by which somebody proves who they are.
pub(crate) const SECRET_HEADERS: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];

/// Headers that are about a connection, which is the runtime's concern.
const OF_CONNECTIONS: [&str; 8] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// More than a header takes on the wire besides its name and its value.
const HEADER_EXTRA_BYTES: usize = 4;

/// Headers in their order.
pub(super) type Headers = Vec<(String, String)>;

/// `http-request`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) headers: Headers,
    pub(super) body: Option<Vec<u8>>,
}

/// `http-response`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Option<Vec<u8>>,
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("{0:?} is no name of a header")]
    Name(String),
    #[error("the value of the header {0} has control characters in it")]
    Value(String),
    #[error("the value of the header {0} is not UTF-8")]
    NotText(String),
    #[error("the header {0} is about the connection, which is not the actor's")]
    OfConnection(String),
    #[error("the header content-length says {said:?}, but the body has {bytes} bytes")]
    Length { said: String, bytes: usize },
    #[error(
        "there are more than {HEADERS_MAX} headers, or more than {HEADER_BYTES_MAX} bytes of them"
    )]
    HeadersTooLarge,
    #[error("the body has more than {0} bytes")]
    BodyTooLarge(usize),
}

impl Request {
    /// The request that a value is; `None` if it is none.
    pub(super) fn of(value: Value) -> Option<Request> {
        let [method, uri, headers, body] = fields(value)?;
        let (Value::String(method), Value::String(uri)) = (method, uri) else { return None };
        Some(Request { method, uri, headers: headers_of(headers)?, body: body_of(body)? })
    }

    /// The request as a value.
    pub(super) fn into_value(self) -> Value {
        let (method, uri) = (Value::String(self.method), Value::String(self.uri));
        Value::Record(vec![method, uri, headers_value(self.headers), body_value(self.body)])
    }
}

impl Response {
    /// The response that a value is; `None` if it is none.
    pub(super) fn of(value: Value) -> Option<Response> {
        let [status, headers, body] = fields(value)?;
        let Value::U16(status) = status else { return None };
        Some(Response { status, headers: headers_of(headers)?, body: body_of(body)? })
    }

    /// The response as a value.
    pub(super) fn into_value(self) -> Value {
        let status = Value::U16(self.status);
        Value::Record(vec![status, headers_value(self.headers), body_value(self.body)])
    }
}

/// Headers from the network, as text.
pub(super) fn received(headers: &HeaderMap) -> Result<Headers, Malformed> {
    let mut texts = Headers::with_capacity(headers.len());
    let mut bytes = 0;
    for (name, value) in headers {
        bytes += name.as_str().len() + value.len() + HEADER_EXTRA_BYTES;
        let name = name.as_str().to_owned();
        match str::from_utf8(value.as_bytes()) {
            Ok(value) => texts.push((name, value.to_owned())),
            Err(_) => return Err(Malformed::NotText(name)),
        }
    }
    if bytes > HEADER_BYTES_MAX || texts.len() > HEADERS_MAX {
        return Err(Malformed::HeadersTooLarge);
    }
    Ok(texts)
}

/// Headers for the network, each held to what it may be. A `content-length` that is right is left out:
/// it is written anew. One that stands for a body that is not sent stays.
pub(super) fn sendable(headers: &Headers, body: Option<&[u8]>) -> Result<HeaderMap, Malformed> {
    let mut map = HeaderMap::new();
    let mut bytes = 0;
    for (name, value) in headers {
        bytes += name.len() + value.len() + HEADER_EXTRA_BYTES;
        let wrong = |_| Malformed::Name(name.clone());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(wrong)?;
        let wrong = |_| Malformed::Value(name.clone());
        let content = HeaderValue::from_bytes(value.as_bytes()).map_err(wrong)?;
        if OF_CONNECTIONS.contains(&header.as_str()) {
            return Err(Malformed::OfConnection(name.clone()));
        }
        if header == http::header::CONTENT_LENGTH {
            match (value.parse::<usize>(), body) {
                (Ok(said), Some(body)) if said == body.len() => continue,
                (Ok(_), None) if !map.contains_key(&header) => {}
                _ => {
                    let bytes = body.map_or(0, <[u8]>::len);
                    return Err(Malformed::Length { said: value.clone(), bytes });
                }
            }
        }
        map.append(header, content);
        if bytes > HEADER_BYTES_MAX || map.len() > HEADERS_MAX {
            return Err(Malformed::HeadersTooLarge);
        }
    }
    Ok(map)
}

/// Holds a body that is to be sent to the limit.
pub(super) fn check_body(body: Option<&Vec<u8>>) -> Result<(), Malformed> {
    match body {
        Some(body) if body.len() > BODY_BYTES_MAX => Err(Malformed::BodyTooLarge(BODY_BYTES_MAX)),
        Some(_) | None => Ok(()),
    }
}

/// The smaller one of a limit of the manifest, if it has one, and the limit for bodies.
pub(super) fn body_limit(allowed: Option<u64>) -> usize {
    let allowed = allowed
        .map_or(BODY_BYTES_MAX, |allowed| usize::try_from(allowed).unwrap_or(BODY_BYTES_MAX));
    allowed.min(BODY_BYTES_MAX)
}

/// A time of the manifest, or what holds where it does not say.
pub(super) fn time_limit(timeout_ns: Option<u64>) -> Duration {
    timeout_ns.map_or(TIMEOUT, Duration::from_nanos)
}

fn fields<const N: usize>(value: Value) -> Option<[Value; N]> {
    match value {
        Value::Record(fields) => fields.try_into().ok(),
        _ => None,
    }
}

fn headers_of(value: Value) -> Option<Headers> {
    let Value::List(headers) = value else { return None };
    let header = |header| {
        let Value::Tuple(header) = header else { return None };
        match <[Value; 2]>::try_from(header).ok()? {
            [Value::String(name), Value::String(value)] => Some((name, value)),
            _ => None,
        }
    };
    headers.into_iter().map(header).collect()
}

fn headers_value(headers: Headers) -> Value {
    let header = |(name, value)| Value::Tuple(vec![Value::String(name), Value::String(value)]);
    Value::List(headers.into_iter().map(header).collect())
}

fn body_of(value: Value) -> Option<Option<Vec<u8>>> {
    match value {
        Value::Option(None) => Some(None),
        Value::Option(Some(body)) => match *body {
            Value::Bytes(body) => Some(Some(body)),
            _ => None,
        },
        _ => None,
    }
}

fn body_value(body: Option<Vec<u8>>) -> Value {
    Value::Option(body.map(|body| Box::new(Value::Bytes(body))))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use theater_record::Value;

    use super::*;

    fn headers(all: &[(&str, &str)]) -> Headers {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn messages_are_the_same_after_they_were_values() {
        let headers = headers(&[("a", "1"), ("b", "2"), ("a", "3")]);
        let (method, uri) = ("PUT".to_owned(), "/x?y".to_owned());
        let request = Request { method, uri, headers: headers.clone(), body: None };
        assert_eq!(Request::of(request.clone().into_value()), Some(request));
        let response = Response { status: 404, headers, body: Some(b"no".to_vec()) };
        assert_eq!(Response::of(response.clone().into_value()), Some(response));
        assert_eq!(Request::of(Value::Record(vec![Value::U8(1)])), None);
        assert_eq!(Response::of(Value::U16(200)), None);
    }

    #[test]
    fn nothing_is_sent_that_could_start_another_header() {
        let wrong: [(&str, &str, Malformed); 9] = [
            ("a\r\nb", "1", Malformed::Name("a\r\nb".to_owned())),
            ("a b", "1", Malformed::Name("a b".to_owned())),
            ("", "1", Malformed::Name(String::new())),
            ("a:", "1", Malformed::Name("a:".to_owned())),
            ("é", "1", Malformed::Name("é".to_owned())),
            ("a", "1\r\nb: 2", Malformed::Value("a".to_owned())),
            ("a", "1\nb: 2", Malformed::Value("a".to_owned())),
            ("a", "\0", Malformed::Value("a".to_owned())),
            (
                "Transfer-Encoding",
                "chunked",
                Malformed::OfConnection("Transfer-Encoding".to_owned()),
            ),
        ];
        for (name, value, expected) in wrong {
            let all = headers(&[("fine", "yes"), (name, value)]);
            assert_eq!(sendable(&all, Some(b"")), Err(expected));
        }
        let fine = headers(&[("A", "1"), ("b", "grün\t!"), ("a", "2")]);
        let map = sendable(&fine, None).unwrap();
        assert_eq!(received(&map).unwrap(), headers(&[("a", "1"), ("a", "2"), ("b", "grün\t!")]));
    }

    #[test]
    fn a_length_has_to_be_that_of_the_body() {
        let of = |said: &str| headers(&[("content-length", said)]);
        assert_eq!(sendable(&of("2"), Some(b"ab")), Ok(HeaderMap::new()));
        for (said, body) in
            [("3", Some(&b"ab"[..])), ("-1", None), ("two", Some(b"ab")), ("", None)]
        {
            let outcome = sendable(&of(said), body);
            assert!(matches!(outcome, Err(Malformed::Length { .. })), "{said}: {outcome:?}");
        }
        assert_eq!(sendable(&of("70"), None).unwrap()["content-length"], "70");
        let twice = headers(&[("content-length", "7"), ("Content-Length", "8")]);
        assert!(matches!(sendable(&twice, None), Err(Malformed::Length { .. })));
    }

    #[test]
    fn headers_are_bounded_in_both_directions() {
        let many = vec![("a".to_owned(), String::new()); HEADERS_MAX + 1];
        assert_eq!(sendable(&many, None), Err(Malformed::HeadersTooLarge));
        let long = headers(&[("a", &"x".repeat(HEADER_BYTES_MAX))]);
        assert_eq!(sendable(&long, None), Err(Malformed::HeadersTooLarge));
        let mut map = HeaderMap::new();
        map.append("a", HeaderValue::from_bytes(&vec![b'x'; HEADER_BYTES_MAX]).unwrap());
        assert_eq!(received(&map), Err(Malformed::HeadersTooLarge));
    }

    #[test]
    fn what_is_not_text_does_not_come_in() {
        let mut map = HeaderMap::new();
        map.append("a", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(received(&map), Err(Malformed::NotText("a".to_owned())));
    }

    #[test]
    fn limits_of_a_manifest_only_make_bodies_smaller() {
        assert_eq!(body_limit(None), BODY_BYTES_MAX);
        assert_eq!(body_limit(Some(10)), 10);
        assert_eq!(body_limit(Some(u64::MAX)), BODY_BYTES_MAX);
    }
}
