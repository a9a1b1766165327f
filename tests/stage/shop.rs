//! The shop of `corpus/guests/rust/shop`, with the services it asks and a day of work for it.

use std::path::PathBuf;

use super::server::{Answer, Request, Server};
use super::{Recorded, Setup};

/// The builds that each have a bug.
pub(crate) const REGRESSIONS: [&str; 6] =
    ["off-by-one", "tool-order", "header", "float-format", "time-zone", "retries"];

/// Three orders, the last of which cannot be paid, and two reports. It is the 14th in UTC, and two
/// hours later, where the shop is, the 15th.
const CALLS: [&str; 5] = [
    "handle(\"o-17\")",
    "handle(\"o-18\")",
    "handle(\"o-19\")",
    "report(date(\"2023-11-13\"))",
    "report(today)",
];

/// The services of a shop.
pub(crate) struct Services(Server);

impl Services {
    pub(crate) fn start() -> Services {
        Services(Server::start(answer))
    }

    /// Records a build of the shop at its day's work.
    pub(crate) fn record(&self, build: PathBuf) -> Recorded {
        let authority = self.0.authority();
        let mut setup = Setup::at(build).http(&authority);
        let env = [("SHOP_URL", format!("http://{authority}")), ("SHOP_UTC_OFFSET", "120".into())];
        setup.grants.env.extend(env.map(|(name, value)| (name.to_owned(), value)));
        let recorded = CALLS.into_iter().fold(setup, Setup::call).record();
        assert!(recorded.failure.is_none(), "{:?}\n{}", recorded.failure, recorded.stderr);
        recorded
    }
}

fn answer(request: &Request) -> Answer {
    let text = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/orders/o-17") => "customer Ann\n2 lamp 14.95\n1 cable 14.95\n",
        ("GET", "/orders/o-18") => "customer Bob\n3 chair 19.90\n",
        ("GET", "/orders/o-19") => "customer Eve\n1 lamp 14.95\n",
        ("POST", "/stock") => "set aside\n",
        ("POST", "/payments") if request.body.contains("\"o-19\"") => {
            return (503, "busy\n".to_owned());
        }
        ("POST", "/payments") => "paid\n",
        ("GET", "/sales/2023-11-13?page=1") => "pages 1\n5.00\n",
        ("GET", "/sales/2023-11-14?page=1") => "pages 1\n8.25\n",
        ("GET", "/sales/2023-11-15?page=1") => "pages 3\n44.85\n14.95\n",
        ("GET", "/sales/2023-11-15?page=2") => "pages 3\n7.77\n",
        ("GET", "/sales/2023-11-15?page=3") => "pages 3\n59.70\n",
        _ => return (404, "there is no such thing\n".to_owned()),
    };
    (200, text.to_owned())
}
