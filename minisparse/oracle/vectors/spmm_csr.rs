//! A right spmm_csr, held against a suite: `rustc -O spmm_csr.rs && ./spmm_csr DIR`.
//!
//! The standard library alone. `json` reads exactly the lines that minisparse writes; a result is
//! right where |y - hi - lo| <= bound. Every dtype in one loop: integers in 64 bits, wrapped at the
//! end; all others in f64, rounded once. Replace `spmm_csr` by your own.
use std::collections::HashMap;
use std::{env, fs, process};

mod json {
    //! Strings, whole numbers, true, false, lists and objects: nothing else is in a suite.
    use std::collections::HashMap;

    pub enum Value {
        Text(String),
        Number(i64),
        Flag(bool),
        List(Vec<Value>),
        Object(HashMap<String, Value>),
    }

    impl Value {
        pub fn get(&self, key: &str) -> Result<&Value, String> {
            match self {
                Value::Object(members) => members.get(key).ok_or(format!("no member {key}")),
                _ => Err(format!("no object around {key}")),
            }
        }
        pub fn text(&self) -> Result<&str, String> {
            if let Value::Text(text) = self { Ok(text) } else { Err("no string".into()) }
        }
        pub fn size(&self) -> Result<usize, String> {
            match self {
                Value::Number(n) if *n >= 0 => Ok(*n as usize),
                _ => Err("no size".into()),
            }
        }
        pub fn flag(&self) -> bool {
            matches!(self, Value::Flag(true))
        }
        pub fn list(&self) -> Result<&[Value], String> {
            if let Value::List(items) = self { Ok(items) } else { Err("no list".into()) }
        }
    }

    pub fn parse(line: &str) -> Result<Value, String> {
        let mut reader = Reader { bytes: line.as_bytes(), at: 0 };
        let found = reader.value(0)?;
        if reader.at == line.len() { Ok(found) } else { Err("more than one value".into()) }
    }

    struct Reader<'a> {
        bytes: &'a [u8],
        at: usize,
    }

    impl Reader<'_> {
        fn next(&mut self) -> Result<u8, String> {
            let found = *self.bytes.get(self.at).ok_or("it ends too early")?;
            self.at += 1;
            Ok(found)
        }
        fn skips(&mut self, text: &str) -> bool {
            let found = self.bytes[self.at..].starts_with(text.as_bytes());
            self.at += if found { text.len() } else { 0 };
            found
        }
        fn string(&mut self) -> Result<String, String> {
            let mut text = Vec::new();
            loop {
                match self.next()? {
                    b'"' => return String::from_utf8(text).map_err(|_| "no UTF-8".into()),
                    b'\\' => text.push(self.next()?),
                    other => text.push(other),
                }
            }
        }
        fn value(&mut self, depth: usize) -> Result<Value, String> {
            if depth > 8 {
                return Err("nested too deep".into());
            }
            match self.next()? {
                b'"' => Ok(Value::Text(self.string()?)),
                b'[' => {
                    let mut items = Vec::new();
                    while !self.skips("]") {
                        items.push(self.value(depth + 1)?);
                        self.skips(",");
                    }
                    Ok(Value::List(items))
                }
                b'{' => {
                    let mut members = HashMap::new();
                    while !self.skips("}") {
                        if !self.skips("\"") {
                            return Err("a member without a name".into());
                        }
                        let name = self.string()?;
                        if !self.skips(":") {
                            return Err("a member without a value".into());
                        }
                        members.insert(name, self.value(depth + 1)?);
                        self.skips(",");
                    }
                    Ok(Value::Object(members))
                }
                b't' if self.skips("rue") => Ok(Value::Flag(true)),
                b'f' if self.skips("alse") => Ok(Value::Flag(false)),
                first => {
                    let start = self.at - 1;
                    while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
                        self.at += 1;
                    }
                    let digits = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or("");
                    digits.parse().map(Value::Number).map_err(|_| format!("no value at {first}"))
                }
            }
        }
    }
}

use json::Value;

/// An array of `suite.bin`, with each element as an i64, or as a real and an imaginary part.
#[derive(Clone)]
struct Array {
    dtype: String,
    shape: Vec<usize>,
    whole: Vec<i64>,
    parts: Vec<[f64; 2]>,
}

fn itemsize(dtype: &str) -> Option<usize> {
    Some(match dtype {
        "bool" | "int8" | "uint8" => 1,
        "int16" | "uint16" | "float16" | "bfloat16" => 2,
        "int32" | "uint32" | "float32" => 4,
        "int64" | "uint64" | "float64" | "complex64" => 8,
        "complex128" => 16,
        _ => return None,
    })
}

fn is_integer(dtype: &str) -> bool {
    dtype == "bool" || dtype.starts_with("int") || dtype.starts_with("uint")
}

fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        31 => if fraction != 0.0 { f64::NAN } else { f64::INFINITY },
        0 => fraction * 2f64.powi(-24),
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 != 0 { -size } else { size }
}

fn read_array(entry: &Value, stored: &[u8]) -> Result<Array, String> {
    let dtype = entry.get("dtype")?.text()?.to_string();
    let shape = sizes(entry.get("shape")?)?;
    let (offset, nbytes) = (entry.get("offset")?.size()?, entry.get("nbytes")?.size()?);
    let size = itemsize(&dtype).ok_or("an unknown dtype")?;
    let end = offset.checked_add(nbytes).ok_or("an offset that is too large")?;
    let raw = stored.get(offset..end).ok_or("an array outside of suite.bin")?;
    if shape.iter().try_fold(size, |n, &d| n.checked_mul(d)) != Some(nbytes) {
        return Err("an array of another size than its shape".into());
    }
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    for e in raw.chunks_exact(size) {
        let bits = e.iter().take(8).rev().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        let single = |bits: u64| f64::from(f32::from_bits(bits as u32));
        match dtype.as_str() {
            "int8" => whole.push(i64::from(bits as u8 as i8)),
            "int16" => whole.push(i64::from(bits as u16 as i16)),
            "int32" => whole.push(i64::from(bits as u32 as i32)),
            "float16" => parts.push([half(bits as u16), 0.0]),
            "bfloat16" => parts.push([single(bits << 16), 0.0]),
            "float32" => parts.push([single(bits), 0.0]),
            "float64" => parts.push([f64::from_bits(bits), 0.0]),
            "complex64" => parts.push([single(bits), single(bits >> 32)]),
            "complex128" => {
                let high = e[8..].iter().rev().fold(0u64, |b, &byte| b << 8 | u64::from(byte));
                parts.push([f64::from_bits(bits), f64::from_bits(high)]);
            }
            _ => whole.push(bits as i64),
        }
    }
    if is_integer(&dtype) {
        parts = whole.iter().map(|&x| [x as f64, 0.0]).collect();
    }
    Ok(Array { dtype, shape, whole, parts })
}

fn sizes(list: &Value) -> Result<Vec<usize>, String> {
    list.list()?.iter().map(Value::size).collect()
}

fn read_arrays(list: &Value, stored: &[u8]) -> Result<HashMap<String, Array>, String> {
    let named = |e: &Value| Ok((e.get("name")?.text()?.to_string(), read_array(e, stored)?));
    list.list()?.iter().map(named).collect()
}

/// The result of a call: as an array, but parts not yet rounded to `dtype`.
fn spmm_csr(inputs: &HashMap<String, Array>, dtype: &str) -> Array {
    let [indptr, indices] = ["indptr", "indices"].map(|name| &inputs[name].whole);
    let (data, b) = (&inputs["data"], &inputs["b"]);
    let (rows, columns) = (inputs["shape"].whole[0] as usize, b.shape[1]);
    let mut whole = vec![0i64; rows * columns];
    let mut parts = vec![[0f64; 2]; rows * columns];
    for m in 0..rows {
        for p in indptr[m] as usize..indptr[m + 1] as usize {
            for n in 0..columns {
                let (from, to) = (indices[p] as usize * columns + n, m * columns + n);
                if is_integer(dtype) {
                    let term = data.whole[p].wrapping_mul(b.whole[from]);
                    let sum = whole[to].wrapping_add(term);
                    whole[to] = if dtype == "bool" { whole[to] | term } else { sum };
                    continue;
                }
                let ([x, xi], [z, zi]) = (data.parts[p], b.parts[from]);
                parts[to][0] += x * z;
                if dtype.starts_with("complex") {
                    parts[to][0] -= xi * zi;
                    parts[to][1] += x * zi + xi * z;
                }
            }
        }
    }
    for (x, part) in whole.iter_mut().zip(parts.iter_mut()) {
        *x = wrapped(*x, dtype);
        *part = part.map(|x| rounded(x, dtype));
    }
    Array { dtype: dtype.to_string(), shape: vec![rows, columns], whole, parts }
}

fn wrapped(x: i64, dtype: &str) -> i64 {
    match dtype {
        "bool" => i64::from(x != 0),
        "int8" => i64::from(x as i8),
        "uint8" => i64::from(x as u8),
        "int16" => i64::from(x as i16),
        "int32" => i64::from(x as i32),
        _ => x,
    }
}

/// Round to nearest, ties to even, in a dtype of so many bits, and to its range.
fn rounded(x: f64, dtype: &str) -> f64 {
    let (bits, lowest, largest) = match dtype {
        "float16" => (11, -24, 65504.0),
        "bfloat16" => (8, -133, f64::from(f32::from_bits(0x7f7f_0000))),
        "float32" | "complex64" => return f64::from(x as f32),
        _ => return x,
    };
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = (x.abs().to_bits() >> 52) as i32 - 1023; // of doubles that are not subnormal
    let unit = 2f64.powi((exponent - bits + 1).max(lowest));
    let near = (x / unit).round_ties_even() * unit;
    if near.abs() > largest { f64::INFINITY.copysign(x) } else { near }
}

/// Tell whether element i may stand where it is expected.
fn is_right(y: &Array, i: usize, expected: &HashMap<String, Array>) -> bool {
    let hi = &expected["hi"];
    if is_integer(&y.dtype) {
        return y.whole[i] == hi.whole[i];
    }
    let count = if y.dtype.starts_with("complex") { 2 } else { 1 };
    let part = |name: &str, j: usize| expected.get(name).map_or(0.0, |x| x.parts[count * i + j][0]);
    let special = expected.get("special").map_or(0, |x| x.whole[i]);
    let finite = y.parts[i].iter().all(|x| x.is_finite());
    let near = (0..count)
        .all(|j| (y.parts[i][j] - part("hi", j) - part("lo", j)).abs() <= part("bound", j));
    let x = y.parts[i][0];
    match (special, finite) {
        (1, _) if count == 2 => !finite,
        (1, _) => x.is_nan(),
        (2, _) => x == f64::INFINITY,
        (3, _) => x == f64::NEG_INFINITY,
        (_, true) => near,
        (4, _) if count == 1 => x == f64::INFINITY.copysign(part("hi", 0)),
        (4 | 5, _) => true,
        _ => false,
    }
}

/// Return whether the case of a line passes; None if it is of another op.
fn run_case(line: &str, stored: &[u8]) -> Result<Option<bool>, String> {
    let case = json::parse(line)?;
    if case.get("op")?.text()? != "spmm_csr" {
        return Ok(None);
    }
    let result = case.get("expected")?;
    let expected = read_arrays(result.get("arrays")?, stored)?;
    let inputs = read_arrays(case.get("inputs")?, stored)?;
    let shape = sizes(result.get("shape")?)?;
    let y = spmm_csr(&inputs, result.get("dtype")?.text()?);
    let wrong = (0..y.parts.len()).find(|&i| !is_right(&y, i, &expected));
    if let Some(i) = wrong {
        println!("{}: element {i} is wrong", case.get("id")?.text()?);
    }
    // of a sparse result, `is_sorted` and `is_distinct` would have to be looked at too
    debug_assert!(!result.get("is_sorted").is_ok_and(Value::flag));
    Ok(Some(wrong.is_none() && y.shape == shape))
}

fn run(folder: &str) -> Result<(usize, usize), String> {
    let read = |name| fs::read(format!("{folder}/{name}")).map_err(|e| format!("{name}: {e}"));
    let stored = read("suite.bin")?;
    let text = String::from_utf8(read("suite.jsonl")?).map_err(|e| e.to_string())?;
    let mut lines = text.lines();
    let header = json::parse(lines.next().unwrap_or(""))?;
    let format = header.get("format")?.text()?;
    if format != "minisparse-vectors" || header.get("version")?.size()? != 1 {
        return Err("not a suite of version 1".into());
    }
    let (mut passed, mut total) = (0, 0);
    for (number, line) in lines.enumerate() {
        let found = run_case(line, &stored)
            .map_err(|what| format!("suite.jsonl, line {}: {what}", number + 2))?;
        total += usize::from(found.is_some());
        passed += usize::from(found == Some(true));
    }
    Ok((passed, total))
}

fn main() {
    let folder = env::args().nth(1).unwrap_or(".".into());
    match run(&folder) {
        Ok((passed, total)) => {
            println!("{passed} of {total} passed");
            process::exit(i32::from(passed < total));
        }
        Err(what) => {
            eprintln!("{what}");
            process::exit(2);
        }
    }
}
