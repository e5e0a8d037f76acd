//! The layers' imports point down only, and the plan is pure.
//!
//! Every path in every source file is read, in imports and in expressions, in macros too. A rule
//! that found nothing to check would pass for ever, so the tests count what they checked.

#[path = "layers/paths.rs"]
mod paths;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use paths::{File, Import, read};

/// The layers, the highest first. Each may import itself and what stands after it.
const LAYERS: [&str; 7] = ["cli", "server", "relay", "api", "upgrade", "plan", "engine"];

/// What a pure plan has no use for: it neither waits, nor does I/O, nor reads a clock.
const IMPURE: [&str; 9] = [
    "async",
    "await",
    "tokio",
    "Instant",
    "SystemTime",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All Rust files below `folder`.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The files of the crate, parsed.
fn files() -> Vec<File> {
    let sources = sources();
    let files = rust_files(&sources);
    let parsed = files.iter().map(|path| {
        let text = fs::read_to_string(path).expect("the file can be read");
        read(path.strip_prefix(&sources).expect("below"), &text)
    });
    parsed.collect()
}

/// How high `layer` stands; `None` for what is no layer.
fn height(layer: &str) -> Option<usize> {
    LAYERS.iter().rev().position(|name| *name == layer)
}

/// What is wrong with an import of the layer `from`, if something is.
fn objection(from: &str, import: &Import) -> Option<String> {
    let Import { target, line } = import;
    match height(target) {
        Some(to) if Some(to) <= height(from) => None,
        Some(_) => Some(format!(
            "line {line}: {from} imports {target}, which is above it"
        )),
        None => Some(format!(
            "line {line}: {from} imports `{target}` of the crate, no layer"
        )),
    }
}

/// All objections to a file, with its name.
fn objections(file: &File) -> Vec<String> {
    let Some(from) = &file.layer else {
        return Vec::new();
    };
    let objections = file.imports.iter().filter_map(|i| objection(from, i));
    objections
        .map(|objection| format!("src/{}, {objection}", file.path.display()))
        .collect()
}

#[test]
fn imports_point_down_only() {
    let files = files();
    let layers: BTreeSet<_> = files.iter().filter_map(|f| f.layer.as_deref()).collect();
    assert_eq!(
        layers,
        BTreeSet::from(LAYERS),
        "every layer is there, and no other"
    );
    let found: Vec<_> = files.iter().flat_map(objections).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));

    let across = files
        .iter()
        .flat_map(|f| f.imports.iter().map(move |i| (f.layer.as_deref(), i)))
        .filter(|(from, import)| *from != Some(&*import.target))
        .count();
    assert!(
        across >= 10,
        "only {across} imports between layers were found"
    );
}

#[test]
fn only_the_program_stands_above_the_layers() {
    let files = files();
    let above: BTreeSet<_> = files
        .iter()
        .filter(|file| file.layer.is_none())
        .map(|file| file.path.to_str().expect("UTF-8"))
        .collect();
    assert_eq!(above, BTreeSet::from(["lib.rs", "main.rs"]));
    let main = files.iter().find(|f| f.path == Path::new("main.rs"));
    let used: BTreeSet<_> = main
        .expect("main.rs")
        .imports
        .iter()
        .map(|import| &*import.target)
        .collect();
    assert_eq!(used, BTreeSet::from(["cli"]));
}

#[test]
fn the_plan_is_pure() {
    let files = files();
    let plan: Vec<_> = files
        .iter()
        .filter(|f| f.layer.as_deref() == Some("plan"))
        .collect();
    assert!(!plan.is_empty());
    for file in plan {
        for word in IMPURE {
            let found = file.mentions(word);
            assert!(!found, "src/{} mentions {word}", file.path.display());
        }
    }
}

/// The layers that a text, standing at `path` in `src`, imports against the rule.
fn caught(path: &str, text: &str) -> Vec<String> {
    objections(&read(Path::new(path), text))
}

#[test]
fn an_import_that_points_up_is_caught() {
    let upward = [
        "use crate::cli::main;",
        "use crate::{engine::Stream, server};",
        "use crate::{self as root, relay::{self, Relay}};",
        "pub use crate::relay as other;",
        "fn f() { crate::relay::go(); }",
        "fn f(x: &crate::relay::Relay) {}",
        "fn f() { tracing::info!(x = crate::relay::go()); }",
        "use super::super::relay;",
        "mod tests { use super::super::super::relay; }",
        "mod tests { use crate::relay; }",
        "fn f() { super::super::relay::go() }",
        "use crate::*;",
        "pub(in crate::relay) fn f() {}",
    ];
    for text in upward {
        assert_ne!(caught("api/route.rs", text), [""; 0], "{text}");
    }
    assert_ne!(caught("api/mod.rs", "use super::relay;"), [""; 0]);
}

#[test]
fn an_import_that_points_down_or_stays_is_allowed() {
    let downward = [
        "use crate::{engine::Stream, plan::compute, api::owns};",
        "use super::relay;",
        "use self::relay;",
        "pub(in crate::api) fn f() {}",
        "mod tests { use super::*; use super::super::owns; }",
        "use std::relay; fn f() { relay::go(); other::relay::go() }",
        "fn f() { tracing::info!(x = crate::upgrade::go()); }",
        "// use crate::relay;\n/// [`crate::relay::Relay`]\nfn f() {}",
    ];
    for text in downward {
        assert_eq!(caught("api/route.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn an_impure_plan_is_caught() {
    for (text, word) in [
        ("async fn f() {}", "async"),
        ("fn f() { g.await }", "await"),
        ("fn f() { vec![g.await] }", "await"),
        ("use std::{fmt, fs};", "std::fs"),
        ("fn f() { std::fs::read(p); }", "std::fs"),
        ("use std::time::Instant;", "Instant"),
    ] {
        assert!(IMPURE.contains(&word), "{word}");
        assert!(
            read(Path::new("plan/mod.rs"), text).mentions(word),
            "{text}"
        );
    }
    let pure = read(
        Path::new("plan/mod.rs"),
        "/// async\nfn f(fs: u8) { fs + 1; }",
    );
    assert!(IMPURE.iter().all(|word| !pure.mentions(word)));
}
