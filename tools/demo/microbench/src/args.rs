// SPDX-License-Identifier: GPL-2.0

use clap::Parser;
use refmap::Fill;

/// Maps, touches and unmaps pattern-filled memory in three ways, and says what each costs.
#[derive(Debug, Parser)]
pub struct Args {
    /// How often each row maps, touches and unmaps
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub iterations: u32,

    /// Bytes of each mapping
    #[arg(long, default_value_t = 4_096_000, value_parser = positive)]
    pub bytes: usize,

    /// Bytes of it that are touched, one store a page; one row for each
    #[arg(long, value_delimiter = ',', default_value = "4096,2048000,4096000", value_parser = positive)]
    pub touch: Vec<usize>,

    /// Ways to get the memory: memset, none (no pattern: the baseline), refpage
    #[arg(long, value_delimiter = ',', default_value = "memset,none,refpage", value_parser = way)]
    pub ways: Vec<Fill>,

    /// Byte that fills the memory, decimal or 0x hexadecimal
    #[arg(long, default_value = "0xaa", value_parser = byte)]
    pub pattern: u8,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("give at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("give a number of bytes ({error})")),
    }
}

fn way(text: &str) -> Result<Fill, String> {
    Fill::from_name(text.as_bytes()).ok_or_else(|| "give memset, none or refpage".into())
}

fn byte(text: &str) -> Result<u8, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("give a byte, 0 to 255 or 0x00 to 0xff ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_arguments_it_is_the_benchmark_of_2021() {
        let args = Args::parse_from(["microbench"]);
        assert_eq!((args.iterations, args.bytes), (1000, 4_096_000));
        assert_eq!(args.touch, [4096, 2_048_000, 4_096_000]);
        assert_eq!(args.ways, Fill::ALL);
        assert_eq!(args.pattern, 0xaa);
    }

    #[test]
    fn bad_arguments_are_refused() {
        for bad in
            ["--iterations=0", "--bytes=0", "--touch=4096,x", "--ways=memset,zero", "--pattern=0x100", "--pattern=256"]
        {
            assert!(Args::try_parse_from(["microbench", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_is_decimal_or_hexadecimal() {
        assert_eq!(byte("171"), Ok(171));
        assert_eq!(byte("0xab"), Ok(171));
    }
}
