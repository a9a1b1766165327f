//! The child: an actor that says that it has started, and nothing else yet.

mod bindings;

use bindings::exports::theater::simple::actor::Guest;
use bindings::theater::simple::runtime::log;

struct Component;

impl Guest for Component {
    fn init(state: Option<Vec<u8>>, params: (String,)) -> Result<(Option<Vec<u8>>,), String> {
        let (id,) = params;
        log(&format!("child {id} has started"));
        Ok((state,))
    }
}

bindings::export!(Component with_types_in bindings);
