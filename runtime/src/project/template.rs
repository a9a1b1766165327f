//! What a new project is made of. The files are in `templates/` beside the sources, and in `wit/`.

use super::name::ProjectName;
use crate::interfaces;

/// What a new project is to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// An actor that says that it has started.
    Basic,
    /// A counter that takes messages, requests and channels.
    #[value(alias = "message-server")]
    Message,
    /// A web server with a WebSocket.
    #[value(alias = "http-server")]
    Http,
    /// A supervisor and its child.
    Supervisor,
    /// An agent that asks a model over HTTP and uses tools.
    Agent,
}

/// The text of a file in `templates/`.
macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../templates/", $path))
    };
}

/// What all templates have in common.
const SHARED: &[(&str, &str)] = &[
    (".gitignore", template!("gitignore")),
    ("Cargo.toml", template!("Cargo.toml.in")),
    ("README.md", template!("README.md.in")),
    ("src/bindings.rs", template!("bindings.rs")),
];

impl Template {
    /// The files of a project of this name: paths, relative to its folder, and texts.
    pub(super) fn files(self, name: &ProjectName) -> Vec<(String, String)> {
        let own = SHARED.iter().chain(self.own_files());
        let own = own.map(|(path, text)| ((*path).to_owned(), self.fill(text, name)));
        let shared = interfaces::FILES
            .iter()
            .map(|(file, text)| (format!("wit/deps/theater-simple/{file}"), (*text).to_owned()));
        own.chain(shared).collect()
    }

    /// What this template is called on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Template::Basic => "basic",
            Template::Message => "message",
            Template::Http => "http",
            Template::Supervisor => "supervisor",
            Template::Agent => "agent",
        }
    }

    fn own_files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Template::Basic => &[
                ("manifest.toml", template!("basic/manifest.toml.in")),
                ("src/lib.rs", template!("basic/lib.rs")),
                ("wit/world.wit", template!("basic/world.wit")),
            ],
            Template::Message => &[
                ("manifest.toml", template!("message/manifest.toml.in")),
                ("src/lib.rs", template!("message/lib.rs")),
                ("wit/world.wit", template!("message/world.wit")),
            ],
            Template::Http => &[
                ("manifest.toml", template!("http/manifest.toml.in")),
                ("src/lib.rs", template!("http/lib.rs")),
                ("wit/world.wit", template!("http/world.wit")),
            ],
            Template::Supervisor => &[
                ("child/Cargo.toml", template!("supervisor/child/Cargo.toml.in")),
                ("child/manifest.toml", template!("supervisor/child/manifest.toml.in")),
                ("child/src/bindings.rs", template!("supervisor/child/bindings.rs")),
                ("child/src/lib.rs", template!("supervisor/child/lib.rs")),
                ("manifest.toml", template!("supervisor/manifest.toml.in")),
                ("src/lib.rs", template!("supervisor/lib.rs")),
                ("src/theater.rs", template!("supervisor/theater.rs")),
                ("wit/world.wit", template!("supervisor/world.wit")),
            ],
            Template::Agent => &[
                ("files/README.md", template!("agent/files.md")),
                ("manifest.toml", template!("agent/manifest.toml.in")),
                ("src/lib.rs", template!("agent/lib.rs")),
                ("src/tools.rs", template!("agent/tools.rs")),
                ("wit/world.wit", template!("agent/world.wit")),
            ],
        }
    }

    fn fill(self, text: &str, name: &ProjectName) -> String {
        text.replace("@NAME@", name.as_str())
            .replace("@PURPOSE@", self.purpose())
            .replace("@DEPENDENCIES@", self.dependencies())
            .replace("@MEMBERS@\n", self.members())
            .replace("@FILES@\n", &self.file_table())
    }

    fn purpose(self) -> &'static str {
        match self {
            Template::Basic => "An actor that says that it has started.",
            Template::Message => "A counter that other actors talk to.",
            Template::Http => "A web server that greets, counts visits and has a WebSocket.",
            Template::Supervisor => "A supervisor that starts a child again when it fails.",
            Template::Agent => "An agent that asks a model what to do, and does it with its tools.",
        }
    }

    fn dependencies(self) -> &'static str {
        match self {
            Template::Basic | Template::Message | Template::Http | Template::Supervisor => "",
            Template::Agent => "serde_json = \"1.0\"\n",
        }
    }

    fn members(self) -> &'static str {
        match self {
            Template::Basic | Template::Message | Template::Http | Template::Agent => "",
            Template::Supervisor => "members = [\"child\"]\ndefault-members = [\".\", \"child\"]\n",
        }
    }

    fn file_table(self) -> String {
        let own = match self {
            Template::Basic | Template::Message | Template::Http => "",
            Template::Supervisor => {
                "| `child/` | the child, an actor of its own |\n\
                 | `src/theater.rs` | interfaces under short names |\n"
            }
            Template::Agent => {
                "| `src/tools.rs` | what the agent can do |\n\
                 | `files/` | the only folder it sees |\n"
            }
        };
        format!(
            "| `src/lib.rs` | the actor |\n{own}\
             | `manifest.toml` | what it is called and what it may do |\n\
             | `wit/world.wit` | which interfaces it uses |\n\
             | `wit/deps/` | all interfaces there are, each item explained |\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use clap::ValueEnum;

    use super::*;

    fn names_in(folder: &str, extension: &str) -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = fs::read_dir(folder).expect("it can be read");
        let names = files.map(|file| file.expect("it can be read").file_name());
        let names = names.map(|name| name.into_string().expect("names are text"));
        names.filter(|name| name.ends_with(extension)).collect()
    }

    #[test]
    fn every_interface_comes_with_a_project() {
        let embedded: BTreeSet<String> =
            interfaces::FILES.iter().map(|(name, _)| (*name).into()).collect();
        assert_eq!(embedded, names_in("../wit", ".wit"));
    }

    #[test]
    fn every_file_of_the_templates_is_used() {
        let mut due = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")];
        let texts: BTreeSet<&str> = Template::value_variants()
            .iter()
            .flat_map(|template| SHARED.iter().chain(template.own_files()))
            .map(|(_, text)| *text)
            .collect();
        while let Some(path) = due.pop() {
            if path.is_dir() {
                let files = fs::read_dir(path).expect("it can be read");
                due.extend(files.map(|file| file.expect("it can be read").path()));
            } else {
                let text = fs::read_to_string(&path).expect("templates are text");
                assert!(texts.contains(&*text), "{} is in no template", path.display());
            }
        }
    }

    #[test]
    fn every_blank_is_filled_in() {
        let name: ProjectName = "my-actor".parse().expect("it is a name");
        for template in Template::value_variants() {
            for (path, text) in template.files(&name) {
                assert!(!text.contains('@') || path.ends_with(".wit"), "{template:?}: {path}");
            }
        }
    }

    #[test]
    fn templates_are_called_what_they_are_listed_as() {
        for template in Template::value_variants() {
            let listed = template.to_possible_value().expect("none is hidden");
            assert_eq!(listed.get_name(), template.name());
        }
    }

    #[test]
    fn manifests_of_cargo_and_of_actors_are_toml() {
        let name: ProjectName = "my-actor".parse().expect("it is a name");
        for template in Template::value_variants() {
            let files = template.files(&name);
            let mut tables =
                files.iter().filter(|(path, _)| path.ends_with(".toml")).map(|(path, text)| {
                    text.parse::<toml_edit::DocumentMut>()
                        .unwrap_or_else(|error| panic!("{path}: {error}"))
                });
            assert!(tables.any(|table| table.contains_key("package")), "{template:?}");
        }
    }
}
