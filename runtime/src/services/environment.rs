//! `theater:simple/environment`: variables of the process that runs the actor.

use std::collections::BTreeMap;
use std::ffi::OsString;

use theater_record::{Permission, Value};

use super::{decision, unknown};
use crate::host::{Reason, Service, ServiceCall};
use crate::manifest;
use crate::trap::Failure;

/// The service for one instance of an actor, which knows nothing of what was not granted.
pub(super) struct Environment {
    given: manifest::Environment,
    /// Those that are granted, and UTF-8.
    vars: BTreeMap<String, String>,
}

/// The variables of this process, but for those that are about it. One of them opens the server.
pub(super) fn inherited() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| !manifest::is_own_variable(&name.to_string_lossy()))
}

impl Environment {
    /// These are the variables that there are.
    pub(super) fn new(
        given: &manifest::Environment,
        vars: impl Iterator<Item = (OsString, OsString)>,
    ) -> Environment {
        let texts = vars.filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            given.allows(&name).then_some((name, value))
        });
        Environment { given: given.clone(), vars: texts.collect() }
    }

    fn find(&self, name: &str, decisions: &mut Vec<Permission>) -> Option<&String> {
        let (reason, detail) = match self.given.allows(name) {
            true => (Reason::Granted, ""),
            false => (Reason::NotGranted, "the manifest does not grant this variable"),
        };
        decisions.push(decision(reason, "environment", name, detail));
        self.vars.get(name)
    }

    fn list(&self, decisions: &mut Vec<Permission>) -> Vec<Value> {
        if self.given.allow_list_all == Some(false) {
            let detail = "allow_list_all is false";
            decisions.push(decision(Reason::NotGranted, "environment", "*", detail));
            return Vec::new();
        }
        decisions.push(decision(Reason::Granted, "environment", "*", ""));
        let pair = |(name, value): (&String, &String)| {
            Value::Tuple(vec![Value::String(name.clone()), Value::String(value.clone())])
        };
        self.vars.iter().map(pair).collect()
    }
}

impl Service for Environment {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let answer = match (call.function, &call.args[..]) {
            ("get-var", [Value::String(name)]) => {
                let value = self.find(name, call.decisions);
                Value::Option(value.map(|value| Box::new(Value::String(value.clone()))))
            }
            ("list-vars", []) => Value::List(self.list(call.decisions)),
            ("exists", [Value::String(name)]) => {
                Value::Bool(self.find(name, call.decisions).is_some())
            }
            (function, _) => return Err(unknown("environment", function)),
        };
        Ok(vec![answer])
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use theater_record::Value;

    use super::Environment;
    use crate::manifest;
    use crate::services::trial::Trial;

    const NOT_GRANTED: &str = "the manifest does not grant this variable";

    fn environment(allowed: Option<&[&str]>, denied: &[&str], list: Option<bool>) -> Environment {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let given = manifest::Environment {
            allowed_vars: allowed.map(names),
            denied_vars: names(denied),
            allow_list_all: list,
        };
        let text = |text: &str| OsString::from(text);
        let vars = [
            (text("SHOP_TOWN"), text("Ulm")),
            (text("HOME"), text("/root")),
            (text("SHOP_SECRET"), text("hush")),
            (text("EMPTY"), text("")),
            (text("SHOP_ODD"), OsString::from_vec(vec![b'a', 0xff])),
        ];
        Environment::new(&given, vars.into_iter())
    }

    fn get(trial: &mut Trial, environment: &mut Environment, name: &str) -> Option<String> {
        let value = trial.call(environment, "get-var", vec![Value::String(name.to_owned())]);
        let exists = trial.call(environment, "exists", vec![Value::String(name.to_owned())]);
        let Value::Option(value) = value else { panic!("{value:?}") };
        assert_eq!(exists, Value::Bool(value.is_some()), "both say the same");
        let decided = trial.decided();
        assert_eq!(decided[0], decided[1]);
        trial.said.push(decided[0].clone());
        value.map(|value| match *value {
            Value::String(value) => value,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn what_is_not_granted_is_as_if_it_were_not_set_and_recorded() {
        let mut trial = Trial::new();
        let mut shop = environment(Some(&["SHOP_*", "EMPTY"]), &["SHOP_SECRET"], None);
        assert_eq!(get(&mut trial, &mut shop, "SHOP_TOWN").as_deref(), Some("Ulm"));
        assert_eq!(get(&mut trial, &mut shop, "EMPTY").as_deref(), Some(""));
        for name in ["SHOP_SECRET", "HOME", "SHOP_ODD", "SHOP_NONE", "shop_town", ""] {
            assert_eq!(get(&mut trial, &mut shop, name), None, "{name}");
        }
        assert_eq!(
            trial.said,
            [
                "granted SHOP_TOWN".to_owned(),
                "granted EMPTY".to_owned(),
                format!("not-granted SHOP_SECRET: {NOT_GRANTED}"),
                format!("not-granted HOME: {NOT_GRANTED}"),
                "granted SHOP_ODD".to_owned(),
                "granted SHOP_NONE".to_owned(),
                format!("not-granted shop_town: {NOT_GRANTED}"),
                format!("not-granted : {NOT_GRANTED}"),
            ]
        );
    }

    #[test]
    fn a_denial_counts_more_than_a_grant_however_wide() {
        let mut trial = Trial::new();
        let mut all = environment(None, &["SHOP_*"], None);
        assert_eq!(get(&mut trial, &mut all, "HOME").as_deref(), Some("/root"));
        assert_eq!(get(&mut trial, &mut all, "SHOP_TOWN"), None);
        let mut none = environment(Some(&[]), &[], None);
        assert_eq!(get(&mut trial, &mut none, "HOME"), None);
    }

    #[test]
    fn a_list_has_what_is_granted_in_order_or_nothing() {
        let mut trial = Trial::new();
        let names = |list: Value| match list {
            Value::List(pairs) => pairs
                .iter()
                .map(|pair| match pair {
                    Value::Tuple(pair) => format!("{:?}", pair[0]),
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        for list in [None, Some(true)] {
            let mut most = environment(None, &["SHOP_SECRET"], list);
            let listed = names(trial.call(&mut most, "list-vars", vec![]));
            let expected = ["EMPTY", "HOME", "SHOP_TOWN"].map(|name| format!("String({name:?})"));
            assert_eq!(listed, expected);
            assert_eq!(trial.decided(), ["granted *"]);
        }
        let mut unlisted = environment(None, &[], Some(false));
        assert_eq!(trial.call(&mut unlisted, "list-vars", vec![]), Value::List(vec![]));
        assert_eq!(trial.decided(), ["not-granted *: allow_list_all is false"]);
        assert_eq!(get(&mut trial, &mut unlisted, "HOME").as_deref(), Some("/root"));
    }
}
