//! What waits to be sent on a WebSocket connection, bounded.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;

use crate::actor::lock;

/// How much may wait.
pub(super) const WAITING_BYTES_MAX: usize = 1 << 20;
/// What a message takes besides its content.
const MESSAGE_EXTRA_BYTES: usize = 64;

/// A queue with one reader.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    has_more: Notify,
    has_room: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Message>,
    bytes: usize,
    /// The one that was taken last is being sent, and still takes its room.
    sending_bytes: usize,
    is_closed: bool,
}

/// Why a message is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// Nothing is sent on this connection any more.
    #[error("it is closed")]
    Closed,
    /// There is no room.
    #[error("the client does not read: more than {WAITING_BYTES_MAX} bytes wait for it")]
    Full,
}

impl Outbox {
    /// Puts a message in, if there is room.
    pub(super) fn push(&self, message: Message) -> Result<(), Refused> {
        self.put(message).map_err(|(refused, _)| refused)
    }

    /// Puts a message in once there is room.
    pub(super) async fn push_in_turn(&self, mut message: Message) -> Result<(), Refused> {
        loop {
            let room = self.has_room.notified();
            message = match self.put(message) {
                Ok(()) => return Ok(()),
                Err((Refused::Closed, _)) => return Err(Refused::Closed),
                Err((Refused::Full, message)) => message,
            };
            room.await;
        }
    }

    /// Takes the next message, which takes its room until the next call. `None` once it is closed and
    /// empty.
    pub(super) async fn take(&self) -> Option<Message> {
        loop {
            let more = self.has_more.notified();
            {
                let mut state = lock(&self.state);
                state.bytes -= std::mem::take(&mut state.sending_bytes);
                self.has_room.notify_one();
                if let Some(message) = state.waiting.pop_front() {
                    state.sending_bytes = cost(&message);
                    return Some(message);
                }
                if state.is_closed {
                    return None;
                }
            }
            more.await;
        }
    }

    /// Lets nothing more in.
    pub(super) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.has_more.notify_one();
        self.has_room.notify_one();
    }

    fn put(&self, message: Message) -> Result<(), (Refused, Message)> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err((Refused::Closed, message));
        }
        let bytes = state.bytes + cost(&message);
        // The largest message there can be has to fit into an empty one.
        if state.bytes > 0 && bytes > WAITING_BYTES_MAX {
            return Err((Refused::Full, message));
        }
        state.bytes = bytes;
        state.waiting.push_back(message);
        self.has_more.notify_one();
        Ok(())
    }
}

fn cost(message: &Message) -> usize {
    message.len() + MESSAGE_EXTRA_BYTES
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_not_read_fills_it_and_what_is_read_makes_room() {
        let outbox = Outbox::default();
        let large = || Message::binary(vec![0; WAITING_BYTES_MAX]);
        outbox.push(large()).unwrap();
        assert_eq!(outbox.push(Message::text("a")), Err(Refused::Full));
        assert!(outbox.take().await.unwrap().is_binary());
        // It is being sent.
        assert_eq!(outbox.push(Message::text("a")), Err(Refused::Full));
        let waits = outbox.push_in_turn(Message::text("b"));
        let reads = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            outbox.take().await.unwrap()
        };
        let (pushed, read) = tokio::join!(waits, reads);
        assert_eq!((pushed, read), (Ok(()), Message::text("b")));
    }

    #[tokio::test]
    async fn many_small_messages_fill_it_too() {
        let outbox = Outbox::default();
        let count = (0..).take_while(|_| outbox.push(Message::text("")).is_ok()).count();
        assert_eq!(count, WAITING_BYTES_MAX / MESSAGE_EXTRA_BYTES);
    }

    #[tokio::test]
    async fn what_was_put_in_before_it_is_closed_comes_out() {
        let outbox = Outbox::default();
        outbox.push(Message::text("a")).unwrap();
        outbox.close();
        assert_eq!(outbox.push(Message::text("b")), Err(Refused::Closed));
        assert_eq!(outbox.push_in_turn(Message::text("b")).await, Err(Refused::Closed));
        assert_eq!(outbox.take().await, Some(Message::text("a")));
        assert_eq!(outbox.take().await, None);
    }
}
