//! Where settings come from: an option, else its variable. Every mistake is kept, with the place
//! where it was made, until all have been found.

use std::{ffi::OsString, fmt, path::Path};

use crate::{engine::Address, server::Refused};

/// What of the process's surroundings the settings depend on.
pub(super) struct Surroundings<'a> {
    /// Reads an environment variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The file of groups, of the shape of `group(5)`.
    pub(super) group_file: &'a Path,
    /// The sockets that were handed over; `None` for one without an address.
    pub(super) inherited: &'a [Option<&'a Address>],
    /// What was handed over and is no socket to listen on.
    pub(super) refused: &'a [Refused],
}

/// All mistakes in the arguments, in the order in which they were found. Never empty.
#[derive(Debug)]
pub(super) struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "refit: there is a mistake in the arguments:")?,
            n => write!(f, "refit: there are {n} mistakes in the arguments:")?,
        }
        self.0
            .iter()
            .try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// A text that somebody gave, and where: `--engine` or `REFIT_ENGINE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) origin: &'static str,
    pub(super) text: String,
}

/// An option and the variable that stands in for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub(super) option: &'static str,
    pub(super) variable: &'static str,
}

/// Reads what was given, and collects mistakes.
pub(super) struct Reader<'a> {
    pub(super) around: &'a Surroundings<'a>,
    mistakes: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(around: &'a Surroundings<'a>) -> Self {
        Self {
            around,
            mistakes: Vec::new(),
        }
    }

    /// What `parse` makes of what was given for `name`. `None` where nothing was given, or where
    /// it is a mistake, which is then on the list.
    pub(super) fn read<T, E: fmt::Display>(
        &mut self,
        option: Option<String>,
        name: Name,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let given = self.given(option, name)?;
        self.parse(&given, parse)
    }

    /// What was given for `name`: the option's text, else the variable's.
    pub(super) fn given(&mut self, option: Option<String>, name: Name) -> Option<Given> {
        match option {
            Some(text) => Some(Given {
                origin: name.option,
                text,
            }),
            None => self.variable(name.variable),
        }
    }

    /// The text of a variable; an empty one counts as unset.
    pub(super) fn variable(&mut self, variable: &'static str) -> Option<Given> {
        let value = (self.around.variable)(variable).filter(|value| !value.is_empty())?;
        match value.into_string() {
            Ok(text) => Some(Given {
                origin: variable,
                text,
            }),
            Err(value) => {
                self.mistake(variable, format!("{} is not UTF-8", value.display()));
                None
            }
        }
    }

    /// What `parse` makes of a text. `None` where it is a mistake, which is then on the list.
    pub(super) fn parse<T, E: fmt::Display>(
        &mut self,
        given: &Given,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(&given.text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(given.origin, error);
                None
            }
        }
    }

    /// Puts a mistake on the list.
    pub(super) fn mistake(&mut self, origin: &'static str, what: impl fmt::Display) {
        self.mistakes.push(format!("{origin}: {what}"));
    }

    /// Passes `settings` on if there was no mistake in them.
    pub(super) fn finish<T>(self, settings: T) -> Result<T, Mistakes> {
        if self.mistakes.is_empty() {
            Ok(settings)
        } else {
            Err(Mistakes(self.mistakes))
        }
    }
}
