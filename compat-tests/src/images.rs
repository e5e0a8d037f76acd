//! Images that a scenario makes for itself.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{Scenario, variable};

/// Runs until it is asked to stop, in whichever way, whatever its arguments are; it says them.
const STANDS_IN: &str = r#"trap 'exit 0' TERM INT QUIT USR1 USR2
echo "$0 $*"
sleep 100000 &
wait
"#;

impl Scenario {
    /// Builds an image out of busybox, these programs (in `/usr/local/bin`) and these lines of a
    /// Dockerfile, and returns its name. Each program runs until it is asked to stop, whatever its
    /// arguments are.
    pub fn build(&self, what: &str, programs: &[&str], dockerfile: &str) -> String {
        let programs: Vec<_> = programs.iter().map(|name| (*name, STANDS_IN)).collect();
        self.build_with(what, &programs, dockerfile)
    }

    /// As [`Scenario::build`], with these shell scripts as programs.
    pub fn build_with(&self, what: &str, programs: &[(&str, &str)], dockerfile: &str) -> String {
        let image = self.named(what);
        let context = self.folder().join(what);
        let bin = context.join("bin");
        fs::create_dir_all(&bin).expect("a folder");
        for (program, script) in programs {
            let path = bin.join(program);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("write it");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        }
        let dockerfile = format!("FROM busybox\nCOPY bin /usr/local/bin\n{dockerfile}\n");
        self.build_in(&context, &image, &dockerfile);
        image
    }

    /// Builds an image FROM scratch out of the Refit that is tested (as `/refit`) and these lines of a
    /// Dockerfile, and returns its name.
    pub fn build_refit(&self, what: &str, dockerfile: &str) -> String {
        let image = self.named(what);
        let context = self.folder().join(what);
        fs::create_dir_all(&context).expect("a folder");
        fs::copy(variable("REFIT_BIN"), context.join("refit")).expect("copy it");
        let dockerfile = format!("FROM scratch\nCOPY refit /refit\n{dockerfile}\n");
        self.build_in(&context, &image, &dockerfile);
        image
    }

    fn build_in(&self, context: &Path, image: &str, dockerfile: &str) {
        fs::write(context.join("Dockerfile"), dockerfile).expect("write it");
        let context = context.to_str().expect("a text");
        self.docker(&["build", "-q", &self.label(), "-t", image, context]);
    }
}
