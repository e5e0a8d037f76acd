//! The requests of one connection, as Go and moby read them.

use refit::relay::fuzz::Framing;

use crate::{
    go::{self, Head, read_chunks, read_head, read_target},
    moby::{self, Verdict},
};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Where it begins, with blank lines before it.
    pub start: usize,
    /// Its head.
    pub head: Head,
    /// Where it ends and what it carries, if all of it is there.
    pub body: Option<(usize, Vec<u8>)>,
    /// What is to become of it. None: its target is refused.
    pub verdict: Option<Verdict>,
}

impl Asked {
    /// Where its head ends.
    #[must_use]
    pub fn head_end(&self) -> usize {
        self.start + self.head.len
    }
}

/// What follows the last request that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing, or the beginning of a head, at this byte; or the last body is not whole.
    Open(usize),
    /// What is refused, or read in different ways.
    Broken(&'static str),
}

/// Reads all of a client's bytes.
#[must_use]
pub fn read(bytes: &[u8]) -> (Vec<Asked>, End) {
    let (mut asked, mut at) = (Vec::new(), 0);
    loop {
        let head = match read_head(&bytes[at..]) {
            go::Read::Done(head) => head,
            go::Read::Partial => return (asked, End::Open(at)),
            go::Read::Refused(why) | go::Read::Doubtful(why) => return (asked, End::Broken(why)),
        };
        let rest = &bytes[at + head.len..];
        let (body, end) = match body(head.framing, rest) {
            go::Read::Done(body) => (Some(body), End::Open(at)),
            go::Read::Partial => (None, End::Open(bytes.len())),
            go::Read::Refused(why) | go::Read::Doubtful(why) => (None, End::Broken(why)),
        };
        let verdict = if head.method == "CONNECT" && !head.target.starts_with('/') {
            // The target is an authority: it has no path, and so no route.
            Some(Verdict::Goes)
        } else {
            read_target(&head.target).map(|target| moby::judge(&head.method, &target))
        };
        let one = Asked {
            start: at,
            verdict,
            body: body.map(|(len, data)| (at + head.len + len, data)),
            head,
        };
        if one.verdict.is_none() {
            asked.push(one);
            return (asked, End::Broken("a target that is none"));
        }
        let next = one.body.as_ref().map(|body| body.0);
        asked.push(one);
        match next {
            Some(next) => at = next,
            None => return (asked, end),
        }
    }
}

/// The length of a body, and what it carries.
fn body(framing: Framing, bytes: &[u8]) -> go::Read<(usize, Vec<u8>)> {
    match framing {
        Framing::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            bytes.get(..length).map_or(go::Read::Partial, |body| {
                go::Read::Done((length, body.to_vec()))
            })
        }
        Framing::UntilClose => go::Read::Doubtful("no request ends so"),
        Framing::Chunked => match read_chunks(bytes) {
            go::Read::Done(chunks) => go::Read::Done((chunks.len, chunks.data)),
            go::Read::Partial => go::Read::Partial,
            go::Read::Refused(why) => go::Read::Refused(why),
            go::Read::Doubtful(why) => go::Read::Doubtful(why),
        },
    }
}
