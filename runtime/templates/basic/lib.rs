//! An actor that says that it has started, and nothing else yet.

mod bindings;

use bindings::exports::theater::simple::actor::Guest;
use bindings::theater::simple::runtime::log;

struct Component;

impl Guest for Component {
    /// The actor starts. What is returned here is the state that the next call gets.
    fn init(state: Option<Vec<u8>>, params: (String,)) -> Result<(Option<Vec<u8>>,), String> {
        let (id,) = params;
        log(&format!("actor {id} has started"));
        Ok((state,))
    }
}

bindings::export!(Component with_types_in bindings);
