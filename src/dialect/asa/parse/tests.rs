use super::*;
use crate::source::SourceMap;

#[test]
fn dummy() {
    let _ = SourceMap::new();
}
