//! The shared trait of the arith example.
