//! The messages for mistakes in a trait, pinned: one for each mistake, at the token that is wrong.

#[test]
fn every_mistake_is_one_message_at_its_token() {
    trybuild::TestCases::new().compile_fail("compile-fail/*.rs");
}
