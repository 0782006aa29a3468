//! Canonical JSON of anything that can be serialized, in one pass and without a tree of values.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::io::{self, Write};
use std::ops::Range;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The canonical form of `value`: an object's fields in the order of their names' bytes, no white
/// space, numbers and strings as `serde_json` writes them.
///
/// # Errors
/// A map has names that are not text.
pub(crate) fn text(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let text = RefCell::new(Vec::with_capacity(8 << 10));
    let sorting = Sorting {
        text: &text,
        objects: Vec::new(),
        fields: Vec::new(),
        sorted: Vec::new(),
    };
    value.serialize(&mut Serializer::with_formatter(Shared(&text), sorting))?;
    Ok(text.into_inner())
}

/// Output of the serializer, which the formatter reads, too. The formatter sees it, too.
struct Shared<'a>(&'a RefCell<Vec<u8>>);

impl Write for Shared<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sorts the fields of each object when its last one is written.
struct Sorting<'a> {
    text: &'a RefCell<Vec<u8>>,
    /// For each open object, the number of the fields of those around it.
    objects: Vec<usize>,
    /// The fields of all open objects.
    fields: Vec<Field>,
    /// Kept for its allocation.
    sorted: Vec<u8>,
}

/// Where a field lies in the text.
struct Field {
    /// Without its quotes.
    name: Range<usize>,
    /// Whether the name is not written as it is.
    is_escaped: bool,
    /// Behind its value.
    end: usize,
}

impl Field {
    fn whole(&self) -> Range<usize> {
        self.name.start - 1..self.end
    }

    fn compare(&self, other: &Self, text: &[u8]) -> Ordering {
        if self.is_escaped || other.is_escaped {
            let name = |of: &Self| unescaped(&text[of.name.start - 1..of.name.end + 1]);
            return name(self).cmp(&name(other));
        }
        text[self.name.clone()].cmp(&text[other.name.clone()])
    }
}

fn unescaped(name: &[u8]) -> Cow<'_, str> {
    serde_json::from_slice(name).expect("serde_json wrote it")
}

impl Sorting<'_> {
    fn here(&self) -> usize {
        self.text.borrow().len()
    }

    /// Brings the fields from number `first` on into their order.
    fn sort(&mut self, first: usize) {
        let text = &mut *self.text.borrow_mut();
        let fields = &mut self.fields[first..];
        let Some(begin) = fields.first().map(|field| field.whole().start) else {
            return;
        };
        if fields.is_sorted_by(|one, next| one.compare(next, text).is_lt()) {
            return;
        }
        fields.sort_unstable_by(|one, other| one.compare(other, text));
        self.sorted.clear();
        for field in fields {
            if !self.sorted.is_empty() {
                self.sorted.push(b',');
            }
            self.sorted.extend_from_slice(&text[field.whole()]);
        }
        text[begin..].copy_from_slice(&self.sorted);
    }
}

impl Formatter for Sorting<'_> {
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.objects.push(self.fields.len());
        writer.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        let name = self.here() + 1;
        self.fields.push(Field {
            name: name..name,
            is_escaped: false,
            end: name,
        });
        Ok(())
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        let text = self.text.borrow();
        let field = self.fields.last_mut().expect("it began");
        field.name.end = text.len() - 1;
        field.is_escaped = text[field.name.clone()].contains(&b'\\');
        Ok(())
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        let end = self.here();
        self.fields.last_mut().expect("it began").end = end;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let first = self.objects.pop().expect("it began");
        self.sort(first);
        self.fields.truncate(first);
        writer.write_all(b"}")
    }
}
