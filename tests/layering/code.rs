//! What a source file says: its words, and the paths that lead into the crate.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Where a path in a file leads.
pub struct Lead {
    pub line: usize,
    /// From the root of the crate.
    pub to: Vec<String>,
    /// What a `use` calls it in this file.
    pub name: Option<String>,
}

/// Every path in a file of `module` that leads into the crate, whose root is the module `root`.
pub fn paths(root: &[String], module: &[String], tokens: &[Token]) -> Vec<Lead> {
    let children = declared(tokens);
    let mut found = Vec::new();
    // Modules written out in the file, each with the brace depth around it.
    let mut inner: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        let text = |offset: usize| tokens.get(index + offset).map_or("", |token| token.text.as_str());
        let before = if index > 0 { tokens[index - 1].text.as_str() } else { "" };
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inner.pop_if(|(_, around)| *around == depth);
            }
            "mod" if text(2) == "{" => inner.push((tokens[index + 1].text.clone(), depth)),
            // `pub(in crate::room)` is no path to an item.
            word if text(1) == "::" && !["::", "in"].contains(&before) => {
                let here = || module.iter().chain(inner.iter().map(|(name, _)| name)).cloned().collect();
                let mut base: Vec<String> = match word {
                    "crate" | "cleave" => root.to_vec(),
                    "self" | "super" => here(),
                    child if inner.is_empty() && children.contains(child) => {
                        [module, &[child.into()]].concat()
                    }
                    _ => continue,
                };
                if word == "super" {
                    base.pop();
                }
                let first = found.len();
                walk(tokens, index + 2, base, &mut found);
                if before != "use" || !inner.is_empty() {
                    found[first..].iter_mut().for_each(|lead| lead.name = None);
                }
            }
            _ => {}
        }
    }
    found
}

/// Names of the modules in files of their own that this file declares.
pub fn declared(tokens: &[Token]) -> BTreeSet<String> {
    let is_module = |three: &&[Token]| three[0].text == "mod" && three[2].text == ";";
    tokens.windows(3).filter(is_module).map(|three| three[1].text.clone()).collect()
}

/// Follows a path, or the branches of a `use`, from `at` on; gives the index behind it.
fn walk(tokens: &[Token], mut at: usize, mut base: Vec<String>, found: &mut Vec<Lead>) -> usize {
    let mut line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = walk(tokens, at, base.clone(), found);
                    while tokens.get(at).is_some_and(|token| token.text != "," && token.text != "}") {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return at + 1;
            }
            "self" => {}
            "super" => {
                base.pop();
            }
            word if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                line = token.line;
                base.push(word.to_owned());
            }
            _ => break,
        }
        let next = tokens.get(at + 1).map_or("", |token| token.text.as_str());
        at += 1;
        match next {
            "::" => at += 1,
            "as" => {
                let name = tokens.get(at + 1).map(|token| token.text.clone());
                found.push(Lead { line, to: base, name });
                return at + 2;
            }
            _ => break,
        }
    }
    let name = base.last().cloned();
    found.push(Lead { line, to: base, name });
    at
}

/// A word or a character of the code, and its line.
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// Words, `::` and single characters of Rust code, without comments and literals.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    flatten(text.parse().unwrap(), true, &mut tokens);
    tokens
}

/// As [`tokens`], without what is only there in tests.
pub fn tokens_of_program(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    flatten(text.parse().unwrap(), false, &mut tokens);
    tokens
}

fn flatten(stream: TokenStream, with_tests: bool, tokens: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        let line = tree.span().start().line;
        let next_is =
            |c: char| matches!(trees.get(at + 1), Some(TokenTree::Punct(next)) if next.as_char() == c);
        let mut push = |text: &str, line| tokens.push(Token { text: text.into(), line });
        match tree {
            TokenTree::Punct(sign)
                if sign.as_char() == '#' && !with_tests && is_for_tests(trees.get(at + 1)) =>
            {
                let ends = |tree: &TokenTree| match tree {
                    TokenTree::Punct(sign) => sign.as_char() == ';',
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    _ => false,
                };
                at += trees[at..].iter().position(ends).unwrap_or(trees.len());
            }
            TokenTree::Punct(sign) if sign.as_char() == ':' && next_is(':') => {
                push("::", line);
                at += 1;
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => push(&tree.to_string(), line),
            TokenTree::Literal(_) => {}
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis | Delimiter::None => ("(", ")"),
                };
                push(open, line);
                flatten(group.stream(), with_tests, tokens);
                tokens.push(Token { text: close.into(), line: group.span_close().start().line });
            }
        }
        at += 1;
    }
}

/// Whether this is the `[cfg(test)]` of an attribute.
fn is_for_tests(tree: Option<&TokenTree>) -> bool {
    tree.is_some_and(|tree| tree.to_string().replace(' ', "") == "[cfg(test)]")
}
