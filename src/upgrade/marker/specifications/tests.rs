use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::*;

/// A database's, as inspect prints it; of this generation, which has hashes and values of its own.
fn realistic(generation: u32) -> Value {
    let text = include_str!("realistic.json");
    let mut realistic: Value = serde_json::from_str(text).expect("JSON");
    // Digits that cannot be packed, as those of a hash.
    let hash = |seed: u64| {
        let word = |n: u64| (seed + n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let [a, b, c, d] = [1, 2, 3, 4].map(word);
        format!("{a:016x}{b:016x}{c:016x}{d:016x}")
    };
    let (number, config) = (u64::from(generation), &mut realistic["Config"]);
    config["Env"][0] = json!(format!("POSTGRES_PASSWORD={}", &hash(number * 3)[..24]));
    config["Env"][8] = json!(format!("PG_VERSION=17.{generation}-1.pgdg120+1"));
    config["Image"] = json!(format!(
        "registry.example.com/shop/postgres:17.{generation}"
    ));
    let labels = &mut config["Labels"];
    labels["com.docker.compose.config-hash"] = json!(hash(number * 5));
    labels["com.docker.compose.image"] = json!(format!("sha256:{}", hash(number * 7)));
    realistic["HostConfig"]["Memory"] = json!(number << 20);
    realistic
}

fn ten() -> Vec<Option<Value>> {
    (1..=10)
        .map(|generation| Some(realistic(generation)))
        .collect()
}

fn of_json(json: &[u8]) -> Specifications {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(json).expect("a list takes everything");
    Specifications(STANDARD.encode(gzip.finish().expect("packed")))
}

#[test]
fn ten_of_a_database_take_little_more_than_one() {
    let one = Specifications::pack(&ten()[..1]).0.len();
    let ten = ten();
    let packed = Specifications::pack(&ten);
    println!("one takes {one} bytes, ten take {}", packed.0.len());
    assert!(one < 2_500, "{one} bytes");
    assert!(packed.0.len() < 6_000, "{} bytes", packed.0.len());
    assert_eq!(packed.unpack(), ten);
}

#[test]
fn what_is_not_known_stays_in_its_place() {
    let list = [Some(realistic(1)), None, Some(realistic(3))];
    assert_eq!(Specifications::pack(&list).unpack(), list);
    for none in [&[][..], &[None, None]] {
        assert!(Specifications::pack(none).is_empty());
    }
}

#[test]
fn the_oldest_of_many_large_ones_are_left_out() {
    let random = |seed: u64| {
        let numbers = (0..10_000_u64).map(|n| (n ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let variables = numbers.map(|n| json!(format!("{n:016x}={:x}", n.rotate_left(17))));
        json!({ "Config": { "Env": variables.take(2_000).collect::<Vec<_>>() }, "HostConfig": {} })
    };
    let list: Vec<_> = (0..10).map(|seed| Some(random(seed * 77_777))).collect();
    let packed = Specifications::pack(&list);
    assert!(packed.0.len() <= PACKED);
    let unpacked = packed.unpack();
    assert!((1..10).contains(&unpacked.len()), "{}", unpacked.len());
    assert_eq!(unpacked, list[..unpacked.len()]);
    // One that is too large by itself is not known.
    let huge =
        json!({ "Config": { "Env": ["A=".to_owned() + &"x".repeat(UNPACKED)] }, "HostConfig": {} });
    assert!(Specifications::pack(&[Some(huge)]).is_empty());
}

#[test]
fn what_is_damaged_is_not_known() {
    let good = Specifications::pack(&ten()).0;
    let mut flipped = STANDARD.decode(&good).expect("base64");
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let damaged = [
        String::new(),
        "no base64!".to_owned(),
        "AAAA".to_owned(),
        good[..good.len() / 2].to_owned(),
        good[4..].to_owned(),
        STANDARD.encode(&flipped),
        "A".repeat(PACKED + 4),
        of_json(b"7").0,
        of_json(b"{}").0,
        of_json(b"[{}").0,
        of_json("[".repeat(100_000).as_bytes()).0,
    ];
    for packed in damaged {
        let start: String = packed.chars().take(20).collect();
        assert_eq!(Specifications(packed).unpack(), [], "{start}");
    }
    for json in [
        "[7]",
        "[null]",
        "[{}]",
        r#"[{"Config": {}}]"#,
        r#"[{"Config": [], "HostConfig": {}}]"#,
    ] {
        assert_eq!(of_json(json.as_bytes()).unpack(), [None], "{json}");
    }
}

#[test]
fn a_bomb_does_not_go_off() {
    let bomb = of_json(&vec![b'['; 40 * UNPACKED]);
    assert!(bomb.0.len() <= PACKED, "{} bytes", bomb.0.len());
    assert_eq!(bomb.unpack(), []);
    // Just too large, and of the right shape.
    let long = "x".repeat(UNPACKED);
    let bomb = of_json(
        json!([{ "Config": { "A": long }, "HostConfig": {} }])
            .to_string()
            .as_bytes(),
    );
    assert_eq!(bomb.unpack(), []);
}

proptest! {
    #[test]
    fn whatever_is_packed_is_unpacked(values in vec(any::<(bool, i64, String)>(), 0..12)) {
        let specification = |(is_known, number, text): (bool, i64, String)| {
            let document = json!({ "Config": { text: number }, "HostConfig": { "a": [null] } });
            is_known.then_some(document)
        };
        let list: Vec<_> = values.into_iter().map(specification).collect();
        let is_any_known = list.iter().any(Option::is_some);
        let expected = if is_any_known { list.clone() } else { Vec::new() };
        prop_assert_eq!(Specifications::pack(&list).unpack(), expected);
    }

    #[test]
    fn nothing_that_is_unpacked_panics(text in ".{0,64}", bytes in vec(any::<u8>(), 0..64)) {
        drop(Specifications(text).unpack());
        drop(Specifications(STANDARD.encode(&bytes)).unpack());
        drop(of_json(&bytes).unpack());
    }

    /// A bit that is another in what was packed is noticed, or is no part of it.
    #[test]
    fn a_changed_bit_gives_nothing_else(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let list = [Some(realistic(1)), Some(realistic(2))];
        let mut gzip = STANDARD.decode(Specifications::pack(&list).0).expect("base64");
        let at = at.index(gzip.len());
        gzip[at] ^= 1 << bit;
        let unpacked = Specifications(STANDARD.encode(&gzip)).unpack();
        prop_assert!(unpacked.is_empty() || unpacked == list);
    }
}
