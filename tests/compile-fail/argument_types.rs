//! What an argument can not be.

use std::{collections::HashMap, fmt::Display};

use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    async fn opaque(&self, value: impl Display + Send) -> String;
    async fn opaque_inside(&self, values: Vec<impl Display + Send>) -> String;
    async fn exclusive(&self, values: &mut Vec<u8>);
    async fn exclusive_inside(&self, value: Option<&mut u8>);
    async fn list_of_references(&self, names: &[&str]) -> usize;
    async fn map_of_references(&self, map: HashMap<&str, u8>) -> usize;
    async fn reference_twice(&self, text: &&str);
    async fn object(&self, value: &(dyn Display + Sync)) -> String;
    async fn forever(&self, text: &'static str);
    async fn own(&self, other: &Self);
    async fn two_mistakes(&self, a: &mut u8, b: u8, c: impl Display);
    async fn right(&self, text: Option<&str>) -> u8;
}

fn main() {
    let _ = ArithClient::right;
}
