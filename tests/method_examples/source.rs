//! Reads the public methods of a crate, and what their documentation shows, from its sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{
    Attribute, Expr, FnArg, ImplItem, Item, Lit, ReceiverKind, Signature, TraitItem, Type, Visibility,
};

use super::documentation::Documentation;

/// What a crate documents.
#[derive(Default)]
pub(crate) struct Source {
    /// The documentation of public types and traits, by name.
    pub(crate) types: BTreeMap<String, Documentation>,
    pub(crate) methods: Vec<Method>,
    /// The names and the documentation of public functions.
    pub(crate) functions: Vec<(String, Documentation)>,
}

/// A public method of a public type or trait.
pub(crate) struct Method {
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) documentation: Documentation,
}

/// What a method is, as far as it decides which examples count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A method of a trait.
    OfTrait,
    /// It takes `&self` alone, or no `self`.
    GetterOrConstructor,
    Other,
}

impl Source {
    /// Reads the crate in this directory.
    pub(crate) fn read(directory: &Path) -> Self {
        let mut source = Self::default();
        source.file(&directory.join("src/lib.rs"), &directory.join("src"));
        source
    }

    /// Reads a file whose modules are in `children`.
    fn file(&mut self, path: &Path, children: &Path) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.items(file.items, children);
    }

    fn items(&mut self, items: Vec<Item>, children: &Path) {
        for item in items {
            match item {
                Item::Mod(module) if !is_for_tests(&module.attrs) => {
                    let directory = children.join(module.ident.to_string());
                    match module.content {
                        Some((_, items)) => self.items(items, &directory),
                        None => self.file(&module_file(&directory), &directory),
                    }
                }
                Item::Struct(item) => self.type_of(&item.vis, &item.ident, &item.attrs),
                Item::Enum(item) => self.type_of(&item.vis, &item.ident, &item.attrs),
                Item::Trait(item) if is_public(&item.vis) => {
                    self.type_of(&item.vis, &item.ident, &item.attrs);
                    for method in item.items {
                        if let TraitItem::Fn(method) = method {
                            self.method(item.ident.to_string(), &method.sig, &method.attrs, true);
                        }
                    }
                }
                Item::Impl(item) if item.trait_.is_none() && !is_for_tests(&item.attrs) => {
                    let Some(owner) = name_of(&item.self_ty) else { continue };
                    for method in item.items {
                        if let ImplItem::Fn(method) = method
                            && is_public(&method.vis)
                        {
                            self.method(owner.clone(), &method.sig, &method.attrs, false);
                        }
                    }
                }
                Item::Fn(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                    self.functions.push((item.sig.ident.to_string(), documentation(&item.attrs)));
                }
                Item::Macro(item) if item.mac.path.is_ident("forwarded") => {
                    self.forwarded(item.mac.tokens);
                }
                Item::Macro(item) => {
                    if let Some(name) = item.ident {
                        let owner = format!("{name}!");
                        self.types.insert(owner.clone(), Documentation::default());
                        self.tokens(&owner, item.mac.tokens);
                    }
                }
                _ => {}
            }
        }
    }

    fn type_of(&mut self, visibility: &Visibility, name: &syn::Ident, attributes: &[Attribute]) {
        if is_public(visibility) {
            self.types.insert(name.to_string(), documentation(attributes));
        }
    }

    fn method(&mut self, owner: String, signature: &Signature, attributes: &[Attribute], is_of_trait: bool) {
        if is_hidden(attributes) || is_for_tests(attributes) {
            return;
        }
        let has_parameters = signature.inputs.iter().any(|input| matches!(input, FnArg::Typed(_)));
        let takes_reference = signature
            .receiver()
            .is_some_and(|receiver| matches!(receiver.kind, ReceiverKind::Reference(_, _, None)));
        let kind = if is_of_trait {
            Kind::OfTrait
        } else if signature.receiver().is_none() || (takes_reference && !has_parameters) {
            Kind::GetterOrConstructor
        } else {
            Kind::Other
        };
        let name = signature.ident.to_string();
        self.methods.push(Method { owner, name, kind, documentation: documentation(attributes) });
    }

    /// The methods of both handles that are written once: each `name(...) -> answer;`.
    fn forwarded(&mut self, tokens: TokenStream) {
        let mut docs = String::new();
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                    docs.push_str(&doc_of_tokens(group.stream()));
                }
                TokenTree::Ident(name) if matches!(tokens.peek(), Some(TokenTree::Group(_))) => {
                    self.methods.push(Method {
                        owner: "AsyncHandle".to_owned(),
                        name: name.to_string(),
                        kind: Kind::Other,
                        documentation: Documentation::new(&docs),
                    });
                    docs.clear();
                    tokens
                        .by_ref()
                        .find(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ';'));
                }
                _ => {}
            }
        }
    }

    /// Methods that a macro writes: each `pub fn name` in its definition. Their owner is the macro.
    fn tokens(&mut self, owner: &str, tokens: TokenStream) {
        let mut docs = String::new();
        let mut is_public = false;
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (place, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                    docs.push_str(&doc_of_tokens(group.stream()));
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    self.tokens(owner, group.stream());
                    (docs, is_public) = (String::new(), false);
                }
                TokenTree::Ident(word) if *word == "pub" => is_public = true,
                TokenTree::Ident(name) => {
                    let before = place.checked_sub(1).and_then(|before| tokens.get(before));
                    if is_public && before.is_some_and(|before| before.to_string() == "fn") {
                        self.methods.push(Method {
                            owner: owner.to_owned(),
                            name: name.to_string(),
                            kind: Kind::Other,
                            documentation: Documentation::new(&docs),
                        });
                        (docs, is_public) = (String::new(), false);
                    }
                }
                TokenTree::Punct(mark) if mark.as_char() == ';' => (docs, is_public) = (String::new(), false),
                _ => {}
            }
        }
    }
}

fn module_file(directory: &Path) -> PathBuf {
    let beside = directory.with_extension("rs");
    if beside.is_file() { beside } else { directory.join("mod.rs") }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The name of the type that an `impl` is for.
fn name_of(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_condition = attribute.path().is_ident("cfg");
        is_condition && attribute.meta.require_list().is_ok_and(|list| needs_tests(list.tokens.clone()))
    })
}

/// Whether a condition is `test`, or has it in an `all`.
fn needs_tests(condition: TokenStream) -> bool {
    let text = condition.to_string();
    text == "test" || text == "doctest" || (text.starts_with("all") && text.contains("test"))
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "hidden")
    })
}

fn documentation(attributes: &[Attribute]) -> Documentation {
    let mut text = String::new();
    for attribute in attributes {
        if let Ok(doc) = attribute.meta.require_name_value()
            && doc.path.is_ident("doc")
        {
            match &doc.value {
                Expr::Lit(literal) => {
                    if let Lit::Str(line) = &literal.lit {
                        text.push_str(&line.value());
                    }
                }
                Expr::Macro(call) => text.push_str(&literals(call.mac.tokens.clone())),
                _ => {}
            }
            text.push('\n');
        }
    }
    Documentation::new(&text)
}

/// The line of documentation in the tokens of `doc = "..."` or `doc = concat!(...)`.
fn doc_of_tokens(attribute: TokenStream) -> String {
    let mut tokens = attribute.clone().into_iter();
    let is_doc = tokens.next().is_some_and(|word| word.to_string() == "doc");
    if is_doc { literals(attribute) + "\n" } else { String::new() }
}

/// The texts of the string literals, one after the other.
fn literals(tokens: TokenStream) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => text.push_str(&literals(group.stream())),
            TokenTree::Literal(literal) => {
                if let Lit::Str(line) = Lit::new(literal) {
                    text.push_str(&line.value());
                }
            }
            _ => {}
        }
    }
    text
}

#[test]
fn public_methods_are_found_with_what_they_document() {
    let text = r#"
        /// ```
        /// let name = Name::new("a");
        /// ```
        pub struct Name;
        impl Name {
            /// Without an example.
            pub fn shown(&self) {}
            /// ```
            /// Name::new("b");
            /// ```
            pub fn new(name: &str) -> Self {}
            fn private(&self) {}
            #[doc(hidden)]
            pub fn hidden(&self) {}
        }
        impl Clone for Name { fn clone(&self) -> Self {} }
        #[cfg(test)]
        mod tests { pub struct Other; impl Other { pub fn of_tests(&self) {} } }
        macro_rules! of_a_macro {
            ($name:ident) => {
                impl $name {
                    /// ```
                    #[doc = concat!("let a = ", stringify!($name), ".a();")]
                    /// ```
                    pub fn a(&self) -> u32 {}
                }
            };
        }
        pub trait Calls { /** Nothing. */ fn call(&self); }
        /// ```
        /// helps();
        /// ```
        pub fn helps() {}
    "#;
    let mut source = Source::default();
    source.items(syn::parse_file(text).unwrap().items, Path::new("src"));
    let found: Vec<_> = source
        .methods
        .iter()
        .map(|method| {
            (method.owner.as_str(), method.name.as_str(), method.kind, method.documentation.is_run())
        })
        .collect();
    let expected = [
        ("Name", "shown", Kind::GetterOrConstructor, false),
        ("Name", "new", Kind::GetterOrConstructor, true),
        ("of_a_macro!", "a", Kind::Other, true),
        ("Calls", "call", Kind::OfTrait, false),
    ];
    assert_eq!(found, expected);
    assert!(source.types["Name"].calls("new") && !source.types["Name"].calls("shown"));
    assert_eq!(source.functions.len(), 1);
}
