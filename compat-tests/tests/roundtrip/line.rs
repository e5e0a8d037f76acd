//! One line of the corpus: what is typed after `docker run -d`, and what has to be there for it.

use std::process::Output;

use compat_tests::{Scenario, docker};

/// An engine, by the first two parts of its version.
pub type Version = (u32, u32);

/// Which engines take a line.
#[derive(Debug, Clone, Copy)]
pub enum Taken {
    /// All.
    Everywhere,
    /// This one and newer ones.
    Since(Version),
    /// This one and newer ones; of older ones, the machine decides.
    SurelySince(Version),
    /// All before this one.
    Before(Version),
    /// None.
    Nowhere,
    /// The kernel decides, or the machine, and no version says how.
    Kernel,
}

/// A line.
///
/// In its words, `{}` stands for the container's name (and what else the line needs is named after
/// it), `{n}` for its number, from 100 on, `{folder}` for the scenario's folder, `{block}` for a
/// block device. The image is `IMAGE`, and stands at the end where it is left out.
#[derive(Debug)]
pub struct Line {
    words: &'static str,
    /// Of docker, before the container is created.
    before: Vec<&'static str>,
    /// Of docker, once it runs.
    after: Vec<&'static str>,
    /// Shell commands where the engine runs: before, and when all is over.
    host: Option<[&'static str; 2]>,
    pub taken: Taken,
    /// Why not all engines take it.
    pub why: &'static str,
    is_created: bool,
    /// Whether the engine chooses a host port.
    pub is_ephemeral: bool,
}

/// A line that every engine takes.
pub fn line(words: &'static str) -> Line {
    Line {
        words,
        before: Vec::new(),
        after: Vec::new(),
        host: None,
        taken: Taken::Everywhere,
        why: "",
        is_created: false,
        is_ephemeral: false,
    }
}

impl Line {
    /// A docker command before.
    pub fn first(mut self, command: &'static str) -> Self {
        self.before.push(command);
        self
    }

    /// A docker command once the container runs.
    pub fn then(mut self, command: &'static str) -> Self {
        self.after.push(command);
        self
    }

    /// A shell command on the engine's machine before, and one that undoes it.
    pub fn host(mut self, does: &'static str, undoes: &'static str) -> Self {
        self.host = Some([does, undoes]);
        self
    }

    /// Older engines refuse it.
    pub fn since(self, version: Version, why: &'static str) -> Self {
        self.taken(Taken::Since(version), why)
    }

    /// What older engines do hangs on the machine.
    pub fn surely_since(self, version: Version, why: &'static str) -> Self {
        self.taken(Taken::SurelySince(version), why)
    }

    /// This engine refuses it, and newer ones.
    pub fn before(self, version: Version, why: &'static str) -> Self {
        self.taken(Taken::Before(version), why)
    }

    /// Every engine refuses it.
    pub fn refused(self, why: &'static str) -> Self {
        self.taken(Taken::Nowhere, why)
    }

    /// The kernel or the machine decides.
    pub fn kernel(self, why: &'static str) -> Self {
        self.taken(Taken::Kernel, why)
    }

    /// By `docker create` and `docker start`: `-d` refuses it.
    pub fn created(mut self) -> Self {
        self.is_created = true;
        self
    }

    /// The engine chooses a host port, and gives it to the next one as soon as the container stops:
    /// one such line at a time.
    pub fn ephemeral(mut self) -> Self {
        self.is_ephemeral = true;
        self
    }

    fn taken(mut self, taken: Taken, why: &'static str) -> Self {
        assert!(!why.is_empty(), "{}: no reason", self.words);
        self.taken = taken;
        self.why = why;
        self
    }

    /// The flags that it gives, long or short, as they stand there.
    pub fn flags(&self) -> Vec<String> {
        let words = words(self.words);
        let options = words.into_iter().take_while(|word| word != "IMAGE");
        // Not a negative number, which is a value.
        let is_flag = |word: &String| word.starts_with('-') && word.parse::<f64>().is_err();
        let flags = options.filter(is_flag);
        let name = |flag: String| flag.split('=').next().unwrap_or_default().to_owned();
        flags.map(name).collect()
    }

    /// The line with a place on a scenario.
    pub fn at<'a>(&'a self, scenario: &'a Scenario, number: usize) -> Placed<'a> {
        Placed {
            line: self,
            scenario,
            number,
            name: scenario.named(&number.to_string()),
        }
    }
}

/// A line with a number, and so with names, addresses and ports of its own.
pub struct Placed<'a> {
    pub line: &'a Line,
    scenario: &'a Scenario,
    number: usize,
    /// The container's name.
    pub name: String,
}

impl Placed<'_> {
    /// The words with what their placeholders stand for.
    pub fn words(&self, text: &str) -> Vec<String> {
        let filled = text
            .replace("{}", &self.name)
            .replace("{n}", &self.number.to_string())
            .replace("{folder}", &self.scenario.folder().display().to_string())
            .replace("{block}", &block_device());
        words(&filled)
    }

    /// What is typed, for messages.
    pub fn typed(&self) -> String {
        format!("{}: {}", self.name, self.line.words)
    }

    fn docker(&self, words: &[String]) -> Output {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        docker(&self.scenario.engine(), &words, b"")
    }

    /// Runs a docker command that must succeed.
    fn must(&self, words: &[String]) -> Result<(), String> {
        let output = self.docker(words);
        if output.status.success() {
            return Ok(());
        }
        Err(format!("docker {words:?}: {output:?}"))
    }

    fn on_host(&self, command: &str) -> Result<(), String> {
        // Not all privileges, which 20.10 may be unable to give.
        let enter = "run --rm --pid host --cap-add SYS_ADMIN --cap-add SYS_PTRACE \
            --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
            busybox nsenter -t 1 -m -- sh -c";
        let command = command.replace("{}", &self.name);
        self.must(&[words(enter), vec![command]].concat())
    }

    /// Makes what the line needs.
    ///
    /// # Errors
    /// What failed: that is no refusal of the line.
    pub fn prepare(&self) -> Result<(), String> {
        if let Some([does, _]) = self.line.host {
            self.on_host(does)?;
        }
        let mut commands = self.line.before.iter();
        commands.try_for_each(|command| self.must(&self.words(command)))
    }

    /// Runs the container from an image; the output tells whether the engine took the line.
    pub fn run(&self, image: &str) -> Output {
        let verb = if self.line.is_created {
            "create"
        } else {
            "run -d"
        };
        let mut run = [words(verb), words("--name"), vec![self.name.clone()]].concat();
        run.push(self.scenario.label());
        run.extend(self.words(self.line.words));
        match run.iter_mut().find(|word| *word == "IMAGE") {
            Some(word) => image.clone_into(word),
            None => run.push(image.to_owned()),
        }
        let output = self.docker(&run);
        if self.line.is_created && output.status.success() {
            return self.docker(&["start".to_owned(), self.name.clone()]);
        }
        output
    }

    /// What comes once the container runs.
    ///
    /// # Errors
    /// What failed.
    pub fn complete(&self) -> Result<(), String> {
        let mut commands = self.line.after.iter();
        commands.try_for_each(|command| self.must(&self.words(command)))
    }

    /// Removes the containers of the line with their volumes, so that the engine does not fill up;
    /// its networks go with the scenario.
    ///
    /// # Errors
    /// What failed.
    pub fn clear(&self) -> Result<(), String> {
        for suffix in ["", "-other", "-more"] {
            self.scenario.remove(&format!("{}{suffix}", self.name));
        }
        match self.line.host {
            Some([_, undoes]) => self.on_host(undoes),
            None => Ok(()),
        }
    }
}

/// Splits as a shell does, as far as the lines need it: at blanks, but not within single quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    for (n, part) in text.split('\'').enumerate() {
        if n % 2 == 1 {
            word.get_or_insert_default().push_str(part);
            continue;
        }
        for letter in part.chars() {
            if letter.is_whitespace() {
                words.extend(word.take());
            } else {
                word.get_or_insert_default().push(letter);
            }
        }
    }
    words.extend(word);
    words
}

/// Any block device: a limit does not care which.
fn block_device() -> String {
    let devices = std::fs::read_dir("/sys/block").expect("block devices");
    let mut names: Vec<String> = devices
        .map(|device| device.expect("a device").file_name().display().to_string())
        .collect();
    names.sort();
    format!("/dev/{}", names.first().expect("a block device"))
}
