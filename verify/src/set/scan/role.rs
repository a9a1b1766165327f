//! The functions that have to do with messages, by their names.

use theater_record::{Decoder, Frame, FunctionType};

use crate::set::member::Handler;

const SENDS: &str = "theater:simple/message-server-host";
const HANDLES: &str = "theater:simple/message-server-client";
const SUPERVISES: &str = "theater:simple/supervisor";

/// A function that has to do with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Sends a message that leads to this handler.
    Sends(Handler),
    /// Answers a request later.
    Responds,
    /// Gives up on a request.
    Cancels,
    /// Starts a child.
    Spawns,
    /// Receives a message.
    Handles(Handler),
}

/// What a function has to do with messages, if anything.
pub(super) fn role(function: &FunctionType) -> Option<Role> {
    let interface = function.interface.split('@').next().unwrap_or_default();
    Some(match (interface, function.name.as_str()) {
        (SENDS, "send") => Role::Sends(Handler::Send),
        (SENDS, "request") => Role::Sends(Handler::Request),
        (SENDS, "open-channel") => Role::Sends(Handler::ChannelOpen),
        (SENDS, "send-on-channel") => Role::Sends(Handler::ChannelMessage),
        (SENDS, "close-channel") => Role::Sends(Handler::ChannelClose),
        (SENDS, "respond-to-request") => Role::Responds,
        (SENDS, "cancel-request") => Role::Cancels,
        (SUPERVISES, "spawn" | "spawn-child") => Role::Spawns,
        (HANDLES, "handle-send") => Role::Handles(Handler::Send),
        (HANDLES, "handle-request") => Role::Handles(Handler::Request),
        (HANDLES, "handle-channel-open") => Role::Handles(Handler::ChannelOpen),
        (HANDLES, "handle-channel-message") => Role::Handles(Handler::ChannelMessage),
        (HANDLES, "handle-channel-close") => Role::Handles(Handler::ChannelClose),
        _ => return None,
    })
}

/// The number of the function that a call or a return is about, without decoding the rest.
pub(super) fn function_of(frame: &Frame<'_>) -> Option<u32> {
    let mut body = Decoder::new(frame.body());
    body.array().ok()?;
    body.bytes().ok()?;
    body.bytes().ok()?;
    body.uint().ok()?;
    body.uint().ok()?;
    body.uint_as().ok()
}
