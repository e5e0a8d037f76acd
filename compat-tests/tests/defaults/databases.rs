//! Databases from one Debian or Ubuntu release to the next: the official images' configurations,
//! with a stand-in for the program; and a real server with its tables.

use compat_tests::{Scenario, docker, rows};
use serde_json::json;

use crate::pair::{Pair, Row};

/// What runs in them.
const PROGRAMS: [&str; 2] = ["docker-entrypoint.sh", "postgres"];

const SEARCHED: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// As github.com/docker-library/postgres has it for `15-bookworm` and `17-trixie`.
fn postgres(gosu: &str, major: &str, version: &str) -> String {
    format!(
        r#"ENV PATH={SEARCHED}
ENV GOSU_VERSION={gosu}
ENV LANG=en_US.utf8
ENV PG_MAJOR={major}
ENV PATH=$PATH:/usr/lib/postgresql/$PG_MAJOR/bin
ENV PG_VERSION={version}
ENV PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
WORKDIR /
EXPOSE 5432
CMD ["postgres"]"#
    )
}

/// As github.com/MariaDB/mariadb-docker has it for `10.11` and `11.8`.
fn mariadb(gosu: &str, version: &str, ubuntu: &str, suffix: &str) -> String {
    let label = "LABEL org.opencontainers.image";
    format!(
        r#"ENV PATH={SEARCHED}
ENV GOSU_VERSION={gosu}
ENV LANG=C.UTF-8
{label}.title="MariaDB Database"
{label}.base.name="docker.io/library/ubuntu:{ubuntu}"
{label}.version="{version}"
ENV MARIADB_VERSION=1:{version}+maria~{suffix}
VOLUME /var/lib/mysql
ENTRYPOINT ["docker-entrypoint.sh"]
WORKDIR /
EXPOSE 3306
CMD ["mariadbd"]"#
    )
}

#[test]
fn official_databases_keep_their_passwords_and_find_their_new_programs() {
    let scenario = Scenario::new("database");
    let build = |what, dockerfile: String| scenario.build(what, &PROGRAMS, &dockerfile);
    let postgres = Pair {
        scenario: &scenario,
        old: &build("postgres-15", postgres("1.17", "15", "15.13-1.pgdg120+1")),
        new: &build("postgres-17", postgres("1.19", "17", "17.11-1.pgdg13+2")),
        defaults: &json!({
            "Env": {
                "PATH": format!("={SEARCHED}:/usr/lib/postgresql/17/bin"),
                "GOSU_VERSION": "=1.19",
                "LANG": "=en_US.utf8",
                "PG_MAJOR": "=17",
                "PG_VERSION": "=17.11-1.pgdg13+2",
                "PGDATA": "=/var/lib/postgresql/data",
            },
            "Labels": { "refit-test": "database" },
            "ExposedPorts": { "5432/tcp": {} },
            "Volumes": { "/var/lib/postgresql/data": {} },
            "StopSignal": "SIGINT",
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["postgres"],
            "WorkingDir": "/",
        }),
    };
    let mariadb = Pair {
        scenario: &scenario,
        old: &build(
            "mariadb-10",
            mariadb("1.17", "10.11.13", "jammy", "ubu2204"),
        ),
        new: &build("mariadb-11", mariadb("1.19", "11.8.6", "noble", "ubu2404")),
        defaults: &json!({
            "Env": {
                "PATH": format!("={SEARCHED}"),
                "GOSU_VERSION": "=1.19",
                "LANG": "=C.UTF-8",
                "MARIADB_VERSION": "=1:11.8.6+maria~ubu2404",
            },
            "Labels": {
                "org.opencontainers.image.title": "MariaDB Database",
                "org.opencontainers.image.base.name": "docker.io/library/ubuntu:noble",
                "org.opencontainers.image.version": "11.8.6",
                "refit-test": "database",
            },
            "ExposedPorts": { "3306/tcp": {} },
            "Volumes": { "/var/lib/mysql": {} },
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["mariadbd"],
            "WorkingDir": "/",
        }),
    };
    let postgres = of_postgres().map(|row| (&postgres, row));
    let mariadb = of_mariadb().map(|row| (&mariadb, row));
    let table: Vec<_> = postgres.into_iter().chain(mariadb).collect();
    rows::each(&table, |(_, row)| row.name, |(pair, row)| pair.check(row));
}

fn of_postgres() -> [Row; 3] {
    [
        Row {
            name: "postgres as documented",
            options: "-e POSTGRES_PASSWORD=secret -e POSTGRES_DB=app \
                      --volume=NAMED:/var/lib/postgresql/data",
            command: "",
            expected: json!({
                "Env": { "POSTGRES_PASSWORD": "=secret", "POSTGRES_DB": "=app" },
            }),
            unlike_fresh: &[],
        },
        Row {
            name: "postgres with an anonymous volume",
            options: "-e POSTGRES_PASSWORD=secret",
            command: "-c max_connections=200",
            expected: json!({
                "Env": { "POSTGRES_PASSWORD": "=secret" },
                "Cmd": ["-c", "max_connections=200"],
            }),
            unlike_fresh: &[],
        },
        Row {
            name: "postgres with its data elsewhere",
            options: "-e POSTGRES_PASSWORD=secret -e PGDATA=/db/data -e LANG=C.UTF-8 \
                      --volume=NAMED:/db --user=999",
            command: "",
            expected: json!({
                "Env": {
                    "POSTGRES_PASSWORD": "=secret",
                    "PGDATA": "=/db/data",
                    "LANG": "=C.UTF-8",
                },
                "User": "999",
            }),
            unlike_fresh: &[],
        },
    ]
}

fn of_mariadb() -> [Row; 2] {
    [
        Row {
            name: "mariadb as documented",
            options: "-e MARIADB_ROOT_PASSWORD=secret -e MARIADB_DATABASE=app \
                      --volume=NAMED:/var/lib/mysql",
            command: "--character-set-server=utf8mb4",
            expected: json!({
                "Env": { "MARIADB_ROOT_PASSWORD": "=secret", "MARIADB_DATABASE": "=app" },
                "Cmd": ["--character-set-server=utf8mb4"],
            }),
            unlike_fresh: &[],
        },
        Row {
            name: "mariadb with a health check",
            options: "-e MARIADB_ROOT_PASSWORD=secret --health-cmd=true --health-interval=800ms",
            command: "",
            expected: json!({
                "Env": { "MARIADB_ROOT_PASSWORD": "=secret" },
                "Healthcheck": { "Test": ["CMD-SHELL", "true"], "Interval": 800_000_000 },
            }),
            unlike_fresh: &[],
        },
    ]
}

#[test]
fn mariadb_of_debian_12_becomes_that_of_debian_13_with_its_tables() {
    let scenario = Scenario::new("tables");
    let name = scenario.named("db");
    let volume = format!("--volume={}:/var/lib/mysql", scenario.named("data"));
    let password = "MARIADB_ROOT_PASSWORD=kept-secret";
    let image = ["mariadb:10.11", "mariadbd", "--max-connections=77"];
    scenario.run(&[&["--name", &name, "-e", password, &volume], &image[..]].concat());
    let client = "mariadb --no-defaults -NS /tmp/socket --password=$MARIADB_ROOT_PASSWORD";
    let exec = ["exec", "-i", &name, "sh", "-c", client];
    let query = |sql: &str| docker(&scenario.engine(), &exec, sql.as_bytes());
    let answer = |sql: &str| {
        let answer = query(sql);
        assert!(answer.status.success(), "{answer:?}");
        String::from_utf8_lossy(&answer.stdout)
            .trim_end()
            .to_owned()
    };
    scenario.until("it answers", |_| query("select 1").status.success());
    answer(
        "create database app;
         create table app.word (n int primary key, word text) engine = InnoDB;
         insert into app.word
            with recursive ten as (select 0 n union all select n + 1 from ten where n < 9)
            select a.n + 10 * b.n + 100 * c.n + 1000 * d.n, concat('word ', a.n, d.n)
            from ten a, ten b, ten c, ten d;",
    );
    let sums = "select count(*), sum(n), sum(crc32(word)) from app.word";
    let before = answer(sums);
    assert!(before.starts_with("10000\t49995000\t"), "{before}");
    assert!(answer("select version()").starts_with("10.11."));

    let upgraded = scenario.upgrade(&name, "mariadb:11.8");
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    scenario.until("it answers", |_| query("select 1").status.success());
    assert!(answer("select version()").starts_with("11.8."));
    assert_eq!(answer(sums), before);
    assert_eq!(answer("select @@max_connections"), "77");
    let config = &scenario.document(&name)["Config"];
    let env = config["Env"].to_string();
    assert!(env.contains("\"MARIADB_VERSION=11.8\""), "{env}");
    assert!(env.contains(password), "{env}");
    // It is the password that the tables hold, too.
    let guess = client.replace("$MARIADB_ROOT_PASSWORD", "guessed");
    let guessed = docker(
        &scenario.engine(),
        &["exec", &name, "sh", "-c", &guess],
        b"",
    );
    let refused = String::from_utf8_lossy(&guessed.stderr);
    assert!(refused.contains("Access denied"), "{refused}");
}
