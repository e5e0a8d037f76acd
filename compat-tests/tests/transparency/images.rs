//! build, by both builders; save, load and import.

use std::{fs, path::Path};

use compat_tests::{
    Scenario,
    same::{Said, Side, mask, same},
};
use regex::Regex;
use tempfile::TempDir;

use crate::noise;

const LARGE: usize = 5 << 20;

/// A build context: a file of some size, and a Dockerfile that copies it and runs something.
fn context() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("large"), noise(LARGE)).expect("a file");
    fs::write(
        folder.path().join("Dockerfile"),
        "FROM busybox
ARG WORD=none
COPY large /copied
RUN echo to the log && wc -c </copied >/count && echo $WORD >>/count
CMD [\"cat\", \"/count\"]
",
    )
    .expect("a Dockerfile");
    folder
}

/// What the classic builder is called, and buildx.
const CLASSIC: &[&str] = &["build"];
const BUILDX: &[&str] = &["buildx", "build", "--load", "--progress", "plain"];

/// Builds a context without the cache, and runs the image; what both said.
fn build_and_run(at: &Side, builder: &[&str], tag: &str, label: &str, context: &Path) -> [Said; 2] {
    let context = context.to_str().expect("a path");
    let of = [
        "--no-cache",
        "-t",
        tag,
        label,
        "--build-arg",
        "WORD=word",
        context,
    ];
    let built = at.docker(&[builder, &of].concat());
    // It is what `build` itself means; `buildx` does not ask.
    let built = built.env("DOCKER_BUILDKIT", "0").said();
    let ran = at.run(&[tag]).said();
    at.docker(&["rmi", "-f", tag]).said();
    [built, ran]
}

#[test]
fn the_classic_builder_builds() {
    let scenario = Scenario::new("build-classic");
    let (tag, context) = (scenario.named("image"), context());
    let [built, ran] = same(&scenario, |at| {
        let [built, ran] = build_and_run(at, CLASSIC, &tag, &scenario.label(), context.path());
        [built.masked(), ran]
    });
    assert_eq!(built.code, Some(0), "{built:?}");
    for line in [
        "Step 4/6 : RUN echo to the log",
        "to the log",
        "Successfully built <id",
    ] {
        assert!(built.out().contains(line), "{built:?}");
    }
    assert_eq!(ran.out(), format!("{LARGE}\nword\n"));
}

#[test]
fn a_failing_build_says_so_alike() {
    let scenario = Scenario::new("build-fails");
    let tag = scenario.named("image");
    let [classic, kit] = same(&scenario, |at| {
        ["0", "1"].map(|builder| {
            at.docker(&["build", "--no-cache", "--force-rm", "-q", "-t", &tag, "-"])
                .env("DOCKER_BUILDKIT", builder)
                .input("FROM busybox\nRUN echo to the log && exit 3\n")
                .said()
                .masked()
        })
    });
    assert_eq!((classic.code, kit.code), (Some(3), Some(1)));
    for said in [classic, kit] {
        assert!(said.err().contains("exit 3"), "{said:?}");
    }
}

/// The steps of a `BuildKit` build as it tells them, without what depends on the moment: their
/// numbers, order and durations, and how often it told how far it was.
fn steps(log: &str) -> Vec<String> {
    let volatile = [
        (r"^#\d+ ?", ""),
        (r"( \d+\.\d+s)? done$", " done"),
        (r"^\d+\.\d+ ", "RUN said: "),
        (r"^DONE \d+\.\d+s$", "DONE"),
    ]
    .map(|(pattern, word)| (Regex::new(pattern).expect("a pattern"), word));
    let underway = ["transferring", "exporting", "writing", "naming", "sending"];
    let mut steps: Vec<String> = log
        .lines()
        .map(|line| {
            let line = volatile
                .iter()
                .fold(line.to_owned(), |line, (pattern, word)| {
                    pattern.replace(&line, *word).into_owned()
                });
            mask(&line)
        })
        // On a slow machine, one step gives way to another for a while.
        .filter(|line| line != "...")
        .filter(|line| {
            line.ends_with(" done") || !underway.iter().any(|verb| line.starts_with(verb))
        })
        .collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

#[test]
fn buildkit_builds_through_the_session_and_its_tunnel() {
    let scenario = Scenario::new("build-kit");
    let (tag, context) = (scenario.named("image"), context());
    // What the engine still has of the context, it does not ask for again.
    let forget = |at: &Side| {
        let said = at.docker(&["builder", "prune", "-af"]).said();
        assert_eq!(said.code, Some(0), "{said:?}");
    };
    let (code, steps, ran) = same(&scenario, |at| {
        forget(at);
        let [built, ran] = build_and_run(at, BUILDX, &tag, &scenario.label(), context.path());
        forget(at);
        (built.code, steps(&built.err()), ran)
    });
    assert_eq!(code, Some(0), "{steps:#?}");
    for step in [
        "transferring context: 5.24MB done",
        "[2/3] COPY large /copied",
        "RUN said: to the log",
        &format!("naming to docker.io/library/{tag} done"),
    ] {
        assert!(steps.iter().any(|line| line == step), "{step}: {steps:#?}");
    }
    assert_eq!(ran.out(), format!("{LARGE}\nword\n"));
}

/// Makes an image of this scenario's, and returns its ID.
fn make_image(scenario: &Scenario, tag: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("noise"), noise(LARGE)).expect("a file");
    let archive = folder.path().join("image.tar");
    let made = std::process::Command::new("tar")
        .arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(folder.path())
        .arg("noise")
        .status()
        .expect("tar");
    assert!(made.success());
    let label = scenario.label();
    let label = format!("LABEL {}", label.trim_start_matches("--label="));
    let path = archive.to_str().expect("a path");
    scenario.docker(&["import", "--change", &label, path, tag])
}

/// An archive without the times in its headers: the engine gives some entries the moment's.
fn without_times(archive: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 512;
    const SIZE: std::ops::Range<usize> = 124..135;
    const TIME: std::ops::Range<usize> = 136..148;
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let mut archive = archive.to_vec();
    let mut at = 0;
    while let Some(header) = archive.get_mut(at..at + BLOCK) {
        if header[0] == 0 {
            break;
        }
        header[TIME].fill(0);
        header[CHECKSUM].fill(0);
        let size = String::from_utf8_lossy(&header[SIZE]);
        let size = usize::from_str_radix(size.trim(), 8).expect("a size");
        at += BLOCK + size.next_multiple_of(BLOCK);
    }
    assert!(at > LARGE, "not an image's archive");
    archive
}

#[test]
fn save_and_load_bring_the_same_image_back() {
    let scenario = Scenario::new("save");
    let tag = scenario.named("image:1");
    let id = make_image(&scenario, &tag);
    let (saved, said) = same(&scenario, |at| {
        let mut saved = at.docker(&["save", &tag]).said();
        let said = [
            at.docker(&["rmi", &tag]).said(),
            at.docker(&["load"]).input(saved.stdout.as_slice()).said(),
            at.docker(&["inspect", "--format", "{{.Id}}", &tag]).said(),
            at.docker(&["save", "no-such-image"]).said(),
            at.docker(&["load"]).input("no archive").said(),
        ];
        saved.stdout = without_times(&saved.stdout);
        (saved, said)
    });
    assert_eq!(saved.code, Some(0), "{saved:?}");
    let [_, loaded, inspected, unsaved, unloaded] = said;
    assert_eq!(loaded.out(), format!("Loaded image: {tag}\n"));
    assert_eq!(inspected.out().trim(), id);
    for failed in [unsaved, unloaded] {
        assert!(
            failed.code == Some(1) && !failed.stderr.is_empty(),
            "{failed:?}"
        );
    }
}

#[test]
fn save_piped_into_load_passes_both_streams_at_once() {
    let scenario = Scenario::new("save-pipe");
    let tags = ["redis:7.0", "redis:8.0", "busybox:latest"];
    let (saved, loaded) = same(&scenario, |at| {
        let save = at.docker(&[&["save"], &tags[..]].concat());
        let (saved, loaded) = at.docker(&["load"]).said_of(save);
        // The engine goes through several images in any order.
        (saved, loaded.sorted())
    });
    assert_eq!((saved.code, loaded.code), (Some(0), Some(0)), "{loaded:?}");
    for tag in tags {
        let line = format!("Loaded image: {tag}");
        assert!(loaded.out().lines().any(|said| said == line), "{loaded:?}");
    }
}

#[test]
fn import_reads_its_input() {
    let scenario = Scenario::new("import");
    let (tag, source) = (scenario.named("image:1"), scenario.named("source:1"));
    make_image(&scenario, &source);
    let saved = compat_tests::docker(&scenario.engine(), &["save", &source], b"").stdout;
    let label = scenario.label().replacen("--label=", "LABEL ", 1);
    let said = same(&scenario, |at| {
        let import = ["import", "--change", &label, "-", &tag];
        let imported = at.docker(&import).input(saved.as_slice()).said();
        let layers = ["inspect", "--format", "{{.RootFS.Layers}}", &tag];
        let layers = at.docker(&layers).said();
        at.docker(&["rmi", "-f", &tag]).said();
        (imported.masked(), layers)
    });
    assert_eq!(said.0.out(), "sha256:<id 0>\n");
    assert!(said.1.out().starts_with("[sha256:"), "{said:?}");
}
