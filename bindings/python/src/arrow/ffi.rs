//! The structures of Arrow's C data interface, and who owns what behind them.
//!
//! Invariants: (1) a structure owns what its `private_data` points to, until its `release` was called, which it is once;
//! (2) the children and the dictionary of a structure are owned by it, and released with it; (3) a pointer to a buffer stays
//! good as long as the owner that the outermost array keeps, whose bytes never change.
//!
//! The layout is that of the specification (<https://arrow.apache.org/docs/format/CDataInterface.html>).

#![allow(unsafe_code, reason = "the structures of a C interface are raw pointers")]

use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

use super::array::{Buffer, Data, Field, Owner};

const FLAG_NULLABLE: i64 = 2;

#[repr(C)]
struct ArrowSchema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut ArrowSchema,
    dictionary: *mut ArrowSchema,
    release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    private_data: *mut c_void,
}

#[repr(C)]
struct ArrowArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut ArrowArray,
    dictionary: *mut ArrowArray,
    release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    private_data: *mut c_void,
}

#[repr(C)]
struct ArrowArrayStream {
    get_schema: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowSchema) -> c_int>,
    get_next: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowArray) -> c_int>,
    get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    private_data: *mut c_void,
}

/// What a schema points to.
struct SchemaPrivate {
    _texts: [CString; 2],
    _metadata: Option<Vec<u8>>,
    children: Vec<*mut ArrowSchema>,
    dictionary: *mut ArrowSchema,
}

/// What an array points to.
struct ArrayPrivate {
    buffers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
    dictionary: *mut ArrowArray,
    _made: Vec<Vec<u128>>,
    _owner: Option<Owner>,
}

/// What a stream gives out.
struct StreamPrivate {
    schema: Field,
    batches: VecDeque<Data>,
}

/// A schema in a capsule; released with it, unless a reader has taken it out.
#[repr(transparent)]
pub(super) struct SchemaCapsule(ArrowSchema);

/// An array in a capsule.
#[repr(transparent)]
pub(super) struct ArrayCapsule(ArrowArray);

/// A stream in a capsule.
#[repr(transparent)]
pub(super) struct StreamCapsule(ArrowArrayStream);

// SAFETY: what a structure points to is owned by it alone and immutable, of parts that are `Send` (`Owner` is, texts and made
// buffers are, and buffers that are there belong to the owner); releasing it on another thread frees it there.
unsafe impl Send for SchemaCapsule {}
// SAFETY: as above.
unsafe impl Send for ArrayCapsule {}
// SAFETY: as above.
unsafe impl Send for StreamCapsule {}
// SAFETY: a pointer in `Data` is into bytes of its owner, which is `Send` and `Sync` and never changes them.
unsafe impl Send for Data {}

impl SchemaCapsule {
    pub(super) fn new(field: &Field) -> SchemaCapsule {
        SchemaCapsule(ArrowSchema::of(field))
    }
}

impl ArrayCapsule {
    pub(super) fn new(data: Data) -> ArrayCapsule {
        ArrayCapsule(ArrowArray::of(data))
    }
}

impl StreamCapsule {
    pub(super) fn new(schema: Field, batches: VecDeque<Data>) -> StreamCapsule {
        let private = Box::new(StreamPrivate { schema, batches });
        StreamCapsule(ArrowArrayStream {
            get_schema: Some(stream_schema),
            get_next: Some(stream_next),
            get_last_error: Some(stream_error),
            release: Some(release_stream),
            private_data: Box::into_raw(private).cast(),
        })
    }
}

impl Drop for SchemaCapsule {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: `release` is there, so it was not called, and the structure is whole (invariant 1).
            unsafe { release(&raw mut self.0) }
        }
    }
}

impl Drop for ArrayCapsule {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: as of a schema.
            unsafe { release(&raw mut self.0) }
        }
    }
}

impl Drop for StreamCapsule {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: as of a schema.
            unsafe { release(&raw mut self.0) }
        }
    }
}

impl ArrowSchema {
    fn of(field: &Field) -> ArrowSchema {
        // A name with a zero in it is cut off there; schemas have none.
        let text = |text: &str| CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default();
        let texts = [text(&field.format), text(&field.name)];
        let children =
            field.children.iter().map(|child| Box::into_raw(Box::new(ArrowSchema::of(child)))).collect();
        let dictionary = field.dictionary.as_ref();
        let dictionary =
            dictionary.map_or(ptr::null_mut(), |field| Box::into_raw(Box::new(ArrowSchema::of(field))));
        let metadata = field.extension.map(metadata);
        let [format, name] = [texts[0].as_ptr(), texts[1].as_ptr()];
        let metadata_at = metadata.as_ref().map_or(ptr::null(), |bytes| bytes.as_ptr().cast());
        let mut private =
            Box::new(SchemaPrivate { _texts: texts, _metadata: metadata, children, dictionary });
        ArrowSchema {
            format,
            name,
            metadata: metadata_at,
            flags: if field.nullable { FLAG_NULLABLE } else { 0 },
            n_children: length(private.children.len()),
            children: private.children.as_mut_ptr(),
            dictionary,
            release: Some(release_schema),
            private_data: Box::into_raw(private).cast(),
        }
    }
}

impl ArrowArray {
    fn of(data: Data) -> ArrowArray {
        let mut made = Vec::new();
        let buffers = data.buffers.into_iter().map(|buffer| match buffer {
            Buffer::None => ptr::null(),
            Buffer::There(at) => at.cast::<c_void>(),
            Buffer::Made(words) => {
                let at = words.as_ptr().cast();
                made.push(words);
                at
            }
        });
        let buffers = buffers.collect::<Vec<*const c_void>>();
        let children =
            data.children.into_iter().map(|child| Box::into_raw(Box::new(ArrowArray::of(child)))).collect();
        let dictionary =
            data.dictionary.map_or(ptr::null_mut(), |data| Box::into_raw(Box::new(ArrowArray::of(*data))));
        let mut private =
            Box::new(ArrayPrivate { buffers, children, dictionary, _made: made, _owner: data.owner });
        ArrowArray {
            length: length(data.rows),
            null_count: data.nulls.map_or(-1, length),
            offset: 0,
            n_buffers: length(private.buffers.len()),
            n_children: length(private.children.len()),
            buffers: private.buffers.as_mut_ptr(),
            children: private.children.as_mut_ptr(),
            dictionary,
            release: Some(release_array),
            private_data: Box::into_raw(private).cast(),
        }
    }
}

/// A length as C has it; none is so long that it does not fit.
fn length(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// The metadata of an extension type: the number of pairs, then each key and value behind its length.
fn metadata(extension: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let word = |out: &mut Vec<u8>, n: usize| {
        out.extend_from_slice(&i32::try_from(n).unwrap_or(0).to_le_bytes());
    };
    word(&mut out, 2);
    for text in ["ARROW:extension:name", extension, "ARROW:extension:metadata", ""] {
        word(&mut out, text.len());
        out.extend_from_slice(text.as_bytes());
    }
    out
}

unsafe extern "C" fn release_schema(schema: *mut ArrowSchema) {
    // SAFETY: a reader calls this once, with a structure that `ArrowSchema::of` made or that was moved from one (invariant 1);
    // its children and dictionary are boxes that it owns (invariant 2), and a reader that took a child out cleared its release.
    unsafe {
        let private = Box::from_raw((*schema).private_data.cast::<SchemaPrivate>());
        for child in private.children.iter().copied().chain([private.dictionary]) {
            if !child.is_null() {
                let child = Box::from_raw(child);
                drop(SchemaCapsule(*child));
            }
        }
        (*schema).release = None;
    }
}

unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // SAFETY: as of a schema.
    unsafe {
        let private = Box::from_raw((*array).private_data.cast::<ArrayPrivate>());
        for child in private.children.iter().copied().chain([private.dictionary]) {
            if !child.is_null() {
                let child = Box::from_raw(child);
                drop(ArrayCapsule(*child));
            }
        }
        (*array).release = None;
    }
}

unsafe extern "C" fn release_stream(stream: *mut ArrowArrayStream) {
    // SAFETY: a reader calls this once, with a structure that `StreamCapsule::new` made or that was moved from it.
    unsafe {
        drop(Box::from_raw((*stream).private_data.cast::<StreamPrivate>()));
        (*stream).release = None;
    }
}

unsafe extern "C" fn stream_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: the stream is not released, so its private data are there; `out` is room for a schema that nothing is in.
    unsafe {
        let private = &*(*stream).private_data.cast::<StreamPrivate>();
        out.write(ArrowSchema::of(&private.schema));
    }
    0
}

unsafe extern "C" fn stream_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: as of the schema; nobody else uses the stream meanwhile, as the interface says.
    unsafe {
        let private = &mut *(*stream).private_data.cast::<StreamPrivate>();
        out.write(private.batches.pop_front().map_or(ArrowArray::ENDED, ArrowArray::of));
    }
    0
}

/// There is never an error: everything was checked before the stream was given out.
unsafe extern "C" fn stream_error(_: *mut ArrowArrayStream) -> *const c_char {
    ptr::null()
}

impl ArrowArray {
    /// The end of a stream.
    const ENDED: ArrowArray = ArrowArray {
        length: 0,
        null_count: 0,
        offset: 0,
        n_buffers: 0,
        n_children: 0,
        buffers: ptr::null_mut(),
        children: ptr::null_mut(),
        dictionary: ptr::null_mut(),
        release: None,
        private_data: ptr::null_mut(),
    };
}
