//! The one service that all subjects offer, in as many methods as asked for: what its text has in common everywhere.
//! Methods come in four forms that repeat, so that a service of 100 has 25 of each, and 25 structs of one shape.

use std::fmt::Write as _;

/// One method of the service, counted from 0.
#[derive(Clone, Copy)]
pub struct Method(pub usize);

/// What stands before and behind a value that a method returns.
#[derive(Clone, Copy)]
pub struct Returns {
    /// The type of a method that can not fail, with `{}` for the value's.
    pub plain: &'static str,
    /// The expression of its value, with `{}` for that.
    pub value: &'static str,
}

impl Method {
    /// The methods of a service of so many.
    pub fn all(count: usize) -> impl Iterator<Item = Self> {
        (0..count).map(Self)
    }

    /// Its name.
    pub fn name(self) -> String {
        let Self(index) = self;
        let verb = ["add", "describe", "store", "find"][self.form()];
        format!("{verb}_{index}")
    }

    /// Its parameters after the receiver.
    pub fn parameters(self) -> String {
        match self.form() {
            0 => "a: i64, b: i64".to_owned(),
            1 => "name: String, count: u32, detailed: bool".to_owned(),
            2 => format!("key: String, entry: {}", self.entry()),
            _ => "key: String, limit: u32".to_owned(),
        }
    }

    /// The type that it returns.
    pub fn returned(self, returns: Returns) -> String {
        match self.form() {
            0 => returns.plain.replace("{}", "i64"),
            1 => returns.plain.replace("{}", "String"),
            2 => "Result<u64, Refusal>".to_owned(),
            _ => format!("Result<{}, Refusal>", self.entry()),
        }
    }

    /// What its implementation does.
    pub fn body(self, returns: Returns) -> String {
        match self.form() {
            0 => returns.value.replace("{}", "a + b"),
            1 => returns.value.replace("{}", "format!(\"{name} {count} {detailed}\")"),
            2 => "if key.is_empty() { Err(Refusal::NotFound) } else { Ok(entry.id) }".to_owned(),
            _ => format!(
                "if limit == 0 {{ Err(Refusal::Full {{ limit }}) }} else {{ Ok({} {{ id: 7, name: key, tags: \
                 Vec::new(), score: 0.5, parent: None }}) }}",
                self.entry()
            ),
        }
    }

    /// The arguments of the call that a program makes of it.
    pub fn arguments(self) -> String {
        match self.form() {
            0 => "40, 2".to_owned(),
            1 => "\"desk\".to_owned(), 3, true".to_owned(),
            2 => format!(
                "\"key\".to_owned(), {} {{ id: 42, name: \"n\".to_owned(), tags: vec![\"t\".to_owned()], score: 1.5, \
                 parent: Some(1) }}",
                self.entry()
            ),
            _ => "\"key\".to_owned(), 1".to_owned(),
        }
    }

    /// Whether what the call gave, `given`, is what it must be.
    pub fn check(self) -> &'static str {
        ["given == 42", "given == \"desk 3 true\"", "given == 42", "given.name == \"key\""][self.form()]
    }

    /// Whether it returns a `Result` of the service's own.
    pub fn is_fallible(self) -> bool {
        self.form() >= 2
    }

    fn form(self) -> usize {
        self.0 % 4
    }

    /// The struct that it takes or returns: what one method stores, the next one finds.
    fn entry(self) -> String {
        format!("Entry{}", self.0 / 4)
    }
}

/// The types of a service of so many methods. One that is small has none.
pub fn types(count: usize) -> String {
    let mut text = String::new();
    if count < 3 {
        return text;
    }
    text += "use serde::{Deserialize, Serialize};\n\n\
        #[derive(Debug, Clone, Serialize, Deserialize)]\n\
        pub enum Refusal {\n    NotFound,\n    Full { limit: u32 },\n    Other(String),\n}\n";
    for Method(index) in Method::all(count).filter(|method| method.form() == 2) {
        let number = index / 4;
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n#[derive(Debug, Clone, Serialize, Deserialize)]\npub struct Entry{number} {{\n    pub id: u64,\n    \
             pub name: String,\n    pub tags: Vec<String>,\n    pub score: f64,\n    pub parent: Option<u64>,\n}}\n"
        );
    }
    text
}

/// What all programs end with: a function for each call, and one that makes all of them. `call` is the expression of
/// a call's outcome, a `Result`, for which the client is `client`.
pub fn calls(count: usize, client: &str, call: impl Fn(Method) -> String) -> String {
    let mut text = format!(
        "type Failure = Box<dyn std::error::Error + Send + Sync>;\n\
         type Calling<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;\n\n\
         fn text(error: impl std::fmt::Debug) -> String {{\n    format!(\"{{error:?}}\")\n}}\n\n\
         async fn call_all(client: &{client}) -> Result<(), Failure> {{\n    \
         let calls: [for<'a> fn(&'a {client}) -> Calling<'a>; {count}] = [\n"
    );
    for Method(index) in Method::all(count) {
        let _ = writeln!(text, "        |client| Box::pin(call_{index}(client)),");
    }
    text += "    ];\n    for call in calls {\n        call(client).await?;\n    }\n    Ok(())\n}\n";
    for method in Method::all(count) {
        let (Method(index), call, check) = (method, call(method), method.check());
        let _ = write!(
            text,
            "\nasync fn call_{index}(client: &{client}) -> Result<(), Failure> {{\n    let given = {call};\n    \
             if {check} {{ Ok(()) }} else {{ Err(\"not what was due\".into()) }}\n}}\n"
        );
    }
    text
}
