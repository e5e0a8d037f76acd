//! `refit completions` and `refit man`: what is made of the arguments' own declarations, for packages.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, upgrade};

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// bash, elvish, fish, powershell or zsh
    shell: Shell,
}

/// Write the man pages into a folder
#[derive(Debug, clap::Args)]
pub(super) struct ManPages {
    /// The folder, which is made if it is missing
    folder: PathBuf,
}

/// Runs `refit completions`.
pub(super) fn completions(args: &Completions) -> ExitCode {
    let mut command = Cli::command();
    clap_complete::generate(args.shell, &mut command, "refit", &mut io::stdout());
    ExitCode::SUCCESS
}

/// Runs `refit man`.
pub(super) fn man(args: &ManPages) -> ExitCode {
    match write_pages(&args.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("refit: {}: {error}", args.folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write_pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let command = Cli::command();
    let of_subcommands = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        // That is `docker upgrade`, which has its own.
        .filter(|command| command.get_name() != "upgrade");
    for subcommand in of_subcommands {
        let name = format!("refit-{}", subcommand.get_name());
        let page = Man::new(subcommand.clone()).title(&name);
        page.render(&mut File::create(folder.join(format!("{name}.1")))?)?;
    }
    for command in [upgrade::command(), command] {
        let path = folder.join(format!("{}.1", command.get_name()));
        Man::new(command).render(&mut File::create(path)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_each_command_that_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        write_pages(folder.path()).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "docker-upgrade.1",
                "refit-healthcheck.1",
                "refit-recover.1",
                "refit-serve.1",
                "refit.1"
            ]
        );
        let page = fs::read_to_string(folder.path().join("docker-upgrade.1")).unwrap();
        for told in [
            r"\-\-max\-failure\-ratio",
            "69   the engine cannot be reached",
        ] {
            assert!(page.contains(told), "{told}: {page}");
        }
    }
}
