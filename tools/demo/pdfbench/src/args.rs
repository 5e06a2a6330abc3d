// SPDX-License-Identifier: GPL-2.0

use std::path::PathBuf;

use clap::Parser;

/// Renders pages of a PDF with pdfium, and says what it cost and what fresh memory held.
#[derive(Debug, Parser)]
pub struct Args {
    /// The library, libpdfium.so
    #[arg(long)]
    pub library: PathBuf,

    /// How many pages to render, from the first
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub pages: u32,

    /// Size of the pictures: 1 is a pixel for each point of the page
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    pub scale: f32,

    /// The document
    pub pdf: PathBuf,
}

fn scale(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(scale) if (0.1..=10.0).contains(&scale) => Ok(scale),
        _ => Err("give a number, 0.1 to 10".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_out_of_range_is_refused() {
        for bad in ["0", "11", "NaN", "inf", "big", "-1"] {
            assert!(scale(bad).is_err(), "{bad}");
        }
        assert_eq!(scale("2.5"), Ok(2.5));
    }

    #[test]
    fn a_hundred_pages_at_scale_one_is_the_default() {
        let args = Args::parse_from(["pdfbench", "--library=x.so", "x.pdf"]);
        assert_eq!((args.pages, args.scale), (100, 1.0));
    }

    #[test]
    fn no_pages_are_refused() {
        assert!(Args::try_parse_from(["pdfbench", "--library=x.so", "--pages=0", "x.pdf"]).is_err());
    }
}
