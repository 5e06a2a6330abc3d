// SPDX-License-Identifier: GPL-2.0

use core::fmt;

/// Text of a bounded length, without an allocation. What does not fit is cut off.
pub struct Text {
    bytes: [u8; 512],
    len: usize,
}

impl Text {
    pub fn new(content: fmt::Arguments<'_>) -> Self {
        let mut text = Self { bytes: [0; 512], len: 0 };
        // Writing never fails; a failure in a value's own formatting leaves the text as it is.
        let _ = fmt::write(&mut text, content);
        text
    }

    /// Writes the text to a file, as far as the file takes it.
    pub fn write_to(&self, file: i32) {
        // SAFETY: the buffer has at least `len` bytes.
        unsafe { libc::write(file, self.bytes.as_ptr().cast(), self.len) };
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let free = &mut self.bytes[self.len..];
        let len = s.len().min(free.len());
        free[..len].copy_from_slice(&s.as_bytes()[..len]);
        self.len += len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn text_is_what_was_formatted() {
        let text = Text::new(format_args!("{} and {}\n", 1, "two"));
        assert_eq!(&text.bytes[..text.len], b"1 and two\n");
    }

    #[test]
    fn too_much_is_cut_off() {
        let text = Text::new(format_args!("{:>600}{}", "x", "y"));
        assert_eq!(text.len, 512);
    }
}
