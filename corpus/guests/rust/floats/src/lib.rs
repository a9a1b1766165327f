//! Floats go in and out through every kind of place, and through the operations whose results engines
//! may choose: the bits of a NaN, relaxed vector instructions. Results are printed as bits.

mod survey;

use exports::theater::floats::arithmetic::{Guest, Outcome, Point};

wit_bindgen::generate!({ world: "floats" });

struct Floats;

impl Guest for Floats {
    fn scale(x: f32, y: f64) -> f64 {
        f64::from(x) * y
    }

    fn widen(values: Vec<f32>) -> Vec<f64> {
        values.into_iter().map(f64::from).collect()
    }

    fn narrow(values: Vec<f64>) -> Vec<f32> {
        values.into_iter().map(|value| value as f32).collect()
    }

    fn to_bits(values: Vec<f64>) -> Vec<u64> {
        values.into_iter().map(f64::to_bits).collect()
    }

    fn from_bits(bits: Vec<u64>) -> Vec<f64> {
        bits.into_iter().map(f64::from_bits).collect()
    }

    fn mirror(point: Option<Point>) -> Option<Point> {
        let marks = |marks: Vec<f32>| marks.into_iter().map(|mark| -mark).collect();
        point.map(|Point { x, y, marks: m }| Point { x: -x, y: -y, marks: marks(m) })
    }

    fn survey() -> Vec<Outcome> {
        let outcomes = survey::survey();
        for Outcome { name, bits } in &outcomes {
            println!("{name:32} {bits:016x}");
        }
        outcomes
    }
}

export!(Floats);
