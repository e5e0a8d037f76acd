//! What a patch can say: every example of the README, on a running container with data, by what
//! inspect prints of it and by what is true inside it; and what is refused.

mod examples;
mod refused;
mod web;

use std::{fs, path::Path};

/// The README's section of examples.
fn section() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("the README");
    let (_, section) = readme
        .split_once("\n### What the body can say\n")
        .expect("the section");
    let (section, _) = section.split_once("\n### ").expect("its end");
    section.to_owned()
}

/// The arguments of the README's `docker run`, from the first option on.
fn run_arguments() -> Vec<String> {
    let section = section();
    let (_, command) = section.split_once("docker run -d ").expect("the command");
    let (command, _) = command.split_once("\n    docker ").expect("its end");
    let words = command.split_whitespace().filter(|word| *word != "\\");
    words.map(str::to_owned).collect()
}

/// The README's examples: what each is for, and its body.
fn bodies() -> Vec<(String, String)> {
    let section = section();
    let rows = section.lines().filter(|line| line.contains("| `{"));
    rows.map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let mut cell = || cells.next().expect("a cell").to_owned();
        (cell(), cell().trim_matches('`').to_owned())
    })
    .collect()
}
