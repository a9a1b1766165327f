//! WebSocket connections: what comes in goes to the actor one message after another, and what goes out
//! waits in an outbox.

use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use theater_record::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::caller::{Answer, Asked, Unanswered, reaches};
use super::listener::{GRACE, changes};
use super::outbox::Outbox;
use super::request::{Refusal, Visit};
use super::site::SocketPath;

/// No message is larger.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// How much is read from a connection at once.
const READ_BYTES: usize = 16 << 10;
/// The only version there is.
const VERSION: &str = "13";

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// A request to go on as a WebSocket connection.
pub(super) struct Upgrade {
    on: OnUpgrade,
    /// What has to be sent back; `None` if the request is not as it should be.
    accept: Option<String>,
    is_of_this_version: bool,
}

/// An open connection.
struct Link {
    visit: Visit,
    handlers: SocketPath,
    number: u64,
    path: String,
    outbox: Arc<Outbox>,
}

impl Upgrade {
    /// Takes the upgrade out of a request that wants one.
    pub(super) fn wanted_by(request: &mut http::Request<Incoming>) -> Option<Upgrade> {
        let headers = request.headers();
        let is_wanted = request.method() == Method::GET
            && request.version() >= Version::HTTP_11
            && lists(headers, &UPGRADE, "websocket")
            && lists(headers, &CONNECTION, "upgrade");
        if !is_wanted {
            return None;
        }
        let is_of_this_version = lists(headers, &SEC_WEBSOCKET_VERSION, VERSION);
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
        // Sixteen bytes in base64.
        let is_key = |key: &&[u8]| key.len() == 24 && key.ends_with(b"==");
        let accept = key.filter(is_key).map(derive_accept_key);
        Some(Upgrade { on: hyper::upgrade::on(request), accept, is_of_this_version })
    }
}

/// Whether a header has this word in its list.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|it| it.trim().eq_ignore_ascii_case(word))
}

/// Agrees to an upgrade, and serves the connection from then on.
pub(super) fn accept(
    visit: Visit,
    upgrade: Upgrade,
    handlers: SocketPath,
    path: String,
    query: Option<String>,
) -> Result<Answer, Refusal> {
    if !upgrade.is_of_this_version {
        let refusal = Refusal::from(StatusCode::UPGRADE_REQUIRED);
        return Err(refusal.with(SEC_WEBSOCKET_VERSION, VERSION.to_owned()));
    }
    let accept = upgrade.accept.ok_or(StatusCode::BAD_REQUEST)?;
    let accept = HeaderValue::try_from(accept).map_err(|_| StatusCode::BAD_REQUEST)?;
    tokio::spawn(async move {
        // If it fails, the client has gone before it heard of the agreement.
        let Ok(upgraded) = upgrade.on.await else { return };
        let outbox = Arc::new(Outbox::default());
        let number = visit.site.opened(&outbox, &handlers.pattern);
        let link = Link { visit, handlers, number, path, outbox };
        link.serve(TokioIo::new(upgraded), query).await;
    });
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(answer)
}

impl Link {
    async fn serve(self, upgraded: TokioIo<Upgraded>, query: Option<String>) {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(2 * MESSAGE_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let stream = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
        let (mut sink, mut stream) = stream.split();
        let mut phase = self.visit.phase.clone();
        let code = tokio::select! {
            code = self.receive(&mut stream, query) => code,
            code = self.send(&mut sink) => code,
            _ = changes(&mut phase) => CloseCode::Away,
        };
        self.outbox.close();
        self.visit.site.closed(self.number);
        let frame = CloseFrame { code, reason: Default::default() };
        // Who does not listen any more need not be told.
        let _ = tokio::time::timeout(GRACE, sink.send(Message::Close(Some(frame)))).await;
        drop((sink, stream));
        if let Some(handler) = self.handlers.disconnect {
            let asked = self.asked("handle-websocket-disconnect", handler, Vec::new());
            // If the actor has ended, it does not hear of it.
            let _ = self.visit.site.caller.call_in_turn(asked, nothing_in).await;
        }
    }

    /// Hands what comes in to the actor, until there is a reason to close.
    async fn receive(&self, stream: &mut SplitStream<Stream>, query: Option<String>) -> CloseCode {
        if let Some(handler) = self.handlers.connect {
            let query = Value::Option(query.map(|query| Box::new(Value::String(query))));
            let params = vec![Value::String(self.path.clone()), query];
            let asked = self.asked("handle-websocket-connect", handler, params);
            if let Err(unanswered) = self.visit.site.caller.call_in_turn(asked, nothing_in).await {
                return code_of(&unanswered);
            }
        }
        let mut is_awaited = false;
        loop {
            // Somebody who has gone without a word does not answer a ping.
            let next = match tokio::time::timeout(self.visit.site.patience(), stream.next()).await {
                Err(_) if is_awaited => return CloseCode::Away,
                Err(_) => {
                    is_awaited = true;
                    let _ = self.outbox.push(Message::Ping(Default::default()));
                    continue;
                }
                Ok(next) => next,
            };
            is_awaited = false;
            let message = match next {
                None | Some(Ok(Message::Close(_))) => return CloseCode::Normal,
                Some(Ok(message)) => message,
                Some(Err(Error::Capacity(_))) => return CloseCode::Size,
                Some(Err(Error::Utf8(_))) => return CloseCode::Invalid,
                Some(Err(Error::Protocol(_))) => return CloseCode::Protocol,
                Some(Err(_)) => return CloseCode::Away,
            };
            let Some(message) = value(message) else { continue };
            let asked =
                self.asked("handle-websocket-message", self.handlers.message, vec![message]);
            match self.visit.site.caller.call_in_turn(asked, replies_in).await {
                Err(unanswered) => return code_of(&unanswered),
                Ok(replies) => {
                    for reply in replies {
                        if self.outbox.push_in_turn(reply).await.is_err() {
                            return CloseCode::Normal;
                        }
                    }
                }
            }
        }
    }

    /// Sends what is in the outbox, until it is closed or nobody reads it.
    async fn send(&self, sink: &mut SplitSink<Stream, Message>) -> CloseCode {
        while let Some(message) = self.outbox.take().await {
            match tokio::time::timeout(self.visit.site.patience(), sink.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return CloseCode::Away,
            }
        }
        CloseCode::Normal
    }

    fn asked(&self, name: &'static str, handler: u64, more: Vec<Value>) -> Asked {
        let through = format!(", websocket {}", self.number);
        let subject = format!("GET {}", self.path);
        let decision = reaches(&subject, self.visit.peer, self.visit.site.number, &through);
        let params = [Value::U64(handler), Value::U64(self.number)].into_iter().chain(more);
        Asked { name, params: params.collect(), decision }
    }
}

/// A `websocket-message` as it is sent; an error if it is none, or too large.
pub(super) fn message_of(value: Value) -> Result<Message, String> {
    let message = match value {
        Value::Variant(0, Some(text)) => match *text {
            Value::String(text) => Message::text(text),
            _ => return Err("there is no text in the message".to_owned()),
        },
        Value::Variant(1, Some(bytes)) => match *bytes {
            Value::Bytes(bytes) => Message::binary(bytes),
            _ => return Err("there are no bytes in the message".to_owned()),
        },
        _ => return Err("the message is none".to_owned()),
    };
    match message.len() {
        0..=MESSAGE_BYTES_MAX => Ok(message),
        bytes => Err(format!("a message of {bytes} bytes is larger than {MESSAGE_BYTES_MAX}")),
    }
}

/// What the actor sees of a message, if anything.
fn value(message: Message) -> Option<Value> {
    let (case, content) = match message {
        Message::Text(text) => (0, Value::String(text.as_str().to_owned())),
        Message::Binary(bytes) => (1, Value::Bytes(bytes.into())),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return None,
    };
    Some(Value::Variant(case, Some(Box::new(content))))
}

fn replies_in(given: Vec<Value>) -> Result<Vec<Message>, String> {
    match given.into_iter().next() {
        Some(Value::List(replies)) => replies.into_iter().map(message_of).collect(),
        _ => Err("the handler returned no messages".to_owned()),
    }
}

fn nothing_in(_given: Vec<Value>) -> Result<(), String> {
    Ok(())
}

fn code_of(unanswered: &Unanswered) -> CloseCode {
    match unanswered {
        Unanswered::Full | Unanswered::Late => CloseCode::Again,
        Unanswered::Ended => CloseCode::Away,
        Unanswered::Failed => CloseCode::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_same_after_they_were_values() {
        for message in [Message::text("grün"), Message::binary(vec![0, 255])] {
            assert_eq!(message_of(value(message.clone()).unwrap()), Ok(message));
        }
        assert_eq!(value(Message::Ping(Default::default())), None);
        let large = Value::Bytes(vec![0; MESSAGE_BYTES_MAX + 1]);
        let large = Value::List(vec![Value::Variant(1, Some(Box::new(large)))]);
        assert_eq!(
            replies_in(vec![large]),
            Err("a message of 1048577 bytes is larger than 1048576".to_owned())
        );
        assert!(replies_in(Vec::new()).is_err());
        assert!(message_of(Value::Variant(0, Some(Box::new(Value::U8(1))))).is_err());
    }

    #[test]
    fn words_of_headers_are_found_in_any_place() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        assert!(lists(&headers, &CONNECTION, "upgrade"));
        assert!(!lists(&headers, &CONNECTION, "up"));
        assert!(!lists(&headers, &UPGRADE, "websocket"));
    }
}
