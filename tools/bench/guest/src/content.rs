// SPDX-License-Identifier: GPL-2.0

use record::Content;

/// Gives `size` bytes of that content. The page without a period comes from the seed.
pub fn page(content: Content, size: usize, seed: u64) -> Vec<u8> {
    match content {
        Content::None => vec![0; size],
        Content::Byte => vec![0xaa; size],
        Content::Sixteen => (1..=16).cycle().take(size).collect(),
        Content::Page => {
            let mut page = vec![0; size];
            fastrand::Rng::with_seed(seed).fill(&mut page);
            page
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_period(page: &[u8], period: usize) -> bool {
        page.iter().zip(&page[period..]).all(|(a, b)| a == b)
    }

    #[test]
    fn contents_have_the_periods_that_they_are_named_for() {
        let of = |content| page(content, 4096, 1);
        assert!(of(Content::None).iter().all(|&byte| byte == 0));
        assert!(of(Content::Byte).iter().all(|&byte| byte == 0xaa));
        assert!(has_period(&of(Content::Sixteen), 16) && !has_period(&of(Content::Sixteen), 8));
        assert!((1..=2048).all(|period| !has_period(&of(Content::Page), period)));
    }

    #[test]
    fn a_seed_gives_the_same_page_again() {
        assert_eq!(page(Content::Page, 64, 7), page(Content::Page, 64, 7));
        assert_ne!(page(Content::Page, 64, 7), page(Content::Page, 64, 8));
    }
}
