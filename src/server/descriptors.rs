//! How many descriptors this process may have open: a relayed connection takes two or three.

use std::io;

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use tracing::{debug, warn};

/// Raises the soft limit of open files to the hard one, as dockerd and other programs written in Go
/// do: the soft one is 1,024 by default, for the sake of programs that call `select(2)`. Without
/// that, five hundred idle streams would keep everybody else out.
pub fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => debug!(
            from = current,
            to = maximum,
            "raise the limit of open files"
        ),
        Err(error) => warn!(limit = current, %error, "can't raise the limit of open files"),
    }
}

/// What to do about an error that says that descriptors have run out.
pub(super) fn remedy(error: &io::Error) -> Option<String> {
    Some(match Errno::from_io_error(error)? {
        Errno::MFILE => {
            let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
            format!(
                "this process may open {limit} files: raise LimitNOFILE= of the service, or `ulimit -Hn`"
            )
        }
        Errno::NFILE => "the whole machine is out of open files: see fs.file-max".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_want_of_descriptors_has_a_remedy() {
        let remedy = |errno: Errno| remedy(&errno.into());
        assert!(remedy(Errno::MFILE).is_some_and(|text| text.contains("LimitNOFILE=")));
        assert!(remedy(Errno::NFILE).is_some_and(|text| text.contains("fs.file-max")));
        assert_eq!(remedy(Errno::CONNABORTED), None);
    }
}
