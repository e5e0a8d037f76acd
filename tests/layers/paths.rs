//! Reads which parts of the crate a source file names.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use proc_macro2::{Spacing, Span, TokenStream, TokenTree};
use syn::{
    Ident, UseTree,
    spanned::Spanned as _,
    visit::{self, Visit},
};

/// What the rules need to know of one source file.
pub struct File {
    /// Where it is in `src`.
    pub path: PathBuf,
    /// The layer that it belongs to; none for the roots of the library and the program.
    pub layer: Option<String>,
    /// What it imports of the crate, its own layer included.
    pub imports: Vec<Import>,
    words: BTreeSet<String>,
    paths: BTreeSet<String>,
}

/// One mention of a part of the crate.
#[derive(Debug)]
pub struct Import {
    /// The first segment below the crate's root: a layer, if all is well. `*` for all of it.
    pub target: String,
    /// The line that names it.
    pub line: usize,
}

impl File {
    /// Whether the file's code names `word`: a single one, or a path from its root.
    pub fn mentions(&self, word: &str) -> bool {
        if word.contains("::") {
            let below = format!("{word}::");
            let named = |path: &String| path == word || path.starts_with(&below);
            self.paths.iter().any(named)
        } else {
            self.words.contains(word)
        }
    }
}

/// Reads a file: `path` in `src`, and what it says.
pub fn read(path: &Path, text: &str) -> File {
    let syntax = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut module: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_str().expect("UTF-8").to_owned())
        .collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    let root = module == ["lib"] || module == ["main"];
    if root {
        module.clear();
    }
    let mut reader = Reader {
        module: module.clone(),
        imports: Vec::new(),
        paths: BTreeSet::new(),
    };
    reader.visit_file(&syntax);
    let mut words = BTreeSet::new();
    collect_words(text.parse().expect("it was parsed before"), &mut words);
    File {
        path: path.to_owned(),
        layer: module.into_iter().next(),
        imports: reader.imports,
        words,
        paths: reader.paths,
    }
}

/// Every identifier and keyword, but for those in comments (a doc comment is a literal here).
fn collect_words(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                words.insert(ident.to_string());
            }
            TokenTree::Group(group) => collect_words(group.stream(), words),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Walks a file and resolves every path that begins at the crate or climbs out of a module.
struct Reader {
    /// The module that is being read, from the crate's root.
    module: Vec<String>,
    imports: Vec<Import>,
    paths: BTreeSet<String>,
}

impl Reader {
    /// Takes note of one path.
    fn path(&mut self, segments: &[String], span: Span) {
        self.paths.insert(segments.join("::"));
        let Some(first) = segments.first() else {
            return;
        };
        let mut at = match first.as_str() {
            // The program's own name for the library.
            "crate" | "refit" => Vec::new(),
            "self" | "super" => self.module.clone(),
            _ => return,
        };
        for segment in segments.iter().skip(usize::from(first != "super")) {
            if segment == "super" {
                at.pop();
            } else {
                at.push(segment.clone());
            }
        }
        let target = match at.into_iter().next() {
            Some(target) if target != "self" => target,
            _ => "*".to_owned(),
        };
        let line = span.start().line;
        self.imports.push(Import { target, line });
    }

    /// Takes note of every path of an import, grouped ones too.
    fn tree(&mut self, tree: &UseTree, prefix: &[String]) {
        let mut path = prefix.to_vec();
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.tree(&step.tree, &path);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, &path);
                }
            }
            UseTree::Glob(_) => {
                if path.iter().all(|segment| segment == "super") {
                    // `use super::*` of a test module: all of the module around it.
                    self.climb(path.len(), tree.span());
                } else {
                    path.push("*".to_owned());
                    self.path(&path, tree.span());
                }
            }
            UseTree::Name(name) => self.name(path, &name.ident),
            UseTree::Rename(rename) => self.name(path, &rename.ident),
        }
    }

    /// Takes note of the last segment of an import; `{self}` names what stands before it.
    fn name(&mut self, mut path: Vec<String>, ident: &Ident) {
        if path.is_empty() || ident != "self" {
            path.push(ident.to_string());
        }
        self.path(&path, ident.span());
    }

    /// Takes note of everything in the module that stands `steps` above this one.
    fn climb(&mut self, steps: usize, span: Span) {
        let left = self.module.len().saturating_sub(steps);
        let target = if left == 0 { "*" } else { &self.module[0] };
        self.imports.push(Import {
            target: target.to_owned(),
            line: span.start().line,
        });
    }

    /// Takes note of the paths in the arguments of a macro, which are no syntax yet.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut start) = (0, Span::call_site());
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.expression(&std::mem::take(&mut path), start);
                        start = ident.span();
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(p) if p.as_char() == ':' => {
                    let second = colons == 1;
                    let joint = p.spacing() == Spacing::Joint;
                    colons = if second { 2 } else { usize::from(joint) };
                }
                TokenTree::Group(group) => {
                    self.expression(&std::mem::take(&mut path), start);
                    colons = 0;
                    self.tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => colons = 0,
            }
        }
        self.expression(&path, start);
    }

    /// Takes note of a path outside imports. Alone, `self` is a value there and `crate` a
    /// visibility: neither imports anything.
    fn expression(&mut self, segments: &[String], span: Span) {
        if segments.len() > 1 {
            self.path(segments, span);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.expression(&segments, path.span());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}
