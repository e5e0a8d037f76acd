//! run, exec and attach on a terminal.

use compat_tests::{Scenario, same::same};

/// Says the terminal's size once it is this one, and another after some seconds. There may be none
/// at first: then stty complains.
const AWAIT_SIZE: &str = r#"await() {
    n=0; until [ "$(stty size 2>/dev/null)" = "$1" ] || [ $n = 300 ]; do sleep 0.1; n=$((n + 1)); done
    echo "size $(stty size 2>/dev/null)"
}; await "24 80""#;

#[test]
fn run_on_a_terminal_says_the_same_bytes() {
    let scenario = Scenario::new("tty");
    let script = format!("{AWAIT_SIZE}; tty; printf '\\033[1mbold\\033[0m\\n'; echo e >&2; exit 9");
    let said = same(&scenario, |at| {
        at.run(&["-t", "busybox", "sh", "-c", &script])
            .on_terminal()
            .end()
    });
    assert_eq!(said.code, Some(9), "{said:?}");
    // Without input the CLI leaves the terminal as it is: that one adds a carriage return, too.
    let expected = "size 24 80\r\r\n/dev/pts/0\r\r\n\u{1b}[1mbold\u{1b}[0m\r\r\ne\r\r\n";
    assert_eq!(said.out(), expected);
}

#[test]
fn a_terminal_without_input_is_a_terminal_inside_all_the_same() {
    let scenario = Scenario::new("tty-pipe");
    let said = same(&scenario, |at| {
        at.run(&["-t", "busybox", "sh", "-c", "tty; echo e >&2; exit 4"])
            .said()
    });
    assert_eq!(
        (said.code, said.out().as_str()),
        (Some(4), "/dev/pts/0\r\ne\r\n")
    );
}

#[test]
fn typing_and_resizing_and_interrupting_reach_the_container() {
    let scenario = Scenario::new("tty-input");
    let name = scenario.named("box");
    let script = format!(
        "{AWAIT_SIZE}; trap 'echo interrupted; exit 6' INT
        read line; echo \"got $line\"; await '33 101'; echo sleeping
        n=0; while [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done"
    );
    let said = same(&scenario, |at| {
        at.run_detached(&name, &["busybox", "sleep", "1000"]);
        let run = at.run(&["-it", "busybox", "sh", "-c", &script]);
        let exec = at.docker(&["exec", "-it", &name, "sh", "-c", &script]);
        let said = [run, exec].map(|ask| {
            let mut running = ask.on_terminal();
            running.until("size 24 80\r\n");
            running.write("hello\r");
            running.until("got hello\r\n");
            running.resize_until(101, 33, "size 33 101\r\nsleeping\r\n");
            running.write("\u{3}");
            running.end()
        });
        at.remove(&name);
        said
    });
    for said in said {
        assert_eq!(said.code, Some(6), "{said:?}");
        assert!(said.out().ends_with("^Cinterrupted\r\n"), "{said:?}");
    }
}

#[test]
fn exec_on_a_terminal_says_the_same_bytes() {
    let scenario = Scenario::new("tty-exec");
    let name = scenario.named("box");
    let script = format!("{AWAIT_SIZE}; tty; echo e >&2; exit 8");
    let said = same(&scenario, |at| {
        at.run_detached(&name, &["busybox", "sleep", "1000"]);
        let exec = at.docker(&["exec", "-t", &name, "sh", "-c", &script]);
        let said = exec.on_terminal().end();
        at.remove(&name);
        said
    });
    assert_eq!(said.code, Some(8), "{said:?}");
    assert!(
        said.out().starts_with("size 24 80\r\r\n/dev/pts/"),
        "{said:?}"
    );
}

#[test]
fn detaching_leaves_the_container_running_and_attaching_comes_back_to_it() {
    let scenario = Scenario::new("detach");
    let name = scenario.named("box");
    let script = "while read line; do echo \"got $line\"; done";
    let (said, states) = same(&scenario, |at| {
        at.run_detached(&name, &["-it", "busybox", "sh", "-c", script]);
        let state = || {
            let running = ["inspect", "--format", "{{.State.Status}}", &name];
            at.docker(&running).said().out()
        };
        let mut said = Vec::new();
        let mut states = Vec::new();
        for (word, keys) in [("one", "\u{10}\u{11}"), ("two", "ctrl-x"), ("three", "")] {
            let mut attach = vec!["attach", &name];
            if keys == "ctrl-x" {
                attach.extend(["--detach-keys", keys]);
            }
            let mut running = at.docker(&attach).on_terminal();
            running.write(&format!("{word}\r"));
            running.until(&format!("got {word}\r\n"));
            running.write(match keys {
                "ctrl-x" => "\u{18}",
                // The end of input on a terminal: the container ends.
                "" => "\u{4}",
                keys => keys,
            });
            said.push(running.end());
            states.push(state());
        }
        at.remove(&name);
        (said, states)
    });
    assert_eq!(states, ["running\n", "running\n", "exited\n"]);
    let codes: Vec<_> = said.iter().map(|said| said.code).collect();
    assert_eq!(codes[2], Some(0), "{said:?}");
    assert!(said[0].out().contains("got one\r\n"), "{said:?}");
    assert!(said[0].out().contains("escape sequence"), "{said:?}");
}
