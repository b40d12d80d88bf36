// Package drivers runs load generators that others made, as closed loops: wrk, weighttp and h2load.
// What they tell becomes a result.Run like that of the benchmark's own generator.
//
// # Pitfalls
//
// A closed loop says how much a server can do. Its latencies are of requests that waited for each
// other, and hide what a stall does to those who would have come meanwhile.
//
// wrk and weighttp tell percentiles, h2load least, mean and most. weighttp has no duration: it gets
// as many requests as its warm-up lets expect.
package drivers
