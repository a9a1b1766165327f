//! The operations whose results engines may choose, and some whose results they may not.

use std::arch::wasm32::{
    f32x4, f32x4_extract_lane, f32x4_relaxed_madd, f32x4_relaxed_max, f32x4_relaxed_min,
    f32x4_relaxed_nmadd, f64x2, f64x2_add, f64x2_extract_lane, f64x2_max, f64x2_min, f64x2_pmax,
    f64x2_pmin, f64x2_relaxed_madd, f64x2_sqrt, i8x16, i8x16_relaxed_swizzle, i16x8,
    i16x8_relaxed_dot_i8x16_i7x16, i16x8_relaxed_q15mulr, i32x4_extract_lane,
    i32x4_relaxed_trunc_f32x4, i32x4_trunc_sat_f32x4, i64x2_extract_lane, i64x2_relaxed_laneselect,
    u32x4_relaxed_trunc_f32x4, v128,
};
use std::hint::black_box;

use crate::exports::theater::floats::arithmetic::Outcome;

/// Quiet NaNs whose bits tell them apart.
const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0abc);
const OTHER_NAN: f64 = f64::from_bits(0xfff8_0000_0000_0def);
/// A signalling one.
const SIGNALLING: f64 = f64::from_bits(0x7ff0_0000_0000_0123);

pub(crate) fn survey() -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    scalars(&mut outcomes);
    conversions(&mut outcomes);
    vectors(&mut outcomes);
    relaxed_floats(&mut outcomes);
    relaxed_integers(&mut outcomes);
    outcomes
}

fn scalars(outcomes: &mut Vec<Outcome>) {
    let [nan, other, signalling] = black_box([NAN, OTHER_NAN, SIGNALLING]);
    let [zero, minus_zero, one, infinite] = black_box([0.0_f64, -0.0, 1.0, f64::INFINITY]);
    let mut add = |name: &str, value: f64| outcomes.push(outcome(name, value.to_bits()));
    add("0 / -0", zero / minus_zero);
    add("0 * infinite", zero * infinite);
    add("root of -1", (-one).sqrt());
    add("nan + 1", nan + one);
    add("1 + nan", one + nan);
    add("nan + other nan", nan + other);
    add("other nan * nan", other * nan);
    add("signalling + 1", signalling + one);
    add("-nan", -nan);
    add("magnitude of other nan", other.abs());
    add("1 with the sign of other nan", one.copysign(other));
    add("min of nan and 1", nan.min(one));
    add("max of 1 and nan", one.max(nan));
    add("rounded nan", nan.floor());
    add("min of 0 and -0", zero.min(minus_zero));
    add("max of -0 and 0", minus_zero.max(zero));
    add("2.5 to even", black_box(2.5_f64).round_ties_even());
    add("smallest / 2", black_box(f64::from_bits(1)) / 2.0);
    add("largest * 2", black_box(f64::MAX) * 2.0);
    add("0.1 + 0.2", black_box(0.1_f64) + black_box(0.2));
}

fn conversions(outcomes: &mut Vec<Outcome>) {
    let [nan, signalling] = black_box([NAN, SIGNALLING]);
    let narrow = |value: f64| u64::from((value as f32).to_bits());
    let mut add = |name: &str, bits: u64| outcomes.push(outcome(name, bits));
    add("nan narrowed", narrow(nan));
    add("signalling narrowed", narrow(signalling));
    add("too large narrowed", narrow(black_box(1e300)));
    add("tiny narrowed", narrow(black_box(1e-40)));
    add("nan widened", f64::from(black_box(f32::from_bits(0x7fc0_0abc))).to_bits());
    add("signalling widened", f64::from(black_box(f32::from_bits(0x7f80_0123))).to_bits());
    add("nan as i32", nan as i32 as u32 as u64);
    add("1e300 as i64", black_box(1e300_f64) as i64 as u64);
    add("-1 as u32", u64::from(black_box(-1.0_f64) as u32));
    add("largest u64 as f64", (black_box(u64::MAX) as f64).to_bits());
    add("largest u64 as f32", u64::from((black_box(u64::MAX) as f32).to_bits()));
}

#[target_feature(enable = "simd128")]
fn vectors(outcomes: &mut Vec<Outcome>) {
    let nans = black_box(f64x2(NAN, 0.0));
    let others = black_box(f64x2(OTHER_NAN, -0.0));
    let numbers = black_box(f64x2(-1.0, f64::MAX));
    let mut add = |name: &str, value: v128| {
        outcomes.push(outcome(&format!("{name}, left"), f64x2_extract_lane::<0>(value).to_bits()));
        outcomes.push(outcome(&format!("{name}, right"), f64x2_extract_lane::<1>(value).to_bits()));
    };
    add("vector sum", f64x2_add(nans, others));
    add("vector min", f64x2_min(nans, others));
    add("vector max", f64x2_max(others, nans));
    add("vector pmin", f64x2_pmin(nans, others));
    add("vector pmax", f64x2_pmax(numbers, nans));
    add("vector root", f64x2_sqrt(numbers));
    let truncated = i32x4_trunc_sat_f32x4(black_box(f32x4(f32::NAN, 1e20, -1e20, -1.5)));
    outcomes.push(outcome("vector truncated", lanes(truncated)[0]));
    outcomes.push(outcome("vector truncated, rest", lanes(truncated)[1]));
}

/// What these answer is not fixed by the standard unless the engine is told to be deterministic.
#[target_feature(enable = "relaxed-simd")]
fn relaxed_floats(outcomes: &mut Vec<Outcome>) {
    let near_one = 1.0 + f32::EPSILON;
    let a = black_box(f32x4(near_one, f32::NAN, 1e38, -0.0));
    let b = black_box(f32x4(near_one, 1.0, 10.0, 0.0));
    let c = black_box(f32x4(-near_one, f32::from_bits(0x7fc0_0abc), -1e38, -0.0));
    let mut add = |name: &str, value: v128| {
        let lane = u64::from(f32x4_extract_lane::<0>(value).to_bits());
        outcomes.push(outcome(name, lane));
        outcomes.push(outcome(&format!("{name}, all"), folded(value)));
    };
    add("relaxed a * b + c", f32x4_relaxed_madd(a, b, c));
    add("relaxed -a * b + c", f32x4_relaxed_nmadd(a, b, c));
    add("relaxed min", f32x4_relaxed_min(a, c));
    add("relaxed max", f32x4_relaxed_max(b, a));
    let near_one = 1.0 + f64::EPSILON;
    let wide = black_box(f64x2(near_one, 0.1));
    let fused = f64x2_relaxed_madd(wide, wide, black_box(f64x2(-near_one, -0.01)));
    outcomes.push(outcome("relaxed wide a * a + c", f64x2_extract_lane::<0>(fused).to_bits()));
    outcomes.push(outcome("relaxed wide, right", f64x2_extract_lane::<1>(fused).to_bits()));
}

#[target_feature(enable = "relaxed-simd")]
fn relaxed_integers(outcomes: &mut Vec<Outcome>) {
    let beyond = black_box(f32x4(f32::NAN, 1e20, -1e20, -1.5));
    let mut add = |name: &str, value: v128| outcomes.push(outcome(name, folded(value)));
    add("relaxed truncation", i32x4_relaxed_trunc_f32x4(beyond));
    add("relaxed unsigned truncation", u32x4_relaxed_trunc_f32x4(beyond));
    let bytes = black_box(i8x16(1, -2, 3, -4, 5, -6, 7, -8, 9, 10, 11, 12, 13, 14, 15, 16));
    let places = black_box(i8x16(0, 17, -1, 127, 4, 16, 31, 7, 8, 9, 10, 11, 12, 13, 14, -128));
    add("relaxed swizzle", i8x16_relaxed_swizzle(bytes, places));
    add("relaxed dot product", i16x8_relaxed_dot_i8x16_i7x16(bytes, places));
    let smallest = black_box(i16x8(i16::MIN, i16::MIN, 1, 2, 3, 4, 5, 6));
    add("relaxed q15 product", i16x8_relaxed_q15mulr(smallest, smallest));
    let mask = black_box(i8x16(0, -1, 1, 64, -128, 127, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    let selected = i64x2_relaxed_laneselect(bytes, places, mask);
    add("relaxed lane select", selected);
}

fn outcome(name: &str, bits: u64) -> Outcome {
    Outcome { name: name.to_owned(), bits }
}

/// Both halves in one number, so that a difference in any bit shows.
#[target_feature(enable = "simd128")]
fn folded(value: v128) -> u64 {
    let (left, right) = (i64x2_extract_lane::<0>(value), i64x2_extract_lane::<1>(value));
    left as u64 ^ (right as u64).rotate_left(23)
}

/// Two numbers of two lanes each.
#[target_feature(enable = "simd128")]
fn lanes(value: v128) -> [u64; 2] {
    let pair = |low: i32, high: i32| u64::from(low as u32) | u64::from(high as u32) << 32;
    [
        pair(i32x4_extract_lane::<0>(value), i32x4_extract_lane::<1>(value)),
        pair(i32x4_extract_lane::<2>(value), i32x4_extract_lane::<3>(value)),
    ]
}
