// SPDX-License-Identifier: GPL-2.0

//! The part of pdfium's C interface that rendering needs, as values that free themselves.

use std::ffi::CString;
use std::ffi::c_char;
use std::ffi::c_double;
use std::ffi::c_int;
use std::ffi::c_ulong;
use std::ffi::c_void;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::ensure;
use libloading::Library;

/// An object of the library, of whatever kind.
type Handle = NonNull<c_void>;

/// Render what the user would see: annotations too (FPDF_ANNOT).
const ANNOTATIONS: c_int = 0x01;

macro_rules! functions {
    ($($(#[$doc:meta])* $field:ident = $symbol:literal: $type:ty,)*) => {
        struct Functions {
            $($(#[$doc])* $field: $type,)*
        }

        impl Functions {
            /// # Safety
            ///
            /// The library is pdfium.
            unsafe fn find(library: &Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    // SAFETY: by the caller's promise the symbol has the type that pdfium's
                    // headers give it, which is the one written here.
                    $($field: unsafe { *library.get::<$type>(concat!($symbol, "\0").as_bytes())? },)*
                })
            }
        }
    };
}

functions! {
    init = "FPDF_InitLibrary": unsafe extern "C" fn(),
    destroy = "FPDF_DestroyLibrary": unsafe extern "C" fn(),
    last_error = "FPDF_GetLastError": unsafe extern "C" fn() -> c_ulong,
    load_document = "FPDF_LoadDocument": unsafe extern "C" fn(*const c_char, *const c_char) -> Option<Handle>,
    close_document = "FPDF_CloseDocument": unsafe extern "C" fn(Handle),
    page_count = "FPDF_GetPageCount": unsafe extern "C" fn(Handle) -> c_int,
    load_page = "FPDF_LoadPage": unsafe extern "C" fn(Handle, c_int) -> Option<Handle>,
    close_page = "FPDF_ClosePage": unsafe extern "C" fn(Handle),
    page_width = "FPDF_GetPageWidth": unsafe extern "C" fn(Handle) -> c_double,
    page_height = "FPDF_GetPageHeight": unsafe extern "C" fn(Handle) -> c_double,
    has_transparency = "FPDFPage_HasTransparency": unsafe extern "C" fn(Handle) -> c_int,
    load_text = "FPDFText_LoadPage": unsafe extern "C" fn(Handle) -> Option<Handle>,
    close_text = "FPDFText_ClosePage": unsafe extern "C" fn(Handle),
    create_bitmap = "FPDFBitmap_Create": unsafe extern "C" fn(c_int, c_int, c_int) -> Option<Handle>,
    fill_rect = "FPDFBitmap_FillRect": unsafe extern "C" fn(Handle, c_int, c_int, c_int, c_int, c_ulong),
    render = "FPDF_RenderPageBitmap":
        unsafe extern "C" fn(Handle, Handle, c_int, c_int, c_int, c_int, c_int, c_int),
    buffer = "FPDFBitmap_GetBuffer": unsafe extern "C" fn(Handle) -> *const u8,
    stride = "FPDFBitmap_GetStride": unsafe extern "C" fn(Handle) -> c_int,
    destroy_bitmap = "FPDFBitmap_Destroy": unsafe extern "C" fn(Handle),
}

/// The library, loaded.
pub struct Pdfium {
    functions: Functions,
    // Last: the functions are its own.
    _library: Library,
}

impl Pdfium {
    /// Loads the library.
    pub fn load(path: &Path) -> Result<Self> {
        // SAFETY: the user says that this is pdfium, whose initialisers do nothing that matters.
        let library = unsafe { Library::new(path) }
            .with_context(|| format!("cannot load {}: name libpdfium.so with --library", path.display()))?;
        // SAFETY: as above.
        let functions = unsafe { Functions::find(&library) }
            .with_context(|| format!("{} is not pdfium: name libpdfium.so with --library", path.display()))?;
        Ok(Self { functions, _library: library })
    }

    /// Opens a document.
    pub fn open(&self, path: &Path) -> Result<Document<'_>> {
        let name = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the library is set up once, as `Document` is the only one and undoes it; the
        // name is a C string, and no password is allowed to be null.
        let handle = unsafe {
            (self.functions.init)();
            (self.functions.load_document)(name.as_ptr(), std::ptr::null())
        };
        let Some(handle) = handle else {
            // SAFETY: the library is set up, and used no more after it is destroyed.
            let code = unsafe {
                let code = (self.functions.last_error)();
                (self.functions.destroy)();
                code
            };
            return Err(anyhow!("pdfium cannot open {} (error {code}): name a PDF file", path.display()));
        };
        Ok(Document { functions: &self.functions, handle })
    }
}

/// An open document.
pub struct Document<'a> {
    functions: &'a Functions,
    handle: Handle,
}

impl Document<'_> {
    /// Returns the number of pages.
    pub fn page_count(&self) -> u32 {
        // SAFETY: the document is open.
        let count = unsafe { (self.functions.page_count)(self.handle) };
        u32::try_from(count).unwrap_or(0)
    }

    /// Loads a page; the first has index 0.
    pub fn page(&self, index: u32) -> Result<Page<'_>> {
        // SAFETY: the document is open; a page that does not exist gives null.
        let handle = unsafe { (self.functions.load_page)(self.handle, c_int::try_from(index)?) };
        let handle = handle.with_context(|| format!("pdfium cannot load page {}: try another document", index + 1))?;
        Ok(Page { functions: self.functions, handle })
    }
}

impl Drop for Document<'_> {
    fn drop(&mut self) {
        // SAFETY: the document is open, its pages are gone, and it was the library's only user.
        unsafe {
            (self.functions.close_document)(self.handle);
            (self.functions.destroy)();
        }
    }
}

/// A loaded page.
pub struct Page<'a> {
    functions: &'a Functions,
    handle: Handle,
}

impl Page<'_> {
    /// Loads the text of the page.
    pub fn text(&self) -> Result<Text<'_>> {
        // SAFETY: the page is loaded.
        let handle = unsafe { (self.functions.load_text)(self.handle) };
        let handle = handle.context("pdfium cannot load the text of a page: try another document")?;
        Ok(Text { functions: self.functions, handle })
    }

    /// Draws the page, `scale` pixels for each point.
    pub fn render(&self, scale: f32) -> Result<Bitmap<'_>> {
        // SAFETY: the page is loaded.
        let (width, height, alpha) = unsafe {
            let width = (self.functions.page_width)(self.handle) * f64::from(scale);
            let height = (self.functions.page_height)(self.handle) * f64::from(scale);
            (width as c_int, height as c_int, (self.functions.has_transparency)(self.handle))
        };
        let bitmap = Bitmap::new(self.functions, width, height, alpha)?;
        let background = if alpha != 0 { 0 } else { 0xffff_ffff };
        // SAFETY: page and bitmap are there, and the rectangle is the whole bitmap.
        unsafe {
            (self.functions.fill_rect)(bitmap.handle, 0, 0, width, height, background);
            (self.functions.render)(bitmap.handle, self.handle, 0, 0, width, height, 0, ANNOTATIONS);
        }
        Ok(bitmap)
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        // SAFETY: the page is loaded, and what was made of it is gone.
        unsafe { (self.functions.close_page)(self.handle) };
    }
}

/// The text of a page.
pub struct Text<'a> {
    functions: &'a Functions,
    handle: Handle,
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        // SAFETY: the text is loaded, and its page still is.
        unsafe { (self.functions.close_text)(self.handle) };
    }
}

/// A picture, four bytes a pixel.
pub struct Bitmap<'a> {
    functions: &'a Functions,
    handle: Handle,
    width: usize,
    height: usize,
}

impl<'a> Bitmap<'a> {
    fn new(functions: &'a Functions, width: c_int, height: c_int, alpha: c_int) -> Result<Self> {
        ensure!(width > 0 && height > 0, "a page is smaller than a pixel: give a larger --scale");
        // SAFETY: the size is positive.
        let handle = unsafe { (functions.create_bitmap)(width, height, alpha) };
        let handle = handle.context("no memory for a picture: give a smaller --scale")?;
        Ok(Self { functions, handle, width: width as usize, height: height as usize })
    }

    /// Returns the number of pixels.
    pub fn pixels(&self) -> u64 {
        (self.width * self.height) as u64
    }

    /// Returns the rows, top to bottom.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        // SAFETY: the bitmap is there; pdfium gives its buffer and the bytes from row to row.
        let (buffer, stride) =
            unsafe { ((self.functions.buffer)(self.handle), (self.functions.stride)(self.handle) as usize) };
        (0..self.height).map(move |row| {
            // SAFETY: the buffer has `height` rows of `stride` bytes, of which four for each
            // pixel are the picture; nobody writes it while the bitmap is borrowed.
            unsafe { std::slice::from_raw_parts(buffer.add(row * stride), 4 * self.width) }
        })
    }
}

impl Drop for Bitmap<'_> {
    fn drop(&mut self) {
        // SAFETY: the bitmap is there, and used no more.
        unsafe { (self.functions.destroy_bitmap)(self.handle) };
    }
}
