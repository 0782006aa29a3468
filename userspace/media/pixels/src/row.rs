//! The samples of one row of pixel groups, by component.

use onair_essence::video::{Chroma, Depth};

use crate::picture::Picture;

/// Samples of a row: of one line, or with 4:2:0 of two.
#[derive(Debug)]
pub(crate) struct Row {
    /// Y′, R, X or key.
    pub(crate) first: Vec<u16>,
    /// Cb, G or Y; half as many with 4:2:2 and 4:2:0.
    pub(crate) second: Vec<u16>,
    /// Cr, B or Z.
    pub(crate) third: Vec<u16>,
    /// 4:2:0: Y′ of the lower line.
    pub(crate) lower: Vec<u16>,
}

impl Row {
    /// A row of `picture`, black.
    pub(crate) fn new(picture: &Picture) -> Self {
        let width = picture.width;
        let (chroma, lower) = match picture.sampling.chroma() {
            Chroma::Full => (width, 0),
            Chroma::Half => (width / 2, 0),
            Chroma::Quarter => (width / 2, width),
            Chroma::None => (0, 0),
        };
        Self {
            first: vec![0; width],
            second: vec![0; chroma],
            third: vec![0; chroma],
            lower: vec![0; lower],
        }
    }

    /// Reads the samples of `pgroups`, a row of `picture`.
    pub(crate) fn read(&mut self, picture: &Picture, pgroups: &[u8]) {
        match (picture.sampling.chroma(), picture.depth) {
            (Chroma::Half, Depth::Eight) => {
                self.read_half(pgroups.chunks_exact(4), eight);
            }
            (Chroma::Half, Depth::Ten) => self.read_half(pgroups.chunks_exact(5), ten),
            _ => self.read_any(picture, pgroups),
        }
    }

    /// 4:2:2 whose pixel groups have two pixels.
    #[inline]
    fn read_half<'a>(
        &mut self,
        pgroups: impl Iterator<Item = &'a [u8]>,
        samples: impl Fn(&[u8]) -> [u16; 4],
    ) {
        let chroma = self.second.iter_mut().zip(&mut self.third);
        let places = self.first.chunks_exact_mut(2).zip(chroma);
        for (pgroup, (luma, (blue, red))) in pgroups.zip(places) {
            let [cb, y0, cr, y1] = samples(pgroup);
            luma.copy_from_slice(&[y0, y1]);
            (*blue, *red) = (cb, cr);
        }
    }

    fn read_any(&mut self, picture: &Picture, pgroups: &[u8]) {
        let mut bits = Reader::new(pgroups, picture.depth.bits().into());
        let mut next = || bits.next();
        let chroma = self.second.iter_mut().zip(&mut self.third);
        match picture.sampling.chroma() {
            Chroma::None => self.first.fill_with(next),
            Chroma::Full if picture.is_rgb_order() => {
                for (first, (second, third)) in self.first.iter_mut().zip(chroma) {
                    (*first, *second, *third) = (next(), next(), next());
                }
            }
            Chroma::Full => {
                for (first, (second, third)) in self.first.iter_mut().zip(chroma) {
                    (*second, *first, *third) = (next(), next(), next());
                }
            }
            Chroma::Half => {
                for (luma, (blue, red)) in self.first.chunks_exact_mut(2).zip(chroma) {
                    (*blue, luma[0], *red, luma[1]) = (next(), next(), next(), next());
                }
            }
            Chroma::Quarter => {
                let lines = self.first.chunks_exact_mut(2);
                let lines = lines.zip(self.lower.chunks_exact_mut(2));
                for ((upper, lower), (blue, red)) in lines.zip(chroma) {
                    (upper[0], upper[1]) = (next(), next());
                    (lower[0], lower[1]) = (next(), next());
                    (*blue, *red) = (next(), next());
                }
            }
        }
    }

    /// Writes the samples as `pgroups`, a row of `picture`.
    pub(crate) fn write(&self, picture: &Picture, pgroups: &mut [u8]) {
        let mut bits = Writer::new(pgroups, picture.depth.bits().into());
        let mut put = |samples: &[u16]| samples.iter().for_each(|it| bits.put(*it));
        let chroma = self.second.iter().zip(&self.third);
        match picture.sampling.chroma() {
            Chroma::None => put(&self.first),
            Chroma::Full => {
                for (first, (second, third)) in self.first.iter().zip(chroma) {
                    if picture.is_rgb_order() {
                        put(&[*first, *second, *third]);
                    } else {
                        put(&[*second, *first, *third]);
                    }
                }
            }
            Chroma::Half => {
                for (luma, (blue, red)) in self.first.chunks_exact(2).zip(chroma) {
                    put(&[*blue, luma[0], *red, luma[1]]);
                }
            }
            Chroma::Quarter => {
                let lines = self.first.chunks_exact(2).zip(self.lower.chunks_exact(2));
                for ((upper, lower), (blue, red)) in lines.zip(chroma) {
                    put(&[upper[0], upper[1], lower[0], lower[1], *blue, *red]);
                }
            }
        }
        bits.finish();
    }
}

/// Cb, Y0, Cr, Y1 of 8 bits.
#[inline]
pub(crate) fn eight(pgroup: &[u8]) -> [u16; 4] {
    // No `map` of an array: it is not inlined.
    let [a, b, c, d] = *pgroup.first_chunk().expect("a whole pixel group");
    [u16::from(a), u16::from(b), u16::from(c), u16::from(d)]
}

/// Cb, Y0, Cr, Y1 of 10 bits.
#[inline]
pub(crate) fn ten(pgroup: &[u8]) -> [u16; 4] {
    let [a, b, c, d] = eight(pgroup);
    let e = u16::from(pgroup[4]);
    [
        a << 2 | b >> 6,
        (b & 0x3f) << 4 | c >> 4,
        (c & 0x0f) << 6 | d >> 2,
        (d & 0x03) << 8 | e,
    ]
}

/// Reads samples.
pub(crate) struct Reader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    word: u32,
    held: u32,
    bits: u32,
}

impl<'a> Reader<'a> {
    /// Samples of `bits` bits, at most 16.
    pub(crate) fn new(bytes: &'a [u8], bits: u32) -> Self {
        let bytes = bytes.iter();
        Self {
            bytes,
            word: 0,
            held: 0,
            bits,
        }
    }

    /// The next sample; past the end, zeros.
    #[inline]
    pub(crate) fn next(&mut self) -> u16 {
        while self.held < self.bits {
            self.word = self.word << 8 | u32::from(self.bytes.next().copied().unwrap_or(0));
            self.held += 8;
        }
        self.held -= self.bits;
        let sample = self.word >> self.held & ((1 << self.bits) - 1);
        u16::try_from(sample).expect("at most 16 bits")
    }
}

/// Writes samples.
pub(crate) struct Writer<'a> {
    bytes: std::slice::IterMut<'a, u8>,
    word: u32,
    held: u32,
    bits: u32,
}

impl<'a> Writer<'a> {
    /// Samples of `bits` bits, at most 16.
    pub(crate) fn new(bytes: &'a mut [u8], bits: u32) -> Self {
        let bytes = bytes.iter_mut();
        Self {
            bytes,
            word: 0,
            held: 0,
            bits,
        }
    }

    /// Writes the lowest bits of `sample`. What does not fit is dropped.
    #[inline]
    pub(crate) fn put(&mut self, sample: u16) {
        self.word = self.word << self.bits | (u32::from(sample) & ((1 << self.bits) - 1));
        self.held += self.bits;
        while self.held >= 8 {
            self.held -= 8;
            if let Some(byte) = self.bytes.next() {
                *byte = (self.word >> self.held & 0xff) as u8;
            }
        }
    }

    /// Fills the rest with zeros.
    pub(crate) fn finish(mut self) {
        while self.held > 0 || self.bytes.len() > 0 {
            self.put(0);
            if self.bytes.len() == 0 {
                return;
            }
        }
    }
}
