use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
#[command(disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn parse(line: &str) -> Result<Settings, Mistakes> {
    let words = std::iter::once("upgrade").chain(line.split_whitespace());
    Settings::parse(&Line::try_parse_from(words).expect(line).args)
}

fn refused(line: &str) -> bool {
    let words = std::iter::once("upgrade").chain(line.split_whitespace());
    Line::try_parse_from(words).is_err()
}

fn body(line: &str) -> Value {
    parse(line).expect(line).call.body.into()
}

#[test]
fn nothing_said_asks_for_nothing() {
    let settings = parse("web").unwrap();
    assert_eq!(settings.task, Task::Upgrade);
    assert_eq!(settings.output, Output::Text);
    assert_eq!(body("web"), json!({}));
    assert!(!settings.call.changes());
    assert_eq!(
        settings.call.target("web", Pull::Always),
        "/containers/upgrade?name=web&stream=1&pull=always"
    );
    assert_eq!(
        settings.whose,
        Whose::Words {
            container: "web".to_owned(),
            rest: Vec::new()
        }
    );
}

#[test]
fn options_become_a_body_of_create() {
    for (line, expected) in [
        ("--image web:2 web", json!({ "Image": "web:2" })),
        ("--entrypoint serve web", json!({ "Entrypoint": ["serve"] })),
        ("--entrypoint= web", json!({ "Entrypoint": [""] })),
        ("-e A=1 --env B=2 web", json!({ "Env": ["A=1", "B=2"] })),
        (
            "-l tier=cache -l bare web",
            json!({ "Labels": { "tier": "cache", "bare": "" } }),
        ),
        (
            "-v a:/a -v /b web",
            json!({ "HostConfig": { "Binds": ["a:/a", "/b"] } }),
        ),
        (
            "-m 256m --cpus 0.5 web",
            json!({ "HostConfig": { "Memory": 256 << 20, "NanoCpus": 500_000_000 } }),
        ),
        (
            "-p 80 -p 127.0.0.1:81:80 web",
            json!({ "HostConfig": { "PortBindings": { "80/tcp": [
                { "HostIp": "", "HostPort": "" }, { "HostIp": "127.0.0.1", "HostPort": "81" },
            ] } } }),
        ),
        (
            "--network side --network name=back,alias=db web",
            json!({ "NetworkingConfig": { "EndpointsConfig": {
                "side": {}, "back": { "Aliases": ["db"] },
            } } }),
        ),
        (
            "--network host web",
            json!({ "HostConfig": { "NetworkMode": "host" } }),
        ),
        (
            "--monitor 2s --healthy-deadline 1m web",
            json!({ "UpgradeConfig": { "Monitor": 2_000_000_000, "HealthyDeadline": 60_000_000_000_i64 } }),
        ),
    ] {
        assert_eq!(body(line), expected, "{line}");
    }
}

#[test]
fn the_rest_becomes_the_query() {
    let line = "--force --dry-run --renew-volumes --platform linux/arm64 -t -1 --signal INT web";
    let call = parse(line).unwrap().call;
    assert!(call.dry_run);
    assert_eq!(
        call.target("a b", Pull::Never),
        "/containers/upgrade?name=a+b&stream=1&pull=never&force=1&dryRun=1&renewVolumes=1\
         &platform=linux%2Farm64&t=-1&signal=INT"
    );
    assert_eq!(
        parse("--pull never web").unwrap().call.pull,
        Some(Pull::Never)
    );
}

#[test]
fn options_end_at_the_container() {
    let whose = parse("--image web:2 web sh -c x --force").unwrap();
    assert!(!whose.call.target("web", Pull::Never).contains("force"));
    assert_eq!(
        whose.whose,
        Whose::Words {
            container: "web".to_owned(),
            rest: ["sh", "-c", "x", "--force"].map(str::to_owned).to_vec()
        }
    );
    let Whose::Words { rest, .. } = parse("web -- api").unwrap().whose else {
        panic!("words are expected");
    };
    assert_eq!(rest, ["--", "api"]);
}

#[test]
fn pouchs_form_names_the_image_behind_the_name() {
    let settings = parse("--name db redis:8 redis-server --port 1").unwrap();
    assert_eq!(settings.whose, Whose::Names(vec!["db".to_owned()]));
    assert_eq!(
        Value::from(settings.call.body),
        json!({ "Image": "redis:8", "Cmd": ["redis-server", "--port", "1"] })
    );
    assert!(
        parse("--name db")
            .unwrap_err()
            .to_string()
            .contains("--name")
    );
    assert!(refused("--name db --image redis:8"));
}

#[test]
fn a_filter_leaves_the_words_to_the_command() {
    let settings = parse("--filter label=app=web -f name=x sleep 5").unwrap();
    let filters = ["label=app=web", "name=x"].map(str::to_owned).to_vec();
    assert_eq!(settings.whose, Whose::Filter(filters));
    assert_eq!(
        Value::from(settings.call.body),
        json!({ "Cmd": ["sleep", "5"] })
    );
}

#[test]
fn going_back_keeps_how_it_stops_and_what_it_verifies() {
    let call = parse("--image web:2 -t 3 --signal INT --force --monitor 1s web")
        .unwrap()
        .call;
    let back = call.going_back();
    assert!(back.is_back() && !call.is_back());
    assert_eq!(
        back.target("web", Pull::Missing),
        "/containers/upgrade?name=web&stream=1&t=3&signal=INT&rollback=1"
    );
    let config = json!({ "UpgradeConfig": { "Monitor": 1_000_000_000 } });
    assert_eq!(Value::from(back.body), config);
    let asked = parse("--rollback --dry-run web").unwrap();
    assert_eq!(asked.task, Task::Rollback);
    assert!(asked.call.is_back() && asked.call.dry_run);
    let asked = parse("--rollback --pull never web").unwrap();
    assert_eq!(
        asked.call.target("web", Pull::Never),
        "/containers/upgrade?name=web&stream=1&pull=never&rollback=1"
    );
}

#[test]
fn what_excludes_each_other_is_refused() {
    for line in [
        "--rollback --image web:2 web",
        "--rollback -e A=1 web",
        "--history --force web",
        "--history --rollback web",
        "--recover --filter name=x",
        "--pull sometimes web",
        "--failure-action explode web",
        "--parallelism -1 web",
        "--format yaml web",
    ] {
        assert!(refused(line), "{line}");
    }
}

#[test]
fn all_mistakes_are_told_together() {
    let line = "-m 1x --cpus z -p 99999 --monitor never --mount type=bind --max-failure-ratio 2 \
                -v data";
    let mistakes = parse(line).unwrap_err();
    for option in [
        "--memory",
        "--cpus",
        "--publish",
        "--monitor",
        "--mount",
        "--max-failure-ratio",
        "--volume",
        "CONTAINER",
    ] {
        assert!(
            mistakes.to_string().contains(option),
            "{option}: {mistakes}"
        );
    }
    for line in [
        "web --dry-run",
        "web --image redis:8",
        "web -q",
        "web --memory=1g",
    ] {
        let mistakes = parse(line).unwrap_err().to_string();
        assert!(
            mistakes.contains("stand before the CONTAINER"),
            "{line}: {mistakes}"
        );
    }
    assert!(parse("web --port 81").is_ok() && parse("web -- --dry-run").is_ok());
    for line in ["--filter name web", "-f =x", "-f name="] {
        let mistakes = parse(line).unwrap_err().to_string();
        assert!(
            mistakes.contains("bad format of filter"),
            "{line}: {mistakes}"
        );
    }
    for line in ["--rollback a b", "--history a b"] {
        let names = ["a", "b"].map(str::to_owned).to_vec();
        assert_eq!(parse(line).unwrap().whose, Whose::Names(names), "{line}");
    }
    for line in ["--nonsense web", "-x web", "--filter name=x --nonsense"] {
        let mistakes = parse(line).unwrap_err().to_string();
        assert!(mistakes.contains("unknown flag: -"), "{line}: {mistakes}");
    }
    assert_eq!(mistakes.0.len(), 8);
    assert!(
        parse("--recover web")
            .unwrap_err()
            .to_string()
            .contains("\"web\"")
    );
}

#[test]
fn several_are_taken_as_swarm_takes_tasks() {
    let usual = parse("web").unwrap().rolling;
    assert_eq!(usual.parallelism, 1);
    assert_eq!(usual.failure_action, FailureAction::Pause);
    assert!(usual.delay.is_zero() && usual.max_failure_ratio == 0.0 && usual.partition == 0);
    let line = "--parallelism 0 --delay 10s --max-failure-ratio 0.3 --failure-action rollback \
                --partition 2 -f name=web";
    let rolling = parse(line).unwrap().rolling;
    assert_eq!(rolling.parallelism, 0);
    assert_eq!(rolling.delay, Duration::from_secs(10));
    assert_eq!(rolling.failure_action, FailureAction::Rollback);
    assert_eq!(rolling.partition, 2);
}
