//! Lists that a service hands out page by page.

use crate::http::Failure;

/// One page of a list.
pub struct Page<T> {
    /// How many there are.
    pub pages: u32,
    pub entries: Vec<T>,
}

/// All entries of a list, from its first page to its last.
pub fn all<T>(fetch: impl Fn(u32) -> Result<Page<T>, Failure>) -> Result<Vec<T>, Failure> {
    let Page { pages, mut entries } = fetch(1)?;
    let last = if cfg!(feature = "off-by-one") { pages - 1 } else { pages };
    for page in 2..=last {
        entries.extend(fetch(page)?.entries);
    }
    Ok(entries)
}
