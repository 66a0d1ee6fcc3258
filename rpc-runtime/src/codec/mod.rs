//! Values to bytes and back: one file per codec, one guard for all.
