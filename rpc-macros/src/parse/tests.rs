//! What is understood of a trait, and what is said when it is not.
