//! Joins iterators that follow one another: the tables of a level.
//!
//! Invariant: the key of an outer entry is at or after every inner key behind it, and before every inner key behind
//! the next outer entry; inner iterators share no user key.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::{SeqNo, compare};
use crate::slice::Slice;

/// Opens what an outer entry stands for.
pub(crate) trait Opener<O>: Send {
    /// What it opens.
    type Inner: InternalIterator;
    /// Opens what the entry under `outer` stands for.
    fn open(&self, outer: &O) -> Result<Self::Inner>;
}

/// One iterator over all inner ones, in the order of the outer.
#[derive(Debug)]
pub(crate) struct Concat<O, P: Opener<O>> {
    outer: O,
    opener: P,
    inner: Option<P::Inner>,
}

impl<O: InternalIterator, P: Opener<O>> Concat<O, P> {
    /// An iterator that stands nowhere.
    pub(crate) fn new(outer: O, opener: P) -> Concat<O, P> {
        Concat { outer, opener, inner: None }
    }

    /// Opens the entry under the outer iterator, and stands nowhere if that fails.
    fn open(&mut self) -> Result<&mut P::Inner> {
        self.inner = None;
        let inner = self.opener.open(&self.outer)?;
        Ok(self.inner.insert(inner))
    }

    /// To the first entry of the next inner iterator that has one.
    fn forward(&mut self) -> Result<bool> {
        self.inner = None;
        while self.outer.next()? {
            if self.open()?.first()? {
                return Ok(true);
            }
        }
        self.inner = None;
        Ok(false)
    }

    /// To the last entry of the inner iterator before that has one.
    fn backward(&mut self) -> Result<bool> {
        self.inner = None;
        while self.outer.prev()? {
            if self.open()?.last()? {
                return Ok(true);
            }
        }
        self.inner = None;
        Ok(false)
    }
}

impl<O: InternalIterator, P: Opener<O>> InternalIterator for Concat<O, P> {
    fn first(&mut self) -> Result<bool> {
        self.inner = None;
        if !self.outer.first()? {
            return Ok(false);
        }
        if self.open()?.first()? { Ok(true) } else { self.forward() }
    }

    fn last(&mut self) -> Result<bool> {
        self.inner = None;
        if !self.outer.last()? {
            return Ok(false);
        }
        if self.open()?.last()? { Ok(true) } else { self.backward() }
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.inner = None;
        if !self.outer.seek(user_key, trailer)? {
            return Ok(false);
        }
        if self.open()?.seek(user_key, trailer)? { Ok(true) } else { self.forward() }
    }

    fn seek_on(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        let is_here =
            compare((self.outer.user_key(), self.outer.trailer()), (user_key, trailer)) != Ordering::Less;
        match &mut self.inner {
            Some(inner) if is_here => {
                if inner.seek_on(user_key, trailer)? {
                    Ok(true)
                } else {
                    self.forward()
                }
            }
            Some(_) | None => self.seek(user_key, trailer),
        }
    }

    fn announce(&mut self, user_key: &[u8]) {
        if let Some(inner) = &mut self.inner
            && user_key <= self.outer.user_key()
        {
            inner.announce(user_key);
        }
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.inner = None;
        if !self.outer.seek(user_key, trailer)? {
            return self.last();
        }
        if self.open()?.seek_before(user_key, trailer)? { Ok(true) } else { self.backward() }
    }

    #[inline]
    fn next(&mut self) -> Result<bool> {
        match &mut self.inner {
            Some(inner) => {
                if inner.next()? {
                    Ok(true)
                } else {
                    self.forward()
                }
            }
            None => Ok(false),
        }
    }

    #[inline]
    fn next_key(&mut self) -> Result<bool> {
        match &mut self.inner {
            Some(inner) => {
                if inner.next_key()? {
                    Ok(true)
                } else {
                    self.forward()
                }
            }
            None => Ok(false),
        }
    }

    #[inline]
    fn show_on(
        &mut self,
        end: &[u8],
        newest: SeqNo,
        see: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        match &mut self.inner {
            Some(inner) => inner.show_on(end, newest, see),
            None => Ok(ControlFlow::Continue(())),
        }
    }

    fn skip_on(&mut self, end: Option<&[u8]>, seqno: SeqNo) -> Result<bool> {
        match &mut self.inner {
            Some(inner) => {
                if inner.skip_on(end, seqno)? {
                    return Ok(true);
                }
            }
            None => return Ok(false),
        }
        self.inner = None;
        while self.outer.skip_on(end, seqno)? {
            if self.open()?.first()? {
                return Ok(true);
            }
        }
        self.inner = None;
        Ok(false)
    }

    fn skip_back(&mut self, start: &[u8], seqno: SeqNo) -> Result<bool> {
        match &mut self.inner {
            Some(inner) => {
                if inner.skip_back(start, seqno)? {
                    return Ok(true);
                }
            }
            None => return Ok(false),
        }
        self.inner = None;
        while self.outer.skip_back(start, seqno)? {
            if self.open()?.last()? {
                return Ok(true);
            }
        }
        self.inner = None;
        Ok(false)
    }

    #[inline]
    fn prev(&mut self) -> Result<bool> {
        match &mut self.inner {
            Some(inner) => {
                if inner.prev()? {
                    Ok(true)
                } else {
                    self.backward()
                }
            }
            None => Ok(false),
        }
    }

    fn valid(&self) -> bool {
        self.inner.as_ref().is_some_and(InternalIterator::valid)
    }

    #[inline]
    fn user_key(&self) -> &[u8] {
        self.inner.as_ref().map_or(&[], InternalIterator::user_key)
    }

    #[inline]
    fn trailer(&self) -> u64 {
        self.inner.as_ref().map_or(0, InternalIterator::trailer)
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.inner.as_ref().map_or(&[], InternalIterator::value)
    }

    fn value_slice(&self) -> Slice {
        self.inner.as_ref().map_or_else(|| Slice::from(Vec::new()), InternalIterator::value_slice)
    }
}
