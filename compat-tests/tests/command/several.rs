//! Several containers in one call.

use crate::rig::{AFTER, BEFORE, Rig};

/// Five containers; the third has a command that cannot stand the new image.
fn five(rig: &Rig) -> Vec<String> {
    let label = format!("fleet={}", rig.scenario.name());
    (1..=5)
        .map(|number| {
            let name = rig.scenario.named(&format!("web-{number}"));
            let command = if number == 3 {
                "test $WHICH != new && sleep 1000"
            } else {
                "sleep 1000"
            };
            let arguments = [
                "--name",
                &name,
                "--label",
                &label,
                "--init",
                "--entrypoint",
                "sh",
            ];
            let image = rig.scenario.named("old");
            rig.scenario
                .run(&[&arguments[..], &[&image, "-c", command]].concat());
            name
        })
        .collect()
}

/// Two images that tell themselves apart; their names.
fn images(rig: &Rig) -> [String; 2] {
    ["old", "new"].map(|which| {
        let name = rig.scenario.named(which);
        let made = rig
            .scenario
            .docker(&["create", &rig.scenario.label(), "busybox"]);
        let change = format!("ENV WHICH={which}");
        rig.scenario
            .docker(&["commit", "--change", &change, &made, &name]);
        rig.scenario.docker(&["rm", &made]);
        name
    })
}

fn image_of(rig: &Rig, name: &str) -> String {
    let image = rig.scenario.text(name, "/Config/Image");
    image.rsplit('-').next().unwrap_or_default().to_owned()
}

#[test]
fn they_are_upgraded_in_turn_until_one_fails() {
    let rig = Rig::new("fleet");
    let [old, new] = images(&rig);
    for side in rig.sides() {
        let names = five(&rig);
        let filter = format!("label=fleet={}", rig.scenario.name());
        let usual = [
            "--image",
            &new,
            "--monitor",
            "2s",
            "-t",
            "0",
            "--filter",
            &filter,
        ];
        let said = rig.upgrade(&side, &usual).said();
        assert_eq!(said.code, Some(1), "{said:?}");
        let out = said.out();
        let table: Vec<Vec<_>> = out
            .lines()
            .skip_while(|line| !line.starts_with("NAME"))
            .skip(1)
            .map(|line| {
                line.split("  ")
                    .filter(|cell| !cell.is_empty())
                    .map(str::trim)
                    .take(2)
                    .collect()
            })
            .collect();
        let results = [
            "upgraded",
            "upgraded",
            "rolled back",
            "not begun",
            "not begun",
        ];
        let expected: Vec<_> = names
            .iter()
            .zip(results)
            .map(|(name, result)| vec![name.as_str(), result])
            .collect();
        assert_eq!(table, expected, "{out}");
        let images: Vec<_> = names.iter().map(|name| image_of(&rig, name)).collect();
        assert_eq!(images, ["new", "new", "old", "old", "old"]);

        // The others, whatever fails, but for the last; two at once.
        let on = [
            "--failure-action",
            "continue",
            "--partition",
            "1",
            "--parallelism",
            "2",
        ];
        let said = rig.upgrade(&side, &[&on[..], &usual].concat()).said();
        assert_eq!(said.code, Some(1), "{said:?}");
        let images: Vec<_> = names.iter().map(|name| image_of(&rig, name)).collect();
        assert_eq!(images, ["new", "new", "old", "new", "old"]);
        for told in ["up to date", "rolled back", "left by --partition"] {
            assert!(said.out().contains(told), "{told}: {said:?}");
        }

        // Nothing of it, if not all.
        let all = ["--failure-action", "rollback", "--force"];
        let said = rig.upgrade(&side, &[&all[..], &usual].concat()).said();
        assert_eq!(said.code, Some(1), "{said:?}");
        assert_eq!(
            said.out().matches("upgraded, taken back").count(),
            2,
            "{said:?}"
        );
        let images: Vec<_> = names.iter().map(|name| image_of(&rig, name)).collect();
        assert_eq!(images, ["new", "new", "old", "new", "old"]);
        for name in &names {
            rig.scenario.docker(&["rm", "-fv", name]);
        }
    }
    for image in [old, new] {
        rig.scenario.forget_image(&image);
    }
}

#[test]
fn words_that_are_containers_are_containers() {
    let rig = Rig::new("fleet-words");
    for side in rig.sides() {
        let names = ["a", "b", "c"].map(|which| rig.scenario.named(which));
        for name in &names {
            rig.scenario.run(&["--name", name, BEFORE]);
        }
        let [a, b, c] = &names;
        let said = rig
            .upgrade(&side, &["--image", AFTER, "--monitor", "0s", c, a, b])
            .said();
        assert_eq!(said.code, Some(0), "{said:?}");
        let upgraded: Vec<_> = said
            .out()
            .lines()
            .filter_map(|line| Some(line.split_once(" upgraded")?.0.to_owned()))
            .collect();
        assert_eq!(upgraded[..3], [c.clone(), a.clone(), b.clone()], "{said:?}");
        for name in &names {
            assert_eq!(rig.scenario.text(name, "/Config/Image"), AFTER);
            rig.scenario.docker(&["rm", "-fv", name]);
        }
        let none = rig
            .upgrade(&side, &["--filter", "name=fleet-words-none"])
            .said();
        assert_eq!(none.code, Some(0), "{none:?}");
        assert!(none.err().contains("no container matches"), "{none:?}");
    }
}
