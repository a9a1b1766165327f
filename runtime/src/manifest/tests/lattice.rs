//! Permissions are a lattice: nobody below has more than somebody above.

use std::fmt::Debug;
use std::path::PathBuf;
use std::str::FromStr;

use proptest::prelude::*;
use proptest::sample::select;

use crate::host::{HttpGrant, HttpScheme, NetGrant};
use crate::manifest::{
    Below, Environment, Filesystem, HttpClient, HttpServer, MessageUse, Method, Name, Network,
    Pattern, Permissions, Process, Random, Route, Rule, RuntimeUse, StoreUse, SupervisorUse,
    Timing,
};

fn parsed<T>(texts: &'static [&'static str]) -> impl Strategy<Value = Option<Vec<T>>>
where
    T: FromStr<Err: Debug> + Debug + Clone + 'static,
{
    let one = select(texts).prop_map(|text| text.parse::<T>().unwrap());
    prop::option::of(prop::collection::vec(one, 0..3))
}

fn servers_of_requests() -> impl Strategy<Value = Option<Vec<HttpGrant>>> {
    parsed(&["*", "a.example", "a.example:443", "b.example", "b.example:80", "10.0.0.1"])
}

fn nets() -> impl Strategy<Value = Option<Vec<NetGrant>>> {
    parsed(&[
        "*",
        "*:80",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.3",
        "10.1.2.3:80",
        "::/0",
        "[::1]:80",
        "a.example",
    ])
}

fn names() -> impl Strategy<Value = Option<Vec<Name>>> {
    parsed(&["*", "A*", "AB*", "AB", "ABC", "B"])
}

fn paths() -> impl Strategy<Value = Option<Vec<Below>>> {
    parsed(&["/", "/a", "/a/b", "/a/bc", "/a/b/c", "/d"])
}

fn methods() -> impl Strategy<Value = Option<Vec<Method>>> {
    parsed(&["GET", "POST", "PUT"])
}

fn routes() -> impl Strategy<Value = Option<Vec<Route>>> {
    parsed(&["/", "/a", "/a/b", "/ab", "/c/"])
}

fn number() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(0..4_u64)
}

fn flag() -> impl Strategy<Value = Option<bool>> {
    prop::option::of(any::<bool>())
}

fn rule<R: Clone + Debug + 'static>(
    restriction: impl Strategy<Value = R> + 'static,
) -> impl Strategy<Value = Rule<R>> {
    prop_oneof![
        2 => Just(Rule::Inherit),
        4 => restriction.prop_map(Rule::Restrict),
        1 => Just(Rule::Deny)
    ]
}

fn clients() -> impl Strategy<Value = HttpClient> {
    (servers_of_requests(), methods(), number(), number(), number()).prop_map(
        |(allowed_hosts, allowed_methods, max_redirects, max_response_bytes, timeout_ns)| {
            HttpClient {
                allowed_hosts,
                allowed_methods,
                max_redirects,
                max_response_bytes,
                timeout_ns,
            }
        },
    )
}

fn servers() -> impl Strategy<Value = HttpServer> {
    (nets(), routes(), methods(), number(), number(), number()).prop_map(
        |(
            allowed_addresses,
            allowed_routes,
            allowed_methods,
            max_request_bytes,
            max_connections,
            timeout_ns,
        )| {
            HttpServer {
                allowed_addresses,
                allowed_routes,
                allowed_methods,
                max_request_bytes,
                max_connections,
                timeout_ns,
            }
        },
    )
}

fn environments() -> impl Strategy<Value = Environment> {
    (names(), names(), flag()).prop_map(|(allowed_vars, denied_vars, allow_list_all)| Environment {
        allowed_vars,
        denied_vars: denied_vars.unwrap_or_default(),
        allow_list_all,
    })
}

fn filesystems() -> impl Strategy<Value = Filesystem> {
    (flag(), flag(), paths()).prop_map(|(read, write, allowed_paths)| Filesystem {
        read,
        write,
        allowed_paths,
    })
}

fn processes() -> impl Strategy<Value = Process> {
    (names(), paths(), number(), number(), number()).prop_map(
        |(allowed_programs, allowed_paths, max_processes, max_output_bytes, timeout_ns)| Process {
            allowed_programs,
            allowed_paths,
            max_processes,
            max_output_bytes,
            timeout_ns,
        },
    )
}

fn permissions() -> impl Strategy<Value = Permissions> {
    let first = (
        rule(Just(RuntimeUse)),
        rule(Just(MessageUse)),
        rule(number().prop_map(|max_children| SupervisorUse { max_children })),
        rule((flag(), number()).prop_map(|(write, max_bytes)| StoreUse { write, max_bytes })),
        rule(clients()),
        rule(servers()),
    );
    let second = (
        rule(number().prop_map(|max_sleep_ns| Timing { max_sleep_ns })),
        rule(number().prop_map(|max_bytes| Random { max_bytes })),
        rule(environments()),
        rule(filesystems()),
        rule(processes()),
        rule(nets().prop_map(|allowed_hosts| Network { allowed_hosts })),
    );
    (first, second).prop_map(|(first, second)| {
        let (runtime, message_server, supervisor, store, http_client, http_server) = first;
        let (timing, random, environment, filesystem, process, network) = second;
        Permissions {
            runtime,
            message_server,
            supervisor,
            store,
            http_client,
            http_server,
            timing,
            random,
            environment,
            filesystem,
            process,
            network,
        }
    })
}

/// Permissions that agree with those above often enough: most of them say nothing about most.
fn modest() -> impl Strategy<Value = Permissions> {
    (permissions(), prop::collection::vec(0..5_u8, 12)).prop_map(|(mut all, says)| {
        let Permissions {
            runtime,
            message_server,
            supervisor,
            store,
            http_client,
            http_server,
            timing,
            random,
            environment,
            filesystem,
            process,
            network,
        } = &mut all;
        let silence: [&mut dyn Silent; 12] = [
            runtime,
            message_server,
            supervisor,
            store,
            http_client,
            http_server,
            timing,
            random,
            environment,
            filesystem,
            process,
            network,
        ];
        for (rule, says) in silence.into_iter().zip(says) {
            if says > 0 {
                rule.fall_silent();
            }
        }
        all
    })
}

/// A rule about whatever it is.
trait Silent {
    fn fall_silent(&mut self);
}

impl<R> Silent for Rule<R> {
    fn fall_silent(&mut self) {
        *self = Rule::Inherit;
    }
}

/// What these permissions allow, of a number of things one may want to do.
fn allowed(permissions: &Permissions) -> Vec<bool> {
    let mut allowed = Vec::new();
    let client = |test: &dyn Fn(&HttpClient) -> bool| holds(&permissions.http_client, test);
    for host in ["a.example", "b.example", "10.0.0.1", "c.example"] {
        for (scheme, port) in [(HttpScheme::Http, 80), (HttpScheme::Https, 443)] {
            for method in ["GET", "POST"] {
                allowed.push(client(&|c| c.allows(method, scheme, host, port)));
            }
        }
    }
    for most in 0..5 {
        allowed.push(client(&|c| c.max_redirects.is_none_or(|max| most <= max)));
        allowed.push(holds(&permissions.timing, &|t| t.max_sleep_ns.is_none_or(|max| most <= max)));
        allowed.push(holds(&permissions.store, &|s| s.max_bytes.is_none_or(|max| most <= max)));
    }
    for name in ["A", "AB", "ABC", "ABD", "B", "C"] {
        allowed.push(holds(&permissions.environment, &|e| e.allows(name)));
        for folder in ["/", "/a", "/a/b/x", "/a/bc", "/d", "/e"] {
            let folder = PathBuf::from(folder);
            allowed.push(holds(&permissions.process, &|p| {
                p.allows_program(name) && p.allows_folder(&folder)
            }));
            allowed.push(holds(&permissions.filesystem, &|f| f.allows(&folder)));
        }
    }
    for route in ["/", "/a", "/a/b/c", "/ab", "/c", "/c/d"] {
        allowed.push(holds(&permissions.http_server, &|s| s.allows("GET", route)));
    }
    allowed.push(holds(&permissions.store, &|s| s.write.unwrap_or(true)));
    allowed.push(holds(&permissions.filesystem, &|f| f.write.unwrap_or(true)));
    allowed.push(holds(&permissions.runtime, &|_| true));
    allowed.push(holds(&permissions.message_server, &|_| true));
    allowed
}

fn holds<R>(rule: &Rule<R>, test: &dyn Fn(&R) -> bool) -> bool {
    match rule {
        Rule::Inherit => true,
        Rule::Restrict(restriction) => test(restriction),
        Rule::Deny => false,
    }
}

/// Whether everything that is allowed on the left is allowed on the right.
fn is_within(left: &[bool], right: &[bool]) -> bool {
    left.iter().zip(right).all(|(left, right)| !left || *right)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_child_never_gets_more_than_its_parent_nor_than_it_asked_for(
        parent in permissions(),
        child in modest(),
    ) {
        if let Ok(left) = parent.narrowed(&child) {
            prop_assert!(is_within(&allowed(&left), &allowed(&parent)), "{:?}", left);
            prop_assert!(is_within(&allowed(&left), &allowed(&child)), "{:?}", left);
        }
    }

    #[test]
    fn narrowing_is_idempotent(parent in permissions(), child in modest()) {
        prop_assert_eq!(parent.narrowed(&parent), Ok(parent.clone()));
        prop_assert_eq!(parent.narrowed(&Permissions::default()), Ok(parent.clone()));
        prop_assert_eq!(Permissions::default().narrowed(&parent), Ok(parent.clone()));
        if let Ok(left) = parent.narrowed(&child) {
            prop_assert_eq!(left.narrowed(&child), Ok(left.clone()));
            prop_assert_eq!(parent.narrowed(&left), Ok(left.clone()));
        }
    }

    /// Whoever was given their part step by step has what they would have been given at once.
    #[test]
    fn narrowing_is_associative(
        one in permissions(),
        two in modest(),
        three in modest(),
    ) {
        if let Ok(left) = one.narrowed(&two).and_then(|left| left.narrowed(&three)) {
            prop_assert_eq!(two.narrowed(&three).and_then(|rest| one.narrowed(&rest)), Ok(left));
        }
    }

    /// More above never means less, or a refusal, below.
    #[test]
    fn narrowing_is_monotone(
        upper in permissions(),
        step in modest(),
        child in modest(),
    ) {
        if let Ok(lower) = upper.narrowed(&step)
            && let Ok(below_lower) = lower.narrowed(&child)
        {
            let below_upper = upper.narrowed(&child);
            prop_assert!(below_upper.is_ok(), "{:?}", below_upper);
            prop_assert!(is_within(&allowed(&below_lower), &allowed(&below_upper.unwrap())));
        }
    }

    /// What asks for something that its parent does not have is refused, not cut down in silence.
    #[test]
    fn widening_is_refused(parent in clients(), child in clients()) {
        let (parent, child) = (Rule::Restrict(parent), Rule::Restrict(child));
        if let Ok(Rule::Restrict(left)) = parent.narrowed(&child) {
            let Rule::Restrict(asked) = child else { unreachable!() };
            prop_assert!(asked.allowed_hosts.is_none_or(|hosts| left.allowed_hosts == Some(hosts)));
        }
    }
}

#[test]
fn ranges_and_ports_are_covered_by_wider_ones() {
    let covers = |outer: &str, inner: &str| {
        let [outer, inner]: [NetGrant; 2] = [outer, inner].map(|text| text.parse().unwrap());
        outer.covers(&inner)
    };
    for (outer, inner) in [
        ("*", "a.example:80"),
        ("10.0.0.0/8", "10.1.0.0/16"),
        ("10.0.0.0/8", "10.1.2.3:80"),
        ("0.0.0.0/0", "255.255.255.255"),
        ("::/0", "[::1]:80"),
        ("A.example", "a.example:80"),
    ] {
        assert!(covers(outer, inner), "{outer} {inner}");
        assert!(!covers(inner, outer), "{inner} {outer}");
        assert!(covers(outer, outer) && covers(inner, inner));
    }
    for (one, other) in [
        ("10.0.0.0/8", "11.0.0.0/16"),
        ("0.0.0.0/0", "::1"),
        ("a.example:80", "a.example:81"),
        ("a.example", "b.example"),
        ("0.0.0.0/0", "a.example"),
        ("*:80", "10.0.0.0/8"),
    ] {
        assert!(!covers(one, other) && !covers(other, one), "{one} {other}");
    }
}

#[test]
fn a_widening_says_what_is_too_much() {
    let client = |hosts: &[&str]| {
        let allowed_hosts = Some(hosts.iter().map(|host| host.parse().unwrap()).collect());
        let http_client = Rule::Restrict(HttpClient { allowed_hosts, ..HttpClient::default() });
        Permissions { http_client, ..Permissions::default() }
    };
    let parent = client(&["a.example", "b.example:80"]);
    let message = |child: &Permissions| parent.narrowed(child).unwrap_err().to_string();
    assert_eq!(
        message(&client(&["b.example"])),
        "http-client.allowed_hosts asks for b.example, and may have a.example, b.example:80"
    );
    let denied = Permissions { http_client: Rule::Deny, ..Permissions::default() };
    assert_eq!(
        denied.narrowed(&parent).unwrap_err().to_string(),
        "http-client asks for something, and may have nothing"
    );
    assert_eq!(parent.narrowed(&denied).unwrap().http_client, Rule::Deny);
}
