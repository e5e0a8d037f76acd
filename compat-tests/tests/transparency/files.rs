//! cp, both ways.

use std::{fs, process::Command};

use compat_tests::{Scenario, same::same};

use crate::noise;

#[test]
fn cp_passes_files_folders_and_archives_both_ways() {
    let scenario = Scenario::new("cp");
    let name = scenario.named("box");
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("below")).expect("a folder");
    fs::write(tree.join("large"), noise(20 << 20)).expect("a file");
    fs::write(tree.join("below/small"), "small\n").expect("a file");
    std::os::unix::fs::symlink("below/small", tree.join("link")).expect("a link");
    let archive = Command::new("tar")
        .args([
            "-cf",
            "-",
            "--mtime=2020-01-02",
            "--owner=0",
            "--group=0",
            "-C",
        ])
        .arg(folder.path())
        .arg("tree")
        .output()
        .expect("tar");
    assert!(archive.status.success() && archive.stdout.len() > 20 << 20);

    let (said, out, file) = same(&scenario, |at| {
        at.run_detached(&name, &["busybox", "sleep", "1000"]);
        let path = |path: &str| format!("{name}:{path}");
        let mut said = vec![
            // A folder in, an archive in, both looked at from inside.
            at.docker(&["cp", "-q", tree.to_str().expect("a path"), &path("/plain")])
                .said(),
            at.docker(&["cp", "-", &path("/tmp")])
                .input(archive.stdout.as_slice())
                .said(),
            at.docker(&[
                "exec",
                &name,
                "sh",
                "-c",
                "cd /tmp && find tree | sort && sha256sum tree/large /plain/large tree/link",
            ])
            .said(),
            at.docker(&["cp", &path("/no/such/file"), "-"]).said(),
            at.docker(&["cp", "-", &path("/no/such/folder")])
                .input(archive.stdout.as_slice())
                .said(),
        ];
        // Out again: as an archive, and as a file.
        let out = at.docker(&["cp", &path("/tmp/tree"), "-"]).said();
        let copied = folder.path().join("copied");
        let to = copied.to_str().expect("a path");
        said.push(at.docker(&["cp", "-q", &path("/plain/large"), to]).said());
        let file = fs::read(&copied).expect("the copied file");
        fs::remove_file(&copied).expect("the copied file");
        at.remove(&name);
        (said, out, file)
    });
    let codes: Vec<_> = said.iter().map(|said| said.code).collect();
    assert_eq!(codes, [0, 0, 0, 1, 1, 0].map(Some), "{said:?}");
    let inside = said[2].out();
    assert!(
        inside.starts_with("tree\ntree/below\ntree/below/small\n"),
        "{inside}"
    );
    assert!(file == noise(20 << 20));
    assert_eq!(out.code, Some(0), "{out:?}");

    let archive = folder.path().join("out.tar");
    fs::write(&archive, &out.stdout).expect("the archive");
    let large = Command::new("tar")
        .arg("-xOf")
        .arg(&archive)
        .arg("tree/large")
        .output()
        .expect("tar");
    assert!(large.stdout == file, "{large:?}");
}
