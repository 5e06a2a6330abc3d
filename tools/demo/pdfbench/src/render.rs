// SPDX-License-Identifier: GPL-2.0

use anyhow::Result;
use anyhow::ensure;
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use crate::args::Args;
use crate::pdfium::Document;
use crate::pdfium::Pdfium;

/// What was rendered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    pages: u32,
    pixels: u64,
    /// XXH3 of all pixels: the same under every allocator.
    hash: String,
}

/// Renders the pages, one after another.
pub fn render(pdfium: &Pdfium, args: &Args) -> Result<Output> {
    let document = pdfium.open(&args.pdf)?;
    ensure!(
        args.pages <= document.page_count(),
        "{} has {} pages: give at most that many with --pages",
        args.pdf.display(),
        document.page_count()
    );
    let mut hash = Xxh3::new();
    let mut pixels = 0;
    for index in 0..args.pages {
        pixels += render_page(&document, index, args.scale, &mut hash)?;
    }
    Ok(Output { pages: args.pages, pixels, hash: format!("{:016x}", hash.digest()) })
}

fn render_page(document: &Document<'_>, index: u32, scale: f32, hash: &mut Xxh3) -> Result<u64> {
    let page = document.page(index)?;
    // pdfium's test program loads the text of every page too.
    let _text = page.text()?;
    let bitmap = page.render(scale)?;
    for row in bitmap.rows() {
        hash.update(row);
    }
    Ok(bitmap.pixels())
}
