//! Filters: what they mean, what is refused, and that printing loses nothing.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use theater_record::Kind;

use super::{Filter, OPS, PathStep, ROOTS, Test};
use crate::entry::Entry;
use crate::render::Previews;
use crate::tree::Tree;

fn entry() -> Entry {
    let header = |value: &str| {
        Tree::Record(vec![
            ("name".to_owned(), Tree::text("x")),
            ("value".to_owned(), Tree::text(value)),
        ])
    };
    let name = Tree::Record(vec![
        ("path".to_owned(), Tree::text("/etc/passwd")),
        ("headers".to_owned(), Tree::List(vec![header("a"), header("b")])),
        ("size".to_owned(), Tree::option(Some(Tree::Uint(12)))),
        ("ratio".to_owned(), Tree::F64(0.5f64.to_bits())),
    ]);
    let status = Tree::Record(vec![("status".to_owned(), Tree::Uint(404))]);
    Entry {
        seq: 42,
        offset: 1000,
        kind: Kind::ImportCall,
        function: Some(("wasi:filesystem/types@0.2.6".to_owned(), "open-at".to_owned())),
        fields: vec![
            ("args", Tree::Record(vec![("name".to_owned(), name)])),
            ("result", Tree::Case("ok".to_owned(), Some(Box::new(status)))),
            ("allowed", Tree::Bool(false)),
        ],
    }
}

#[test]
fn filters_mean_what_they_say() {
    let yes = [
        "kind = import-call",
        "kind ~ call and seq >= 42 and seq < 43",
        "interface ~ wasi:filesystem and function = open-at",
        "args[0].path = /etc/passwd",
        "args.name.headers[1].value = b",
        "args.name.size > 11",
        "args.name.size.some = 12",
        "args.name.ratio < 0.6",
        "result.ok.status = 404",
        "allowed = false",
        "not result.err ~ x",
        "seq = 1 or (seq = 42 and not kind = close)",
        "args.name.path ~ \"etc/pass\"",
    ];
    let no = [
        "kind != import-call",
        "args.name.size > 12",
        // The event has no such field, so there is nothing to be unequal.
        "args.nothing != 1",
        "result.ok.status < 404",
        "args.name.size = \"twelve\"",
        "seq = 1 or seq = 2 and seq = 42",
    ];
    let matches = |text| Filter::parse(text).expect(text).matches(&entry(), &Previews::default());
    for text in yes {
        assert!(matches(text), "{text}");
    }
    for text in no {
        assert!(!matches(text), "{text}");
    }
}

fn check_error(text: &str, expected: &Expect) {
    expected.assert_eq(&Filter::parse(text).expect_err(text).to_string());
}

#[test]
fn mistakes_are_pointed_at() {
    check_error(
        "kind = improt-call",
        &expect![[r#"
        in the filter: unknown kind; the kinds are header, type, function, export-call, import-call, import-return, export-return, resource-drop, lifecycle, permission, checkpoint, close, recover
          kind = improt-call
                 ^"#]],
    );
    check_error(
        "kind = import-call adn seq = 1",
        &expect![[r#"
        in the filter: expected `and`, `or` or the end
          kind = import-call adn seq = 1
                             ^"#]],
    );
    check_error(
        "(seq = 1",
        &expect![[r#"
        in the filter: expected `)`
          (seq = 1
                  ^"#]],
    );
    check_error(
        "foo = 1",
        &expect![[r#"
            in the filter: unknown field; the most used are kind, interface, function, seq, args, result, trap, capability and allowed
              foo = 1
              ^"#]],
    );
    check_error(
        "seq = x",
        &expect![[r#"
        in the filter: expected an event number
          seq = x
                ^"#]],
    );
    check_error(
        "args[x] = 1",
        &expect![[r#"
        in the filter: expected a number after `[`
          args[x] = 1
               ^"#]],
    );
    check_error(
        "args.",
        &expect![[r#"
        in the filter: expected a field name after `.`
          args.
               ^"#]],
    );
    check_error(
        "kind ~ \"abc",
        &expect![[r#"
        in the filter: the quote that starts here has no end
          kind ~ "abc
                 ^"#]],
    );
    check_error(
        "seq",
        &expect![[r#"
        in the filter: expected one of = != ~ < <= > >=
          seq
             ^"#]],
    );
    check_error("", &expect!["in the filter: expected a field, such as `kind` or `args.path`"]);
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("{}seq = 1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(Filter::parse(&text).is_err());
    assert!(Filter::parse(&"not ".repeat(100_000)).is_err());
    let long = ["seq = 1"; 10_000].join(" and ");
    assert!(Filter::parse(&long).is_ok());
}

fn any_test() -> impl Strategy<Value = Filter> {
    let step = prop_oneof![
        "[a-z][a-z0-9_-]{0,5}".prop_map(PathStep::Name),
        any::<u64>().prop_map(PathStep::Index),
    ];
    // Paths with roots whose values are checked have tests of their own.
    let roots: Vec<_> = ROOTS.split(' ').filter(|root| !["kind", "seq"].contains(root)).collect();
    let path = (prop::sample::select(roots), prop::collection::vec(step, 0..4));
    (path, prop::sample::select(OPS.to_vec()), any::<String>()).prop_map(|(path, op, value)| {
        Filter::Test(Test { root: path.0.to_owned(), rest: path.1, op: op.1, value })
    })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    any_test().prop_recursive(5, 40, 4, |inner| {
        let several = prop::collection::vec(inner.clone(), 2..5);
        prop_oneof![
            several.clone().prop_map(Filter::Or),
            several.prop_map(Filter::And),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

proptest! {
    #[test]
    fn printing_and_reading_gives_the_same(filter in any_filter()) {
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn no_near_miss_makes_the_parser_panic(
        text in "(kind|seq|args|and|or|not|[.\\[\\]()=!<>~\"\\\\ ]|[0-9é]){0,30}",
    ) {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
    }
}
