//! The statements of a program's `main`.

use syn::{
    Block, Expr, File, Item, Stmt,
    visit::{self, Visit},
};

/// How many there are, those of inner blocks among them, but for the `Ok(())` at the end.
pub(crate) fn of_main(file: &File) -> usize {
    let mut statements = Statements(0);
    for item in &file.items {
        match item {
            Item::Fn(function) if function.sig.ident == "main" => statements.visit_block(&function.block),
            _ => {}
        }
    }
    statements.0
}

struct Statements(usize);

impl Visit<'_> for Statements {
    fn visit_block(&mut self, block: &Block) {
        self.0 += block.stmts.iter().filter(|statement| !is_ok(statement)).count();
        visit::visit_block(self, block);
    }
}

/// Whether it is `Ok(())`.
fn is_ok(statement: &Stmt) -> bool {
    let Stmt::Expr(Expr::Call(call), None) = statement else { return false };
    let is_unit = |value: &Expr| matches!(value, Expr::Tuple(tuple) if tuple.elems.is_empty());
    matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Ok")) && call.args.iter().all(is_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_statements_count_and_the_last_ok_does_not() {
        let file =
            syn::parse_str("fn main() -> R { let a = 1; loop { b(|| { c(); d() }); } Ok(()) } fn other() { e(); }");
        assert_eq!(of_main(&file.expect("it is Rust")), 5);
    }
}
