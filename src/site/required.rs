//! Which versions of pinhole a site file is written for.

use crate::catalog::Version;

/// Whether a version is among those that a text such as `>=0.1, <0.3` asks for. A version without a sign stands for
/// itself and all that it is the beginning of: `0.1` for 0.1.7. The error is the part that cannot be read.
pub(super) fn fits<'t>(version: &str, wanted: &'t str) -> Result<bool, &'t str> {
    let mut fits = true;
    for part in wanted.split(',').map(str::trim) {
        let digits = part.trim_start_matches(['>', '<', '=']).trim_start();
        let sign = part[..part.len() - digits.len()].trim_end();
        let compare = || Version::parse(version)?.compare(&Version::parse(digits)?);
        let order = compare().filter(|_| digits.starts_with(|c: char| c.is_ascii_digit())).ok_or(part)?;
        fits &= match sign {
            ">=" => order.is_ge(),
            ">" => order.is_gt(),
            "<=" => order.is_le(),
            "<" => order.is_lt(),
            "=" => order.is_eq(),
            "" => version == digits || version.starts_with(&format!("{digits}.")),
            _ => return Err(part),
        };
    }
    Ok(fits)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn versions_that_fit() {
        for (wanted, answer) in [
            (">=0.1", Ok(true)),
            (">=0.1, <0.3", Ok(true)),
            (">= 0.1.7", Ok(true)),
            ("0.1", Ok(true)),
            ("0", Ok(true)),
            ("0.1.70", Ok(false)),
            ("<0.1.7", Ok(false)),
            (">0.2", Ok(false)),
            ("=0.1.7", Ok(true)),
            ("~0.1", Err("~0.1")),
            (">=0.1,", Err("")),
        ] {
            assert_eq!(fits("0.1.7", wanted), answer, "{wanted}");
        }
    }
}
