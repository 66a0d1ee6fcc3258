//! The case rules of `rename_all`, with the names and the meaning that serde gives them for fields.

/// How a method's name in the trait becomes its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rename {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Rename {
    /// Every rule under the name that a user writes.
    pub(crate) const ALL: [(&str, Self); 8] = [
        ("lowercase", Self::Lower),
        ("UPPERCASE", Self::Upper),
        ("PascalCase", Self::Pascal),
        ("camelCase", Self::Camel),
        ("snake_case", Self::Snake),
        ("SCREAMING_SNAKE_CASE", Self::ScreamingSnake),
        ("kebab-case", Self::Kebab),
        ("SCREAMING-KEBAB-CASE", Self::ScreamingKebab),
    ];

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, rule)| *rule)
    }

    /// Renames a method whose name is in snake_case, as Rust's are.
    pub(crate) fn apply(self, name: &str) -> String {
        match self {
            Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => pascal(name),
            Self::Camel => {
                let mut name = pascal(name);
                if let Some(first) = name.get_mut(..1) {
                    first.make_ascii_lowercase();
                }
                name
            }
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(name: &str) -> String {
    let mut capital = true;
    let mut renamed = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter == '_' {
            capital = true;
        } else {
            renamed.push(if capital { letter.to_ascii_uppercase() } else { letter });
            capital = false;
        }
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_renames_as_serde_does() {
        let renamed = |name: &str| Rename::ALL.map(|(_, rule)| rule.apply(name));
        assert_eq!(
            renamed("list_all_rows"),
            [
                "list_all_rows",
                "LIST_ALL_ROWS",
                "ListAllRows",
                "listAllRows",
                "list_all_rows",
                "LIST_ALL_ROWS",
                "list-all-rows",
                "LIST-ALL-ROWS",
            ]
        );
        assert_eq!(renamed("z42"), ["z42", "Z42", "Z42", "z42", "z42", "Z42", "z42", "Z42"]);
    }

    #[test]
    fn letters_beyond_ascii_stay_as_they_are() {
        assert_eq!(Rename::Camel.apply("größe_holen"), "größeHolen");
        assert_eq!(Rename::Pascal.apply("übung"), "übung");
        assert_eq!(Rename::Camel.apply("übung"), "übung");
    }

    #[test]
    fn a_rule_is_found_by_its_name() {
        assert_eq!(Rename::from_name("kebab-case"), Some(Rename::Kebab));
        assert_eq!(Rename::from_name("KebabCase"), None);
    }
}
