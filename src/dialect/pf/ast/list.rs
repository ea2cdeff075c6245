//! Lists that mostly hold one element, or none.

use std::ops::Deref;

/// A list of a rule. One element needs no memory of its own.
#[derive(Clone, Debug, Default)]
pub enum List<T> {
    /// Nothing is written.
    #[default]
    Empty,
    /// One element.
    One(T),
    /// Several.
    Many(Box<[T]>),
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            List::Empty => &[],
            List::One(item) => std::slice::from_ref(item),
            List::Many(items) => items,
        }
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(mut items: Vec<T>) -> Self {
        if items.len() > 1 {
            return List::Many(items.into_boxed_slice());
        }
        items.pop().map_or(List::Empty, List::One)
    }
}

impl<T> From<List<T>> for Vec<T> {
    fn from(list: List<T>) -> Self {
        match list {
            List::Empty => Vec::new(),
            List::One(item) => vec![item],
            List::Many(items) => items.into_vec(),
        }
    }
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
