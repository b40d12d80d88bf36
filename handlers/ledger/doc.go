// Package ledger is the role that bench chaos asks: it writes down what it was asked to do, so that
// whoever sums up can tell whether something was done twice, or not at all.
//
//	GET  /read      an answer, after a millisecond
//	POST /write/N   the same, and N is in the ledger
//
// A ledger is a file in the folder of --ledger for each process, a number a line, each written
// before the answer: what a process that is killed has done is there.
//
// Writes with an Idempotency-Key are known again by all processes that have the same folder, in
// which they are remembered.
//
// # Moods
//
// A handler looks for the file INSTANCE.mood in that folder. What it says is what the handler
// is like until it says something else: well; slow, fifty times as slow; flood, with answers of
// 100 KiB.
package ledger
