//! Layer from closure.
// says: is not a layer
// says: wrap a closure in `layer_fn`: `layer_fn(|context| { println!("before"); |result| result })`

fn main() {
    let _ = matins::scheduler().layer(|| ());
}
