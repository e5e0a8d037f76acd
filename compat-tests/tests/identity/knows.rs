//! What the engine itself knows always wins.

use compat_tests::{Answer, Scenario, repeat};
use refit::plan::MARKER_LABEL;

use super::Lineage;

/// What inspect answers, through Refit and directly.
fn inspected(scenario: &Scenario, reference: &str) -> [Answer; 2] {
    let path = format!("/containers/{reference}/json");
    [scenario.ask_refit("GET", &path), scenario.ask("GET", &path)]
}

/// It is to Refit what it is to the engine.
fn assert_same(scenario: &Scenario, reference: &str) {
    let [refit, engine] = inspected(scenario, reference);
    assert_eq!((refit.status, refit.text), (engine.status, engine.text));
}

/// It means the container to Refit, and nothing to the engine.
fn assert_means(lineage: &Lineage<'_>, reference: &str) {
    let [refit, engine] = inspected(lineage.scenario, reference);
    assert_eq!(engine.status, 404, "{}", engine.text);
    assert_eq!(
        refit.text_of("Id"),
        lineage.current,
        "{reference}: {}",
        refit.text
    );
}

#[test]
fn a_container_that_is_called_like_an_earlier_id_wins() {
    let scenario = Scenario::new("called");
    let mut lineage = Lineage::new(&scenario, "web", &[]);
    for _ in 0..repeat() {
        lineage.upgrade();
        for reference in lineage.references(0) {
            assert_means(&lineage, reference);
            // One that runs would be another from one look to the next.
            let fixed = ["create", "--name", reference, &scenario.label()];
            let other = scenario.docker(&[&fixed[..], &["busybox", "true"]].concat());
            assert_same(&scenario, reference);
            let [refit, _] = inspected(&scenario, reference);
            assert_eq!(refit.text_of("Id"), other);
            scenario.remove(reference);
            assert_means(&lineage, reference);
        }
    }
}

/// The markers of other containers, whose earlier generations may have IDs that begin alike.
fn strangers(scenario: &Scenario, lineages: &[&Lineage<'_>]) -> String {
    let label = format!("label={MARKER_LABEL}");
    let upgraded = scenario.docker(&["ps", "-aq", "--no-trunc", "--filter", &label]);
    let is_strange = |id: &&str| !lineages.iter().any(|lineage| lineage.current == *id);
    let strangers = upgraded.lines().filter(is_strange);
    let pointer = format!("/Config/Labels/{MARKER_LABEL}");
    strangers.map(|id| scenario.text(id, &pointer)).collect()
}

#[test]
fn an_id_that_begins_alike_wins_and_one_that_is_ambiguous_stays_so() {
    let scenario = Scenario::new("alike");
    let mut lineage = Lineage::new(&scenario, "web", &[]);
    let label = scenario.label();
    let mut others: Vec<String> = (0..16)
        .map(|_| scenario.docker(&["create", &label, "busybox", "true"]))
        .collect();
    let (mut won, mut ambiguous) = (0, 0);
    let rounds = repeat();
    // Not each round has one of them.
    for _ in 0..rounds + 30 {
        if won + ambiguous >= rounds && won > 0 && ambiguous > 0 {
            break;
        }
        lineage.upgrade();
        let digit = lineage.earlier[lineage.earlier.len() - 1][..1].to_owned();
        let all = scenario.docker(&["ps", "-aq", "--no-trunc"]);
        let alike: Vec<_> = all.lines().filter(|id| id.starts_with(&digit)).collect();
        // What is not this scenario's stays in the way.
        let is_ours = |id: &&str| others.iter().any(|other| other == id);
        if !alike.iter().all(is_ours)
            || strangers(&scenario, &[&lineage]).contains(&format!("\"{digit}"))
        {
            continue;
        }
        match alike.len() {
            0 => continue,
            1 => won += 1,
            _ => ambiguous += 1,
        }
        assert_same(&scenario, &digit);
        // Where the last one is gone, it is the earlier generation's.
        for id in others.extract_if(.., |id| id.starts_with(&digit)) {
            scenario.remove(&id);
        }
        assert_means(&lineage, &digit);
        for _ in alike {
            others.push(scenario.docker(&["create", &label, "busybox", "true"]));
        }
    }
    assert!(
        won > 0 && ambiguous > 0,
        "{won} won, {ambiguous} were ambiguous"
    );
}

#[test]
fn two_containers_that_had_ids_alike_are_not_mixed_up() {
    let scenario = Scenario::new("two");
    let mut lineages: Vec<_> = (0..2)
        .map(|n| Lineage::new(&scenario, &format!("web{n}"), &[]))
        .collect();
    for _ in 0..repeat() {
        for lineage in &mut lineages {
            lineage.upgrade();
        }
    }
    let [one, other] = lineages.as_slice() else {
        panic!("two of them");
    };
    let strangers = strangers(&scenario, &[one, other]);
    for (mine, theirs) in [(one, other), (other, one)] {
        for id in &mine.earlier {
            // As short as it can be.
            let is_theirs = |begin: &str| theirs.earlier.iter().any(|it| it.starts_with(begin));
            let is_strange = |begin: &str| strangers.contains(&format!("\"{begin}"));
            let is_single = |len: &usize| !is_theirs(&id[..*len]) && !is_strange(&id[..*len]);
            let len = (1..64).find(is_single).expect("they differ");
            let [refit, engine] = inspected(&scenario, &id[..len]);
            if engine.status == 404 {
                assert_eq!(refit.text_of("Id"), mine.current);
            }
            if len > 1 && is_theirs(&id[..len - 1]) {
                // One digit less means both.
                assert_same(&scenario, &id[..len - 1]);
            }
        }
    }
}
