//! run, exec, attach and logs over pipes.

use compat_tests::{Scenario, same::same};

use crate::noise;

const LARGE: usize = 10 << 20;

#[test]
fn run_reads_a_large_piped_input_and_gives_it_back() {
    let scenario = Scenario::new("run-large");
    let input = noise(LARGE);
    let said = same(&scenario, |at| {
        at.run(&["-i", "busybox", "cat"])
            .input(input.as_slice())
            .said()
    });
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout == input,
        "{} bytes came back",
        said.stdout.len()
    );

    let summed = same(&scenario, |at| {
        let script = "cat >/all; wc -c </all; sha256sum </all";
        at.run(&["-i", "busybox", "sh", "-c", script])
            .input(input.as_slice())
            .said()
    });
    let sum = "2186b7b0baa2569ebd42cf2b128b78c03baf00b091f06769de03f44655e0e2ef";
    assert_eq!(summed.out(), format!("{LARGE}\n{sum}  -\n"));
}

#[test]
fn output_goes_on_after_the_end_of_input() {
    let scenario = Scenario::new("half-close");
    let script = "cat; sleep 0.3; echo after the end; echo aside >&2; sleep 0.3; echo last; exit 7";
    let said = same(&scenario, |at| {
        at.run(&["-i", "busybox", "sh", "-c", script])
            .input("from the input\n")
            .said()
    });
    assert_eq!(said.out(), "from the input\nafter the end\nlast\n");
    assert_eq!((said.code, said.err().as_str()), (Some(7), "aside\n"));
}

#[test]
fn each_line_is_answered_while_the_input_stays_open() {
    let scenario = Scenario::new("dialogue");
    let name = scenario.named("box");
    let script = "while read line; do echo got $line; done; echo end";
    let said = same(&scenario, |at| {
        at.run_detached(&name, &["busybox", "sleep", "1000"]);
        let run = at.run(&["-i", "busybox", "sh", "-c", script]);
        let exec = at.docker(&["exec", "-i", &name, "sh", "-c", script]);
        let said = [run, exec].map(|ask| {
            let mut running = ask.start();
            for turn in 0..20 {
                running.write(&format!("{turn}\n"));
                running.until(&format!("got {turn}\n"));
            }
            running.end()
        });
        at.remove(&name);
        said
    });
    for said in said {
        assert!(said.out().ends_with("got 19\nend\n"), "{said:?}");
        assert_eq!(said.code, Some(0), "{said:?}");
    }
}

#[test]
fn what_cannot_run_fails_alike() {
    let scenario = Scenario::new("run-fails");
    let said = same(&scenario, |at| {
        [
            at.run(&["busybox", "/no/such/program"]).said().masked(),
            at.run(&["--pull", "never", "no/such:image", "true"]).said(),
            at.run(&["--network", "no-such-network", "busybox", "true"])
                .said()
                .masked(),
            at.docker(&["exec", "no-such-container", "true"]).said(),
            at.docker(&["attach", "no-such-container"]).said(),
            at.docker(&["logs", "-f", "no-such-container"]).said(),
            at.docker(&["wait", "no-such-container"]).said(),
        ]
    });
    let expected = [127, 125, 125, 1, 1, 1, 1];
    for (said, code) in said.iter().zip(expected) {
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.err().contains("no"), "{said:?}");
    }
}

#[test]
fn exec_passes_input_output_and_exit_code() {
    let scenario = Scenario::new("exec");
    let name = scenario.named("box");
    let input = noise(LARGE);
    let (echoed, [split, missing, detached]) = same(&scenario, |at| {
        at.run_detached(&name, &["busybox", "sleep", "1000"]);
        let exec = |command: &[&str]| at.docker(&[&["exec", "-i", &name], command].concat());
        let echoed = exec(&["cat"]).input(input.as_slice()).said();
        let script = "cat; echo out; echo err >&2; sleep 0.2; echo late; exit 42";
        let split = exec(&["sh", "-c", script]).input("in\n").said();
        let missing = exec(&["/no/such/program"]).said();
        let detached = at.docker(&["exec", "-d", &name, "touch", "/done"]).said();
        at.remove(&name);
        (echoed, [split, missing, detached])
    });
    assert!(
        echoed.stdout == input && echoed.code == Some(0),
        "{echoed:?}"
    );
    assert_eq!(split.code, Some(42), "{split:?}");
    assert_eq!(
        (split.out().as_str(), split.err().as_str()),
        ("in\nout\nlate\n", "err\n")
    );
    assert!(
        [Some(126), Some(127)].contains(&missing.code),
        "{missing:?}"
    );
    assert_eq!((detached.code, detached.out()), (Some(0), String::new()));
}

#[test]
fn attach_passes_input_both_outputs_and_the_exit_code() {
    let scenario = Scenario::new("attach");
    let name = scenario.named("box");
    let script = "read a; echo got $a; echo aside >&2; sleep 0.2; echo late; exit 5";
    let said = same(&scenario, |at| {
        at.run_detached(&name, &["-i", "busybox", "sh", "-c", script]);
        // The end of input would end the attachment, output included: it comes later.
        let mut attached = at.docker(&["attach", &name]).start();
        attached.write("hello\n");
        attached.until("late\n");
        let attached = attached.end();
        at.remove(&name);
        // The container's input ends with the first client's.
        let label = scenario.label();
        let create = ["create", "-i", &label, "--name", &name, "busybox", "cat"];
        let created = at.docker(&create).said().masked();
        let started = at.docker(&["start", "-ai", &name]).input("again\n").said();
        at.remove(&name);
        [attached, created, started]
    });
    let [attached, created, started] = said;
    assert_eq!(attached.code, Some(5), "{attached:?}");
    assert_eq!(
        (attached.out().as_str(), attached.err().as_str()),
        ("got hello\nlate\n", "aside\n")
    );
    assert_eq!(created.out(), "<id 0>\n");
    assert_eq!(
        (started.code, started.out()),
        (Some(0), "again\n".to_owned())
    );
}

#[test]
fn logs_follow_line_by_line_until_the_container_ends() {
    let scenario = Scenario::new("logs");
    let name = scenario.named("box");
    let script = "echo first; echo aside >&2
        n=0; until [ -e /go ] || [ $n = 600 ]; do sleep 0.1; n=$((n + 1)); done
        echo second; echo further aside >&2; sleep 1; exit 3";
    let [whole, stamped] = same(&scenario, |at| {
        at.run_detached(&name, &["busybox", "sh", "-c", script]);
        let mut follow = at.docker(&["logs", "-f", &name]).start();
        follow.until("first\n");
        assert!(follow.runs() && !follow.so_far().contains("second"));
        let go = at.docker(&["exec", &name, "touch", "/go"]).said();
        assert_eq!(go.code, Some(0), "{go:?}");
        let whole = follow.end();
        let stamped = at.docker(&["logs", "-t", &name]).said().masked();
        at.remove(&name);
        [whole, stamped]
    });
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert_eq!(
        (whole.out().as_str(), whole.err().as_str()),
        ("first\nsecond\n", "aside\nfurther aside\n")
    );
    assert_eq!(stamped.out(), "<time> first\n<time> second\n");
}

#[test]
fn long_logs_come_whole() {
    let scenario = Scenario::new("logs-long");
    let name = scenario.named("box");
    let (said, tail) = same(&scenario, |at| {
        // Docker 20.10 may end a follower before the last lines of what has just ended.
        let lines = "seq 1 100000; sleep 2";
        at.run_detached(&name, &["busybox", "sh", "-c", lines]);
        let said = at.docker(&["logs", "-f", &name]).said();
        let tail = at.docker(&["logs", "--tail", "2", &name]).said();
        at.remove(&name);
        (said, tail)
    });
    assert_eq!(said.out().lines().count(), 100_000);
    assert!(said.out().ends_with("\n99999\n100000\n"));
    assert_eq!(tail.out(), "99999\n100000\n");
}
