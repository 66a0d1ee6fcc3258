//! Key-value pairs that travel beside a call: an ordered list of strings, small and mostly empty.

use std::fmt;

/// Text that travels with a request or a response, in order; a key may stand more than once.
///
/// Keys are compared without regard to ASCII case and kept in lower case. At most 64 entries and, with the
/// rest of the header, 16 KiB travel by default; a call beyond that fails with `RESOURCE_EXHAUSTED`.
/// An empty one allocates nothing.
///
/// ```
/// let mut metadata = rpc_runtime::Metadata::new();
/// metadata.append("Region", "north");
/// metadata.append("region", "south");
/// assert_eq!(metadata.get("REGION"), Some("north"));
/// assert_eq!(metadata.get_all("region").collect::<Vec<_>>(), ["north", "south"]);
/// metadata.insert("region", "west");
/// assert_eq!(metadata.len(), 1);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    entries: Vec<(String, String)>,
}

impl Metadata {
    /// No entries.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Replaces all entries of `key` with one.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let key = lower(key.into());
        self.entries.retain(|(other, _)| *other != key);
        self.entries.push((key, value.into()));
    }

    /// Adds an entry behind those that `key` has.
    pub fn append(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.entries.push((lower(key.into()), value.into()));
    }

    /// Takes all entries of `key` away.
    pub fn remove(&mut self, key: &str) {
        self.entries.retain(|(other, _)| !other.eq_ignore_ascii_case(key));
    }

    /// The first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    /// All values of `key`, in order.
    pub fn get_all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn held(&self) -> usize {
        self.entries.iter().map(|(key, value)| key.len() + value.len() + size_of::<(String, String)>()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn lower(mut key: String) -> String {
    key.make_ascii_lowercase();
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_case_and_values_kept_in_order() {
        let mut metadata = Metadata::new();
        metadata.append("Tenant", "7");
        metadata.append("tenant", "8");
        assert_eq!(metadata.get("TENANT"), Some("7"));
        assert_eq!(metadata.get_all("tenant").collect::<Vec<_>>(), ["7", "8"]);
        metadata.insert("tenant", "9");
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("tenant", "9")]);
    }
}
