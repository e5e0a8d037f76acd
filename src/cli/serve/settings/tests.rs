//! Settings from options and variables, without a process around them.

use std::{collections::HashMap, ffi::OsString, path::PathBuf};

use super::*;
use crate::{engine::Limits, server::Group};

/// The surroundings of a test: variables, a file of groups, sockets that were handed over.
#[derive(Default)]
struct Around {
    variables: HashMap<&'static str, OsString>,
    group_file: PathBuf,
    inherited: Vec<Address>,
}

impl Around {
    fn with(variables: &[(&'static str, &str)]) -> Self {
        Self {
            variables: variables
                .iter()
                .map(|(name, value)| (*name, value.into()))
                .collect(),
            ..Self::default()
        }
    }

    fn parse(&self, args: Args) -> Result<Settings, String> {
        Settings::parse(
            args,
            &Surroundings {
                variable: &|name| self.variables.get(name).cloned(),
                group_file: &self.group_file,
                inherited: &self.inherited.iter().map(Some).collect::<Vec<_>>(),
                refused: &[],
            },
        )
        .map_err(|mistakes| mistakes.to_string())
    }

    fn settings(&self, args: Args) -> Settings {
        self.parse(args).expect("no mistakes")
    }

    fn mistakes(&self, args: Args) -> String {
        self.parse(args).expect_err("mistakes")
    }
}

fn listen(addresses: &[&str]) -> Args {
    Args {
        listen: addresses.iter().map(|&a| a.to_owned()).collect(),
        ..Args::default()
    }
}

fn address(text: &str) -> Address {
    text.parse().expect(text)
}

#[test]
fn without_arguments_everything_has_a_default() {
    let settings = Around::default().settings(Args::default());
    let expected = Settings {
        listen: vec![address("unix:///run/refit/docker.sock")],
        admin: vec![],
        engine: engine::Settings {
            address: address("unix:///var/run/docker.sock"),
            limits: Limits::default(),
        },
        access: SocketAccess {
            mode: 0o660,
            group: Group::Own,
        },
        drain: Duration::from_secs(60),
        log: log::Settings {
            format: log::Format::Text,
            filter: "info".to_owned(),
        },
    };
    assert_eq!(settings, expected);
}

#[test]
fn an_option_wins_over_its_variable() {
    let around = Around::with(&[
        ("REFIT_LISTEN", "unix:///v1.sock, unix:///v2.sock"),
        ("REFIT_DRAIN", "2m"),
        ("REFIT_CALL_TIMEOUT", "1500ms"),
        ("REFIT_SOCKET_MODE", "0600"),
        ("REFIT_LOG_FORMAT", ""),
    ]);
    let settings = around.settings(Args::default());
    assert_eq!(
        settings.listen,
        [address("unix:///v1.sock"), address("unix:///v2.sock")]
    );
    assert_eq!(settings.drain, Duration::from_secs(120));
    assert_eq!(settings.engine.limits.call, Duration::from_millis(1500));
    assert_eq!(settings.access.mode, 0o600);
    let settings = around.settings(Args {
        drain: Some("90".to_owned()),
        ..listen(&["unix:///o,1.sock"])
    });
    assert_eq!(settings.listen, [address("unix:///o,1.sock")]);
    assert_eq!(settings.drain, Duration::from_secs(90));
}

#[test]
fn docker_host_is_the_engine_unless_it_is_ours() {
    for (docker_host, engine) in [
        ("tcp://engine:2375", "tcp://engine:2375"),
        (
            "unix:///run/user/1/docker.sock",
            "unix:///run/user/1/docker.sock",
        ),
        (
            "unix:///run/refit/docker.sock",
            "unix:///var/run/docker.sock",
        ),
        ("", "unix:///var/run/docker.sock"),
    ] {
        let around = Around::with(&[("DOCKER_HOST", docker_host)]);
        let settings = around.settings(Args::default());
        assert_eq!(settings.engine.address, address(engine), "{docker_host}");
    }
}

#[test]
fn the_engines_own_socket_is_refused() {
    let around = Around::default();
    let mistakes = around.mistakes(listen(&["unix:///var/run/docker.sock"]));
    assert!(mistakes.contains("--listen: unix:///var/run/docker.sock is the engine's own socket"));
    let around = Around::with(&[
        ("REFIT_LISTEN", "tcp://0.0.0.0:2375"),
        ("REFIT_ENGINE", "tcp://localhost:2375"),
        ("REFIT_INSECURE_TCP", "true"),
    ]);
    let mistakes = around.mistakes(Args::default());
    assert!(
        mistakes.contains("REFIT_LISTEN: tcp://0.0.0.0:2375 is the engine's"),
        "{mistakes}"
    );
}

#[test]
fn a_mistaken_engine_is_told_once() {
    let mistakes = Around::default().mistakes(Args {
        engine: engine::Args {
            engine: Some("nonsense".to_owned()),
            ..engine::Args::default()
        },
        ..listen(&["unix:///var/run/docker.sock"])
    });
    assert!(mistakes.starts_with("refit: there is a mistake in the arguments:\n  --engine: "));
    assert_eq!(mistakes.lines().count(), 2, "{mistakes}");
}

#[test]
fn a_listener_is_given_once() {
    let mistakes = Around::default().mistakes(listen(&["unix:///a.sock", "unix:///a.sock"]));
    assert!(
        mistakes.contains("unix:///a.sock is given twice"),
        "{mistakes}"
    );
    let mistakes = Around::default().mistakes(listen(&["unix:///a.sock", "unix:///dev/../a.sock"]));
    assert!(
        mistakes.contains("is the same socket as unix:///a.sock"),
        "{mistakes}"
    );
}

#[test]
fn sockets_that_were_handed_over_replace_the_default_and_join_the_rest() {
    let mut around = Around {
        inherited: vec![address("unix:///handed.sock")],
        ..Around::default()
    };
    assert_eq!(around.settings(Args::default()).listen, []);
    let asked_for = around.settings(listen(&["unix:///asked.sock"])).listen;
    assert_eq!(asked_for, [address("unix:///asked.sock")]);
    let mistakes = around.mistakes(listen(&["unix:///handed.sock"]));
    assert!(mistakes.contains("is given twice"), "{mistakes}");
    around.inherited.push(address("tcp://127.0.0.1:2375"));
    let mistakes = around.mistakes(Args::default());
    assert!(
        mistakes.contains("LISTEN_FDS: ") && mistakes.contains("--insecure-tcp"),
        "{mistakes}"
    );
}

fn admin(addresses: &[&str]) -> Args {
    Args {
        admin: addresses.iter().map(|&a| a.to_owned()).collect(),
        ..Args::default()
    }
}

#[test]
fn admins_have_listeners_of_their_own() {
    let around = Around::with(&[("REFIT_ADMIN", "tcp://127.0.0.1:1 unix:///v.sock")]);
    let settings = around.settings(Args::default());
    let expected = ["tcp://127.0.0.1:1", "unix:///v.sock"].map(address);
    assert_eq!(settings.admin, expected);
    assert_eq!(settings.listen, [address("unix:///run/refit/docker.sock")]);
    let settings = around.settings(admin(&["tcp://[::1]:2", "tcp://localhost:3"]));
    let expected = ["tcp://[::1]:2", "tcp://localhost:3"].map(address);
    assert_eq!(settings.admin, expected);
}

#[test]
fn admins_are_on_this_machine_unless_others_are_allowed() {
    let around = Around::default();
    for elsewhere in ["tcp://0.0.0.0:1", "tcp://10.1.2.3:1", "tcp://host:1"] {
        let mistakes = around.mistakes(admin(&[elsewhere]));
        assert!(
            mistakes.contains(&format!("--admin: {elsewhere} is no loopback address")),
            "{mistakes}"
        );
        let allowed = Args {
            insecure_tcp: true,
            ..admin(&[elsewhere])
        };
        assert_eq!(around.settings(allowed).admin, [address(elsewhere)]);
    }
}

#[test]
fn a_docker_socket_is_not_for_admins_as_well() {
    let mistakes = Around::default().mistakes(admin(&["unix:///run/refit/docker.sock"]));
    assert!(mistakes.contains("is given twice"), "{mistakes}");
    let mistakes = Around::default().mistakes(admin(&["unix:///var/run/docker.sock"]));
    assert!(
        mistakes.contains("--admin: unix:///var/run/docker.sock is the engine's own socket"),
        "{mistakes}"
    );
}

#[test]
fn a_path_that_no_socket_can_have_is_a_mistake() {
    let long = format!("unix:///{}", "x".repeat(LONGEST_PATH));
    let mistakes = Around::default().mistakes(listen(&[&long]));
    assert!(mistakes.contains("longer than 107 bytes"), "{mistakes}");
}

#[test]
fn a_mode_is_octal() {
    for (text, mode) in [("0660", 0o660), ("600", 0o600), ("0o777", 0o777), ("0", 0)] {
        assert_eq!(socket_mode(text), Ok(mode), "{text}");
    }
    for text in ["", "0o", "rw-rw----", "888", "1777", "+660", "-1", "0x1ff"] {
        let message = socket_mode(text).expect_err(text);
        assert!(message.contains(&format!("\"{text}\"")), "{message}");
    }
}

#[test]
fn a_duration_is_in_words_or_in_seconds() {
    for (text, millis) in [
        ("60s", 60_000),
        ("2m", 120_000),
        ("500ms", 500),
        ("7", 7_000),
        ("0", 0),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for text in ["", "soon", "-1", "1.5", "10 parsecs"] {
        let message = duration(text).expect_err(text);
        assert!(message.contains(&format!("\"{text}\"")), "{message}");
    }
}

#[test]
fn the_docker_group_is_the_default_where_it_exists() {
    let folder = tempfile::tempdir().expect("a folder");
    let group_file = folder.path().join("group");
    std::fs::write(&group_file, "root:x:0:\ndocker:x:998:\nops:x:7:\n").expect("write");
    let around = Around {
        group_file,
        ..Around::default()
    };
    assert_eq!(
        around.settings(Args::default()).access.group,
        Group::Preferred(998)
    );
    let group = |name: &str| Args {
        socket_group: Some(name.to_owned()),
        ..Args::default()
    };
    assert_eq!(
        around.settings(group("ops")).access.group,
        Group::Required(7)
    );
    assert!(around.mistakes(group("dev")).contains("no group \"dev\""));
}

#[test]
fn a_variable_that_is_not_text_is_a_mistake() {
    use std::os::unix::ffi::OsStringExt as _;
    let mut around = Around::default();
    around
        .variables
        .insert("REFIT_ENGINE", OsString::from_vec(b"unix:///\xff".to_vec()));
    let mistakes = around.mistakes(Args::default());
    assert!(
        mistakes.contains("REFIT_ENGINE: ") && mistakes.contains("UTF-8"),
        "{mistakes}"
    );
}

#[test]
fn a_bound_of_no_time_is_a_mistake() {
    let arguments = Args {
        engine: engine::Args {
            call_timeout: Some("0s".to_owned()),
            ..engine::Args::default()
        },
        ..listen(&["unix:///a.sock"])
    };
    let mistakes = Around::default().mistakes(arguments);
    assert!(mistakes.contains("--call-timeout: no time"), "{mistakes}");
}
